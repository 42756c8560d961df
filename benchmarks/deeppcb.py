"""Defects of circuit boards, with the template as only reference and nothing trained (DeepPCB: Tang et al. 2019).

    python benchmarks/deeppcb.py                # all pairs but every fifth, on which the two constants were chosen
    python benchmarks/deeppcb.py --development  # those

A pixel deviates by how far it lies outside what the template shows within a few pixels of it, and the other way round.
Share of defect boxes that a region touches, and regions a picture that touch none; beside them the plain difference.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import data
import numpy as np
from numpy.typing import NDArray

from counterfeit_vision.evaluation.metrics import bootstrap_interval

SLACK = 2  # pixels that an edge may lie off
LEVEL = 140.0  # levels of 255 by which a region deviates
GROW = 11  # pixels: regions nearer than that are one

Box = tuple[float, float, float, float]


def deviating(template: NDArray[np.float32], test: NDArray[np.float32], slack: int, level: float) -> list[Box]:
    """Boxes around what deviates, (h, w) grey 0..255 both."""
    kernel = np.ones((2 * slack + 1, 2 * slack + 1), np.uint8)
    far = np.zeros_like(test)
    for seen, known in ((test, template), (template, test)):
        over, under = seen - cv2.dilate(known, kernel), cv2.erode(known, kernel) - seen
        far = np.maximum(far, np.maximum(over, under))
    found = (cv2.GaussianBlur(np.maximum(far, 0), (0, 0), 1.0) > level).astype(np.uint8)
    found = cv2.dilate(found, np.ones((GROW, GROW), np.uint8))
    boxes = cv2.connectedComponentsWithStats(found)[2][1:]
    return [(float(x), float(y), float(x + w), float(y + h)) for x, y, w, h, _ in boxes]


def laid_over(template: NDArray[np.uint8], test: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The template where the test picture has it: an affine map (ECC: Evangelidis & Psarakis 2008), or as it is."""
    steps = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-5)
    start = np.eye(2, 3, dtype=np.float32)
    try:
        _, found = cv2.findTransformECC(test, template, start, cv2.MOTION_AFFINE, steps, None, 5)
    except cv2.error:
        return template
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(template, found, test.shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)


def touch(a: Box, b: Box) -> bool:
    """Whether two boxes overlap."""
    return min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])


def counts(test: Path, slack: int, level: float, *, register: bool = True) -> tuple[int, int, int]:
    """Defects hit, defects, regions that hit none."""
    name = test.name.removesuffix("_test.jpg")
    pair = [cv2.imread(str(test.with_name(f"{name}_{part}.jpg")), cv2.IMREAD_GRAYSCALE) for part in ("temp", "test")]
    truth: list[Any] = np.loadtxt(test.parent.parent / f"{test.parent.name}_not" / f"{name}.txt", ndmin=2).tolist()
    defects = [tuple(row[:4]) for row in truth]
    if register:
        pair[0] = laid_over(pair[0], pair[1])
    found = deviating(pair[0].astype(np.float32), pair[1].astype(np.float32), slack, level)
    hit = sum(any(touch(box, region) for region in found) for box in defects)
    return hit, len(defects), sum(not any(touch(box, region) for box in defects) for region in found)


def summary(rows: NDArray[np.int64]) -> dict[str, Any]:
    """Recall and false regions, with intervals over pictures."""
    names = [str(number) for number in range(len(rows))]
    return {
        "defects hit": float(rows[:, 0].sum() / rows[:, 1].sum()),
        "interval": bootstrap_interval(lambda pick: float(rows[pick, 0].sum() / rows[pick, 1].sum()), names),
        "false regions a picture": float(rows[:, 2].mean()),
        "false regions, interval": bootstrap_interval(lambda pick: float(rows[pick, 2].mean()), names),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--development", action="store_true", help="the pairs on which the constants were chosen")
    parser.add_argument("--quick", action="store_true", help="20 pairs")
    options = parser.parse_args()
    pairs = sorted((data.folder("deeppcb") / "PCBData").glob("group*/*/*_test.jpg"))
    pairs = [path for number, path in enumerate(pairs) if (number % 5 == 0) == options.development]
    pairs = pairs[:20] if options.quick else pairs
    ours = np.array([counts(path, SLACK, LEVEL) for path in pairs])
    plain = np.array([counts(path, 0, LEVEL, register=False) for path in pairs])
    result = {"pictures": len(pairs), **summary(ours), "plain difference": summary(plain)}
    data.write("deeppcb" if not (options.development or options.quick) else "deeppcb-development", result)


if __name__ == "__main__":
    main()
