"""What can be said about a photo, one claim a file. Every head has one method, ``score``; a user's own head uses the
same door.
"""

from .base import Head, Suspects
from .context import Price, Title
from .learned import LearnedHead, Lesson
from .patches import Patches
from .product import Product
from .similarity import Similarity

__all__ = [
    "Head",
    "LearnedHead",
    "Lesson",
    "Patches",
    "Price",
    "Product",
    "Similarity",
    "Suspects",
    "Title",
    "default_heads",
]


def default_heads() -> tuple[Head, ...]:
    """The heads that an :class:`~counterfeit_vision.Inspector` uses unless told otherwise."""
    return (Similarity(), Product(), Patches())
