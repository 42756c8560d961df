"""What can be said about a photo, one claim a file. Every head has one method, ``score``; a user's own head uses the
same door.
"""

from .base import Head, Suspects
from .context import Price, SellerName, Title
from .ink import Ink
from .learned import LearnedHead, Lesson
from .marks import Mark
from .patches import Patches
from .product import Product
from .reuse import Reuse
from .similarity import Similarity
from .wordmark import Wordmark

__all__ = [
    "Head",
    "Ink",
    "LearnedHead",
    "Lesson",
    "Mark",
    "Patches",
    "Price",
    "Product",
    "Reuse",
    "SellerName",
    "Similarity",
    "Suspects",
    "Title",
    "Wordmark",
    "default_heads",
]


def default_heads() -> tuple[Head, ...]:
    """The heads that an :class:`~counterfeit_vision.Inspector` uses unless told otherwise."""
    return (Similarity(), Product(), Mark(), Patches(), Ink(), Wordmark(optional=True), Reuse(), Price(), Title())
