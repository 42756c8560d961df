"""What can be said about a photo: claims, and what they share (``suspects``, ``closeups``, ``laid_over``,
``known_lines``). Every head has one method, ``score``; a head of your own is used in the same way.
"""

from .base import Head
from .colours import Colours
from .drawing import Drawing
from .ink import Ink
from .layout import Layout
from .learned import LearnedHead, Lesson
from .look import Look
from .mark import Mark
from .patches import Patches
from .pattern import Pattern
from .price import Price
from .product import Product
from .reuse import Reuse
from .seller import SellerName
from .similarity import Similarity
from .strokes import Strokes
from .suspects import Suspects
from .title import Title
from .wordmark import Wordmark

__all__ = [
    "Colours",
    "Drawing",
    "Head",
    "Ink",
    "Layout",
    "LearnedHead",
    "Lesson",
    "Look",
    "Mark",
    "Patches",
    "Pattern",
    "Price",
    "Product",
    "Reuse",
    "SellerName",
    "Similarity",
    "Strokes",
    "Suspects",
    "Title",
    "Wordmark",
    "default_heads",
]


def default_heads() -> tuple[Head, ...]:
    """The heads that an :class:`~counterfeit_vision.Inspector` uses unless told otherwise."""
    marks = (Mark(), Look(), Patches(), Strokes(), Ink(), Layout(), Wordmark(optional=True))
    whole = (Drawing(), Pattern(), Colours())
    return (Similarity(), Product(), *marks, *whole, Reuse(), Price(), Title())
