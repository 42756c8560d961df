"""The claim that a listing's title fits another product than the photo that stands under it."""

from __future__ import annotations

import math

import numpy as np

from ..encoders.base import TextEncoder
from ..types import Evidence, Listing
from ..wording import quoted
from .suspects import Suspects

__all__ = ["Title"]

REFERENCES_SHOWN = 3
UNTITLED = "The listing has no title and names no brand."


class Title:
    """How much better a listing's title fits another product of the catalogue than the photo that stands under it.

    ``score`` = the highest mean cosine of the title with the references of a product, other than the one that the photo
    looks like most - the title's cosine with the photo. Without a title the claimed brand and product are taken. Needs
    an encoder that reads text (:class:`~counterfeit_vision.encoders.base.TextEncoder`); the packaged ones do not.
    """

    name = "title"
    fingerprint = ""

    def score(self, suspects: Suspects) -> list[Evidence]:
        """See :meth:`counterfeit_vision.heads.Head.score`."""
        encoder, catalog = suspects.catalog.encoder, suspects.catalog
        if not isinstance(encoder, TextEncoder):
            return [Evidence.not_applicable("This encoder has no text tower.")] * len(suspects)
        texts = [_claim(listing) for listing in suspects.listings]
        if not any(texts):  # a text tower is loaded when it is first asked
            return [Evidence.not_applicable(UNTITLED)] * len(suspects)
        places = {text: place for place, text in enumerate(dict.fromkeys(text for text in texts if text))}
        vectors = encoder.encode_text(list(places))
        rows = np.flatnonzero(catalog.genuine)
        references = catalog.vectors[rows]
        goods, codes, sizes = np.unique(catalog.goods[rows], return_inverse=True, return_counts=True)
        results = []
        for row, text in enumerate(texts):
            if not text:
                results.append(Evidence.not_applicable(UNTITLED))
                continue
            nearest = int(suspects.neighbours.rows[row, 0])
            fits = np.bincount(codes, references @ vectors[places[text]]) / sizes
            fits[goods == catalog.goods[nearest]] = -np.inf
            best = int(fits.argmax())
            if not math.isfinite(fits[best]):
                results.append(
                    Evidence.not_applicable("The catalogue holds no other product to compare the title with.")
                )
                continue
            own = float(suspects.photos.vectors[row] @ vectors[places[text]])
            margin = float(fits[best]) - own
            shown = rows[codes == best][:REFERENCES_SHOWN]
            results.append(
                Evidence(
                    score=margin,
                    text=f"The title {quoted(text)} "
                    f"fits photos of {catalog.products[shown[0]]} {'better' if margin > 0 else 'less well'} "
                    f"({fits[best]:.2f}) than the listing's photo ({own:.2f}).",
                    references=tuple(catalog.references[int(key)].id for key in shown),
                )
            )
        return results


def _claim(listing: Listing) -> str:
    """What the listing says that it shows, in words."""
    return (listing.title or " ".join(filter(None, (listing.brand, listing.product)))).strip()
