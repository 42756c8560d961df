"""The packaged CLIP's image tower under other CPU runtimes, from the same weights: is one worth an extra?

    python benchmarks/backends.py          # --quick: 4 photos; --check: the cosines only

Ours in float32 and bfloat16; onnxruntime in float32 and with 8-bit products (``quantize_dynamic``, a channel at a
time); OpenVINO in float32 and bfloat16. Those that are not installed are left out and named. All get the same
normalised squares and give class embedding and patch tokens of the same pass (``LeanTransformer``, exported), on as
many threads as torch has. Checked first: cosines of both to float32, on real photos where $CV_DATA holds some.
"""

from __future__ import annotations

import functools
import importlib.util
import logging
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rounds
import torch
from encode import real_photos
from rounds import ENCODER

import counterfeit_vision as cv
from counterfeit_vision.io.decode import decode

Run = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # (N, 3, S, S) float32 -> (N, D) unit, (N, P, E)


class Tower(torch.nn.Module):
    """An encoder's tower as a module that can be exported."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.weights, self.run = encoder.tower.tower, encoder.tower

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        vectors, patches, _ = self.run(images)
        return torch.nn.functional.normalize(vectors.float(), dim=-1), patches


def in_torch(encoder: Any) -> Run:
    tower = Tower(encoder)

    def run(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with torch.inference_mode():
            vectors, patches = tower(torch.from_numpy(images))
        return vectors.numpy(), patches.numpy()

    return run


def in_onnxruntime(file: Path) -> Run:
    import onnxruntime

    chosen = onnxruntime.SessionOptions()
    chosen.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(file), chosen, providers=["CPUExecutionProvider"])
    return lambda images: tuple(session.run(None, {"images": images}))


def in_openvino(file: Path, precision: str) -> Run:
    import openvino

    chosen = {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "INFERENCE_PRECISION_HINT": precision}
    model = openvino.Core().compile_model(str(file), "CPU", {**chosen, "PERFORMANCE_HINT": "LATENCY"})

    def run(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        out = model(images)
        return out[0], out[1]

    return run


def backends(folder: Path, encoders: dict[str, Any]) -> tuple[dict[str, Run], list[str]]:
    """What is installed, the reference first, and what is not."""
    runs = {f"torch, {name}": in_torch(encoder) for name, encoder in encoders.items()}
    plain, missing = encoders["float32"], []
    file, small = folder / "tower.onnx", folder / "tower-int8.onnx"
    size = plain.preprocess.size
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # the exporter that needs no further package is deprecated
        torch.onnx.export(
            Tower(plain).eval(),
            (torch.zeros(2, 3, size, size),),
            str(file),
            dynamo=False,
            input_names=["images"],
            output_names=["vectors", "patches"],
            dynamic_axes={name: {0: "n"} for name in ("images", "vectors", "patches")},
        )
    if importlib.util.find_spec("onnxruntime"):
        from onnxruntime.quantization import QuantType, quantize_dynamic

        logging.disable(logging.WARNING)
        quantize_dynamic(file, small, per_channel=True, weight_type=QuantType.QInt8)
        logging.disable(logging.NOTSET)
        runs |= {"onnxruntime, float32": in_onnxruntime(file), "onnxruntime, int8": in_onnxruntime(small)}
    else:
        missing.append("onnxruntime")
    if importlib.util.find_spec("openvino"):
        runs |= {f"OpenVINO, {name}": in_openvino(file, name) for name in ("f32", "bf16")}
    else:
        missing.append("openvino")
    return runs, missing


def cosines(run: Run, images: np.ndarray, expected: tuple[np.ndarray, np.ndarray], at_once: int) -> dict[str, float]:
    """Least and mean cosine of the class embeddings, and of the patch tokens, to the reference's."""
    found = {}
    for name, theirs, ours in zip(("embedding", "patches"), whole(run, images, at_once), expected, strict=True):
        lengths = np.linalg.norm(theirs, axis=-1) * np.linalg.norm(ours, axis=-1)
        cosine = (theirs * ours).sum(-1, dtype=np.float64) / lengths
        found |= {f"{name}, least": round(float(cosine.min()), 6), f"{name}, mean": round(float(cosine.mean()), 6)}
    return found


def whole(run: Run, images: np.ndarray, at_once: int) -> tuple[np.ndarray, np.ndarray]:
    """All images, some at once."""
    vectors, patches = zip(*(run(images[start:][:at_once]) for start in range(0, len(images), at_once)), strict=True)
    return np.concatenate(vectors), np.concatenate(patches)


def main() -> None:
    chosen = rounds.options(__doc__)
    if chosen.device != "cpu":
        raise SystemExit("these are runtimes for the CPU: --device cpu")
    encoders: dict[str, Any] = {name: cv.load_encoder(ENCODER, dtype=name) for name in ("float32", "bfloat16")}
    plain = encoders["float32"]
    files = real_photos()
    files = files[:: -(-len(files) // (4 if chosen.quick else 32))] if files else []
    kind = "real" if files else "rendered"
    files = files or [rounds.coded(rounds.photo(600, 450, seed)) for seed in range(4 if chosen.quick else 16)]
    squares = np.stack([plain.preprocess(decode(file).pixels)[0] for file in files])
    images = np.ascontiguousarray(plain.normalised(torch.from_numpy(squares)).numpy())
    result: dict[str, Any] = {"encoder": ENCODER, "check": {}, "rounds": {}}
    with tempfile.TemporaryDirectory() as folder:
        runs, result["not installed"] = backends(Path(folder), encoders)
        expected = whole(runs["torch, float32"], images, 8)
        result["photos"] = f"{len(images)} {kind}"
        for name, run in runs.items():
            result["check"][f"{name}: cosine to torch, float32"] = cosines(run, images, expected, 8)
        least = result["check"]["torch, bfloat16: cosine to torch, float32"]["embedding, least"]
        rounds.demand(least >= 0.999, f"torch, bfloat16: cosine {least}")
        for at_once in () if chosen.check else (1, 16):
            batch = np.resize(images, (at_once, *images.shape[1:]))
            ways = {name: functools.partial(run, batch) for name, run in runs.items()}
            result["rounds"][f"the tower, {at_once} at once"] = rounds.paired(
                ways, items=at_once, rounds=2 if chosen.quick else 7, device="cpu"
            )
    rounds.give("backends", result, chosen)


if __name__ == "__main__":
    main()
