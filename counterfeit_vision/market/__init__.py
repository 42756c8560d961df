"""The open benchmark: a marketplace of invented brands, rendered from a seed, with graded attacks and masks.

``render(folder)`` writes genuine references, genuine photos to calibrate on, and listings of which half are fake.
"""

from __future__ import annotations

from .attacks import ATTACKS
from .render import Market, render

__all__ = ["ATTACKS", "Market", "render"]
