"""Categories of goods, one file each. A new category is one more :class:`Category` in this table."""

from __future__ import annotations

from .bag import BAG
from .base import Category, Design, Pose, Scheme
from .bottle import BOTTLE
from .carton import CARTON

__all__ = ["CATEGORIES", "Category", "Design", "Pose", "Scheme"]

CATEGORIES: dict[str, Category] = {category.name: category for category in (CARTON, BAG, BOTTLE)}
"""By name."""
