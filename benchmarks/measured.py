"""Writes docs/measured.md, and the lines of README.md between its two comments, from the results that are kept.

    python benchmarks/measured.py  # after a benchmark has run

``measured.md`` beside this file is what they say, with ``{result:where}`` for each figure: ``{grocery:iconic/mAP}`` is
``mAP`` in ``iconic`` of ``results/grocery.json``. What is joined by `` + `` is the mean of several. A share has two
digits behind the point, ``{...|3}`` three; a range is written "0.10 to 0.20", seeds "116 117".
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
SHORT = re.compile(r"(?<=<!-- in short -->\n).*?(?=<!-- end -->)", re.DOTALL)
PLACE = re.compile(r"\{(?P<result>[a-z0-9-]+):(?P<where>[^{}|]+)(?:\|(?P<digits>\d))?\}")


def at(result: Any, where: str) -> Any:
    """What a result holds there; the mean where several places are joined."""
    several = []
    for path in where.split(" + "):
        value = result
        for name in path.split("/"):
            value = value[int(name)] if isinstance(value, list) else value[name]
        several.append(value)
    return several[0] if len(several) == 1 else sum(several) / len(several)


def written(value: Any, digits: int = 2) -> str:
    """A figure as it is read.

    >>> written(0.947), written([0.9, 1]), written(0.048, 3), written([9402]), written(10018), written(3.0)
    ('0.95', '0.90 to 1.00', '0.048', '9402', '10,018', '3.00')
    """
    if isinstance(value, list) and all(isinstance(one, int) for one in value):
        return " ".join(map(str, value))
    if isinstance(value, list) and len(value) == 2:
        return " to ".join(written(float(one), digits) for one in value)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.{digits}f}"
    raise ValueError(f"{value!r} is no figure")


def filled(template: str, results: Path) -> str:
    """The template with the figures of the folder of results; ``FileNotFoundError`` or ``KeyError`` for one that is
    not there, ``ValueError`` for what is none.
    """

    def figure(place: re.Match[str]) -> str:
        result = json.loads((results / f"{place['result']}.json").read_text(encoding="utf-8"))
        return written(at(result, place["where"]), int(place["digits"] or 2))

    if "{" in (rest := PLACE.sub("", template)):
        raise ValueError(f"{rest[rest.index('{') :].splitlines()[0]!r} names no figure: need {{result:where}}")
    return PLACE.sub(figure, template)


def pages() -> dict[Path, str]:
    """The two documents, as they should be."""
    page = filled((ROOT / "benchmarks" / "measured.md").read_text(encoding="utf-8"), ROOT / "benchmarks" / "results")
    readme = ROOT / "README.md"
    (short,) = SHORT.findall(page)
    return {
        ROOT / "docs" / "measured.md": page,
        readme: SHORT.sub(lambda _: short, readme.read_text(encoding="utf-8")),
    }


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
