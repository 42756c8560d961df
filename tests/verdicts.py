"""Verdicts and failures made up for tests, with the pictures and points that they show."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from counterfeit_vision.errors import DecodeError
from counterfeit_vision.types import Evidence, Failure, Listing, PhotoView, Region, Seller, Verdict

MAGENTA, GREEN = (230, 0, 230), (0, 210, 60)


def view(id: str = "photo", colour: tuple[int, int, int] = MAGENTA, size: tuple[int, int] = (64, 48)) -> PhotoView:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "jpeg")
    return PhotoView(id, buffer.getvalue(), (size[0] * 10, size[1] * 10))


def heatmap(peak: float) -> np.ndarray:
    heat = np.full((7, 7), 0.1, np.float32)
    heat[2:4, 3:5] = peak
    return heat


def verdict(id: str = "a", decision: str = "suspected", risk: float = 0.9, p_value: float = 0.02, **changes) -> Verdict:
    fields = {
        "reason": f"Reason of {id}.",
        "product": "Runner 2",
        "brand": "Ostrelle",
        "claims": {
            "patches": Evidence(
                1.3,
                "The mark deviates.",
                0.01,
                region=Region(64, 48, 320, 240),
                heatmap=heatmap(1.3),
                references=("r1",),
            ),
            "similarity": Evidence(0.2, "Nearest product is Runner 2.", p_value=0.4),
            "wordmark": Evidence.not_applicable("No wordmark is known for this brand."),
        },
        "photos": (view("front.jpg"),),
        "genuine": (PhotoView("r1", view(colour=GREEN).jpeg, (640, 480), "Runner 2"),),
        "listing": Listing(
            id=id,
            photos=[],
            title=f"Title of {id}",
            price=1249.5,
            currency="EUR",
            seller=Seller("s-1", "Shoe Shop"),
            platform="example market",
            url="https://market.example/1?a=b&c=d",
        ),
    }
    return Verdict(id=id, decision=decision, risk=risk, p_value=p_value, **{**fields, **changes})


def failure(id: str = "broken") -> Failure:
    return Failure(id, "decode", DecodeError(f"{id}.jpg", "no image in it"))


def matches(count: int) -> np.ndarray:
    """Points on a photo of 640 x 480, and the same on one of that size, 20 pixels to the right."""
    x, y = np.linspace(20, 600, count), np.linspace(460, 20, count)
    return np.stack([x, y, x + 20, y], axis=1).astype(np.float32)


SEEN = {
    "reuse": Evidence(1.0, "The same photo as r1.", 0.01, references=("r1", "r2"), points=matches(100)),
    "wordmark": Evidence(
        0.4, "The mark reads OSTRELIE.", 0.1, crops=(view("mine", (250, 220, 0)), view("theirs", (0, 220, 250)))
    ),
}
