"""Which carton is it? Retrieval on grocery's test photos, from catalogue photos and from phone photos.

    python benchmarks/grocery.py            # the test part: reported, never tuned on
    python benchmarks/grocery.py --part val # for development

Two catalogues: one iconic photo a product, and five phone photos a product drawn from the training part (5 draws).
Recall@1 and @5, mean average precision, 95 % intervals by resampling photos, and how often a same-brand variant was
taken for the right one. Beside it the plain class token: cosine of the global vectors, nothing else.
"""

from __future__ import annotations

import argparse

import data
import numpy as np

import counterfeit_vision as cv
from counterfeit_vision.evaluation.metrics import bootstrap_interval, mean_average_precision, recall_at_k

DRAWS = 5
PHONE_PHOTOS = 5


def measure(catalog: cv.Catalog, photos: list[data.Photo], found: cv.Embeddings) -> dict[str, object]:
    """Quality of one catalogue on the photos, and of the plain class token on the same vectors."""
    truth = [photo.product for photo in photos]
    k = len(catalog)
    neighbours = catalog.neighbours(found, k)
    products = np.where(neighbours.rows >= 0, catalog.products[neighbours.rows], None)
    right = products[:, 0] == np.array(truth, dtype=object)
    wrong = [(mine, theirs) for mine, theirs in zip(truth, products[:, 0], strict=True) if mine != theirs]
    plain = catalog.products[(found.vectors @ catalog.vectors.T).argmax(axis=1)] == np.array(truth, dtype=object)
    counts = {name: int((catalog.products == name).sum()) for name in set(truth)}
    return {
        "recall@1": float(right.mean()),
        "recall@1 interval": bootstrap_interval(lambda rows: float(right[rows].mean()), [str(p.path) for p in photos]),
        "recall@5 products": recall_at_k(first_products(products, 5), truth, 5),
        "mAP": mean_average_precision(products, truth, [counts[name] for name in truth]),
        "same-brand variant taken for it": float(
            np.mean([data.brand_of(a) == data.brand_of(b) for a, b in wrong] or [0]) * (1 - right.mean())
        ),
        "plain class token recall@1": float(plain.mean()),
        "most confused": most_confused(wrong),
    }


def first_products(products: np.ndarray, k: int) -> np.ndarray:
    """(N, k) the first k distinct products of each row."""
    rows = []
    for row in products.tolist():
        distinct = list(dict.fromkeys(name for name in row if name is not None))[:k]
        rows.append(distinct + [None] * (k - len(distinct)))
    return np.array(rows, dtype=object)


def most_confused(wrong: list[tuple[str, str]], top: int = 5) -> list[str]:
    """The commonest mistakes, in words."""
    names, counts = np.unique([f"{a} taken for {b}" for a, b in wrong], return_counts=True)
    return [f"{names[i]}: {counts[i]}" for i in np.argsort(-counts)[:top]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=["test", "val", "train"], default="test")
    parser.add_argument("--encoder", default=data.ENCODER)
    options = parser.parse_args()
    encoder = cv.load_encoder(options.encoder)
    photos = data.grocery(options.part)
    found = cv.embed([photo.path for photo in photos], encoder=encoder, progress=True)
    iconic = cv.Catalog.build(data.references(data.grocery("iconic")), encoder=encoder)
    result: dict[str, object] = {"part": options.part, "encoder": encoder.name, "photos": len(photos)}
    result["iconic"] = measure(iconic, photos, found)
    train = data.grocery("train")
    draws = []
    for seed in range(DRAWS):
        rng = np.random.default_rng(seed)
        chosen = []
        for product in sorted({photo.product for photo in train}):
            mine = [photo for photo in train if photo.product == product]
            chosen += [mine[i] for i in rng.choice(len(mine), PHONE_PHOTOS, replace=False)]
        used = {photo.path for photo in chosen}
        asked = [row for row, photo in enumerate(photos) if photo.path not in used]
        part = cv.Embeddings(
            found.vectors[asked], found.patches[asked], found.grid, found.content[asked],
            tuple(found.ids[row] for row in asked), (), found.fingerprint,
        )  # fmt: skip
        catalog = cv.Catalog.build(data.references(chosen), encoder=encoder)
        draws.append(measure(catalog, [photos[row] for row in asked], part))
        print(f"draw {seed}: recall@1 {draws[-1]['recall@1']:.3f}", flush=True)
    result[f"{PHONE_PHOTOS} phone photos"] = {
        key: {"mean": float(np.mean([draw[key] for draw in draws])), "sd": float(np.std([draw[key] for draw in draws]))}
        for key in draws[0]
        if isinstance(draws[0][key], float)
    }
    name = "grocery" if options.part == "test" else f"grocery-{options.part}"
    data.write(data.named(name, encoder), result)


if __name__ == "__main__":
    main()
