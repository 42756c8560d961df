"""The claim that a listing's title fits another product than the photo that stands under it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .._arrays import Floats
from ..encoders.base import TextEncoder
from ..errors import CounterfeitVisionError, InputError
from ..types import Evidence, Listing
from ..types.wording import quoted
from .suspects import Suspects

__all__ = ["Title"]

REFERENCES_SHOWN = 3
ADVICE = "try check_encoder(encoder)"
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
        vectors = _vectors_of(encoder, list(places), catalog.vectors.shape[1])
        rows = np.flatnonzero(catalog.genuine)
        references = catalog.vectors[rows]
        goods, codes, sizes = np.unique(catalog.goods[rows], return_inverse=True, return_counts=True)
        results = []
        for row, text in enumerate(texts):
            if not text:
                results.append(Evidence.not_applicable(UNTITLED))
                continue
            nearest = suspects.nearest(row)
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


def _vectors_of(encoder: TextEncoder, texts: Sequence[str], width: int) -> Floats:
    """(N, width). Raises :class:`InputError` that names the encoder where it breaks its word."""
    try:
        vectors = np.asarray(encoder.encode_text(texts))
    except CounterfeitVisionError:
        raise
    except Exception as error:  # a tokenizer may know more words than its model
        raise InputError(f"the encoder {encoder!r} can't encode texts: {error!r}; {ADVICE}") from error
    shape = (len(texts), width)
    if vectors.shape == shape and np.isfinite(vectors).all():
        return vectors
    fault = "that are no finite numbers" if vectors.shape == shape else f"of shape {vectors.shape}, not {shape}"
    raise InputError(f"the encoder {encoder!r} gave vectors of texts {fault}; {ADVICE}")
