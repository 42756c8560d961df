"""What the brands sell: for each brand one product a category, and near variants of some in other colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .brands import Brand, contrast_ink, luminance
from .categories import CATEGORIES, Design, Scheme
from .categories.base import mixed

__all__ = ["Product", "assortment"]

_VARIANTS = ("EMBER", "NIGHT", "ROSE", "OCEAN", "SAND", "FOREST", "PEARL", "AMBER", "STONE", "CLOUD", "PLUM", "MINT")
VARIANTS_PER_BRAND = 2


@dataclass(frozen=True)
class Product:
    """``id`` such as ``velmora-tote``, ``name`` in plain words; ``old``: an older logo on it is documented."""

    id: str
    brand: Brand
    category: str
    name: str
    price: float
    design: Design
    old: bool


def _scheme(brand: Brand, name: str, rng: np.random.Generator) -> Scheme:
    palette = brand.palette
    grounds = (palette.light, palette.dark, palette.accent, mixed(palette.light, palette.accent, 0.35), (250, 250, 248))
    ground = grounds[int(rng.integers(len(grounds)))]
    ink = contrast_ink(ground, palette, rng)
    rest = [c for c in (palette.accent, palette.dark, palette.light) if c not in (ground, ink)]
    second = max(rest, key=lambda c: abs(luminance(c) - luminance(ground)) + (0.3 if c == palette.accent else 0.0))
    return Scheme(ground, ink, second, name)


def assortment(brands: list[Brand]) -> list[Product]:
    """All products of the brands, in a fixed order."""
    products = []
    for index, brand in enumerate(brands):
        names = [_VARIANTS[i] for i in np.random.default_rng([brand.seed, 21]).permutation(len(_VARIANTS))]
        categories = list(CATEGORIES.values())
        doubled = {categories[(index + i) % len(categories)].name for i in range(VARIANTS_PER_BRAND)}
        for place, category in enumerate(categories):
            price = float(np.random.default_rng([brand.seed, 22, place]).uniform(*category.price))
            grounds: set[tuple[int, int, int]] = set()
            for variant in range(2 if category.name in doubled else 1):
                name = names[2 * place + variant]
                rng = np.random.default_rng([brand.seed, 23, place, variant])
                scheme = _scheme(brand, name, rng)
                while scheme.ground in grounds:
                    scheme = _scheme(brand, name, rng)
                grounds.add(scheme.ground)
                # The same layout for all variants: only the colours and the small print differ.
                design = category.design(brand, scheme, np.random.default_rng([brand.seed, 24, place]))
                suffix = f"-{name.lower()}" if category.name in doubled else ""
                products.append(
                    Product(
                        f"{brand.id}-{design.noun}{suffix}",
                        brand,
                        category.name,
                        f"{brand.name.capitalize()} {design.noun.replace('-', ' ')} {name.capitalize()}",
                        round(price - 0.05, 0) - 0.05,
                        design,
                        old=place == index % len(categories) and variant == 0,
                    )
                )
    return products
