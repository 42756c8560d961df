"""The market: catalogue, calibration photos and listings, written to a folder, the same bytes for the same seed."""

from __future__ import annotations

import hashlib
import io
import json
import operator
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ..errors import InputError
from .artwork import Artwork
from .attacks import ATTACKS, STRENGTHS, Alteration, Attack, Substitution, Theft, altered, changed_share
from .brands import Brand, invent, old_version, with_svg_marks
from .categories import Design
from .products import Product, assortment
from .scenes import Scene, room, studio
from .studio import CONDITIONS, Photograph, photograph

__all__ = ["Market", "render"]

FORMAT = 4
ROOMS = 16
VISIBLE = 6
"""Pixels of a photo that a fake changes at least."""

HARD = 0.2
"""Share of genuine listings that are hard."""

OFFICIAL_QUALITY = 92
PLACES = 1000
"""Reference n of product p has the index PLACES * p + n."""

Mask: TypeAlias = "NDArray[np.bool_]"
_Shown: TypeAlias = "tuple[list[Photograph], float | None]"

# First numbers of the seeds of one photo, and of what several photos share.
_REFERENCES, _CALIBRATION, _LISTINGS, _COMMON, _ORDER, _ROOM = 1, 2, 3, 4, 5, 6
_HONEST = ("anna-k", "second-round", "lena86", "wardrobe-west")
_MIXED = ("bargain-dock", "stallnine")
_DUBIOUS = ("topdeal24", "brandbay-x", "lux-outlet")
_PLATFORMS = ("stallmarket", "bazaarly", "tradepost")
_WORDS = ("new", "like new", "worn once", "good condition", "unused", "with receipt", "gift, never used")


@dataclass(frozen=True)
class Market:
    """A rendered market: its ``folder``, the three manifests in it, and the ``seed`` that made it."""

    folder: Path
    catalogue: Path
    listings: Path
    calibration: Path
    seed: int

    def __repr__(self) -> str:
        counts = [path.read_bytes().count(b"\n") for path in (self.catalogue, self.calibration, self.listings)]
        return (
            f"<Market seed {self.seed}: {counts[0]} references, {counts[1]} calibration photos, {counts[2]} listings "
            f"in {str(self.folder)!r}>"
        )


@dataclass(frozen=True)
class _Job:
    """One row to be written, and all that its photo needs; ``attacks`` to try in turn, none on genuine goods."""

    stream: int
    index: int
    product: Product
    scene: int
    condition: str | None = None
    old: bool = False
    attacks: tuple[Attack, ...] = ()
    reference: int = -1

    @property
    def attack(self) -> Attack | None:
        return self.attacks[0] if self.attacks else None

    @property
    def official(self) -> bool:
        return self.reference == 0

    @property
    def id(self) -> str:
        if self.stream == _REFERENCES:
            return f"{self.product.id}-{'old' if self.old else f'{self.reference:02d}'}"
        return f"{'calibration' if self.stream == _CALIBRATION else 'listing'}-{self.index:05d}"


def _streams(seed: int, job: _Job) -> list[np.random.Generator]:
    """Independent randomness for how a photo looks, what the attack does, and who sells."""
    return [np.random.default_rng(s) for s in np.random.SeedSequence([seed, job.stream, job.index]).spawn(3)]


class _Studio:
    """Renders the jobs of one market into its folder."""

    def __init__(
        self, folder: Path, seed: int, size: int, strength: str, products: Sequence[Product], photos: int
    ) -> None:
        self.folder, self.seed, self.size, self.strength, self.products = folder, seed, size, strength, products
        self.photos = photos

    def scene(self, job: _Job) -> Scene:
        pixels = int(self.size * 2.5)
        return studio(pixels) if job.official else room(job.scene, self.seed, pixels)

    def run(self, job: _Job) -> dict[str, Any]:
        """Write the photos of a job, and the masks of the first; its row. An attack that does not show makes way."""
        look, act, sell = _streams(self.seed, job)
        shots, share = self._shots(job, look, act)
        if not shots:
            return self.run(self._otherwise(job))
        row = self._row(job, sell)
        if job.stream == _REFERENCES:
            row["regions"] = [[round(v, 1) for v in region] for region in shots[0].regions]
        else:
            row["share"] = None if share is None else round(share, 4)
            row["mask"] = self._mask(f"{job.id}-change", shots[0].changed) if job.attack else None
            row["product_mask"] = self._mask(f"{job.id}-product", shots[0].product)
        names = [job.id, *(f"{job.id}-{shot}" for shot in range(2, len(shots) + 1))]
        saved = [self._save(shot.pixels, name, job, sell) for shot, name in zip(shots, names, strict=True)]
        if "photos" in row:
            row["photos"] = saved
        return row

    def _shots(self, job: _Job, look: np.random.Generator, act: np.random.Generator) -> _Shown:
        """The photos; none of a fake if one of them would not show it. And the changed share of an altered mark."""
        if isinstance(job.attack, Theft):  # the brand has one such photo to steal
            return [self._stolen(job, job.attack, act)], None
        share, design, artwork = None, job.product.design, job.product.design.artwork
        if job.old:
            artwork = old_version(artwork, job.product.brand)
        if isinstance(job.attack, Substitution):
            genuine, design = artwork, self._other(job.product, act).design
            artwork = design.artwork
            if self.strength != "strong":
                artwork = job.attack.knock_off(artwork, genuine, act)
        if isinstance(job.attack, Alteration):
            fake = altered(job.attack, artwork, STRENGTHS[self.strength], act)
            if fake is None:
                return [], None
            share, artwork = changed_share(artwork, fake), fake
        shots: list[Photograph] = []
        for _ in range(1 if job.stream == _REFERENCES else self.photos):
            photo = self._usable(job, design, artwork, look)
            if photo is None:
                return [], None
            shots.append(replace(photo, changed=photo.product) if isinstance(job.attack, Substitution) else photo)
        return shots, share

    def _otherwise(self, job: _Job) -> _Job:
        """The job with the next attack."""
        if len(job.attacks) < 2:
            raise InputError(
                f"{job.id}: no attack shows on {job.product.id!r} at strength={self.strength!r}, size={self.size}; "
                "add 'wrong_product' to the attacks"
            )
        return replace(job, attacks=job.attacks[1:])

    def _save(self, pixels: NDArray[np.uint8], name: str, job: _Job, rng: np.random.Generator) -> str:
        """Write a photo, of a JPEG quality drawn for all alike, so that the file tells no fake; -> its path."""
        quality = OFFICIAL_QUALITY if job.official else int(rng.integers(60, 93))
        Image.fromarray(pixels).save(self.folder / "photos" / f"{name}.jpg", quality=quality)
        return f"photos/{name}.jpg"

    def _usable(self, job: _Job, design: Design, artwork: Artwork, rng: np.random.Generator) -> Photograph | None:
        """The first of four photos that shows the marks, else the last; one of a fake has to show the change."""
        marks = len(artwork[artwork.main].marks)
        usable = None
        for _ in range(4):
            photo = photograph(
                design,
                artwork,
                self.scene(job),
                size=self.size,
                rng=rng,
                condition=job.condition,
                official=job.official,
            )
            if not isinstance(job.attack, Alteration) or photo.changed.sum() >= VISIBLE:
                usable = photo
                if len(photo.regions) == marks:
                    break
        return usable

    def _other(self, product: Product, rng: np.random.Generator) -> Product:
        """What a seller sends instead: another brand's product of that category, else another product of the brand."""
        others = [p for p in self.products if p.category == product.category and p.brand.id != product.brand.id]
        others = others or [p for p in self.products if p.id != product.id]
        return others[int(rng.integers(len(others)))]

    def _stolen(self, job: _Job, theft: Theft, rng: np.random.Generator) -> Photograph:
        """The catalogue's official photo, as anyone can download it, disguised; all of it is change."""
        source = _Job(_REFERENCES, self.products.index(job.product) * PLACES, job.product, 0, reference=0)
        (photo,), _ = self._shots(source, *_streams(self.seed, source)[:2])
        packed = io.BytesIO()
        Image.fromarray(photo.pixels).save(packed, "JPEG", quality=OFFICIAL_QUALITY)
        mask = Image.fromarray(photo.product.astype(np.uint8) * 255)
        picture, product = theft.disguise(Image.open(packed).convert("RGB"), mask, self.strength, rng)
        return Photograph(np.asarray(picture), np.asarray(product) > 127, np.ones(picture.size[::-1], bool), ())

    def _mask(self, name: str, mask: Mask) -> str:
        picture = Image.fromarray(mask.astype(np.uint8) * 255)
        if name.endswith("-change"):
            picture = picture.filter(ImageFilter.MaxFilter(3))
        picture.save(self.folder / "masks" / f"{name}.png", optimize=False)
        return f"masks/{name}.png"

    def _row(self, job: _Job, rng: np.random.Generator) -> dict[str, Any]:
        product, photo = job.product, f"photos/{job.id}.jpg"
        known = {"brand": product.brand.id, "product": product.id, "category": product.category}
        if job.stream == _REFERENCES:
            gallery = "official" if job.official else "genuine"
            return {
                "id": job.id,
                "photo": photo,
                **known,
                "gallery": gallery,
                "price": product.price,
                "currency": "EUR",
            }
        fake = job.attack is not None
        factor = float(np.exp(rng.normal(-0.55, 0.3) if fake else rng.normal(-0.18, 0.2)))
        pool = (_DUBIOUS * 2 + _MIXED) if fake else (_HONEST * 2 + _MIXED)
        return {
            "id": job.id,
            "photos": [photo],
            "label": "fake" if fake else "genuine",
            "attack": None if job.attack is None else job.attack.name,
            "scene": self.scene(job).id if not isinstance(job.attack, Theft) else "studio",
            **known,
            "title": f"{product.name}, {_WORDS[int(rng.integers(len(_WORDS)))]}",
            "price": round(max(product.price * min(factor, 1.25), 1.0), 2),
            "currency": "EUR",
            "seller": pool[int(rng.integers(len(pool)))],
            "platform": _PLATFORMS[int(rng.integers(len(_PLATFORMS)))],
            "hard": None if fake else ("old_logo" if job.old else job.condition),
        }


def _circumstances(seed: int, stream: int, index: int, products: Sequence[Product]) -> dict[str, Any]:
    """Product, room and condition of a listing: what genuine and fake have in common."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, _COMMON, stream, index]))
    product, scene = products[int(rng.integers(len(products)))], int(rng.integers(ROOMS))
    kind = (*CONDITIONS, "old_logo")[int(rng.integers(len(CONDITIONS) + 1))] if rng.random() < HARD else None
    if kind == "old_logo":
        documented = [p for p in products if p.old]
        return {"product": documented[int(rng.integers(len(documented)))], "scene": scene, "old": True}
    return {"product": product, "scene": scene, "condition": kind}


def _jobs(
    seed: int, products: Sequence[Product], listings: int, calibration: int, references: int, attacks: Sequence[Attack]
) -> list[_Job]:
    jobs = []
    for place, product in enumerate(products):
        for number in range(references + product.old):
            rng = np.random.default_rng(np.random.SeedSequence([seed, _ROOM, place, number]))
            old = number == references
            jobs.append(
                _Job(_REFERENCES, place * PLACES + number, product, int(rng.integers(ROOMS)), old=old, reference=number)
            )
    for i in range(calibration):
        jobs.append(_Job(_CALIBRATION, i, **_circumstances(seed, _CALIBRATION, i, products)))
    for i in range(listings):
        # Listings come in pairs of a genuine and a fake one that share product, room and condition.
        pair = i // 2
        common = _circumstances(seed, _LISTINGS, pair, products)
        first = np.random.default_rng(np.random.SeedSequence([seed, _ORDER, pair])).integers(2)
        if i % 2 == first:
            jobs.append(_Job(_LISTINGS, i, **common))
        else:
            common["old"] = False
            jobs.append(_Job(_LISTINGS, i, attacks=_applicable(attacks, pair, common["product"]), **common))
    return jobs


def _applicable(attacks: Sequence[Attack], pair: int, product: Product) -> tuple[Attack, ...]:
    """The attacks that find something to change on this product; the first is the one whose turn it is, or the next."""
    turn = pair % len(attacks)
    fitting = [
        attack
        for attack in (*attacks[turn:], *attacks[:turn])
        if not isinstance(attack, Alteration) or attack.fits(product.design.artwork)
    ]
    if not fitting:
        raise InputError(f"attacks={[a.name for a in attacks]}: none of them fits {product.id!r}; add 'letter_swap'")
    return tuple(fitting)


def _write_lines(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def _choose_attacks(names: Sequence[str] | None) -> list[Attack]:
    if isinstance(names, str) or not isinstance(names, Iterable | None):
        like = names if isinstance(names, str) else "letter_swap"
        raise InputError(f"attacks={names!r}: pass a list, attacks=[{like!r}]")
    names = None if names is None else list(names)
    unknown = [name for name in names or () if name not in tuple(ATTACKS)]
    if unknown or (names is not None and not names):
        raise InputError(f"attacks={list(names or ())}: unknown {unknown}; the attacks are {', '.join(ATTACKS)}")
    return [ATTACKS[name] for name in names or ATTACKS]


def _brands(count: int, seed: int, marks: str | os.PathLike[str] | None) -> list[Brand]:
    brands = invent(count, seed)
    return brands if marks is None else with_svg_marks(brands, marks, seed)


def render(
    folder: str | os.PathLike[str],
    seed: int = 0,
    *,
    brands: int = 4,
    listings: int = 60,
    calibration: int = 120,
    references: int = 4,
    strength: str = "medium",
    marks: str | os.PathLike[str] | None = None,
    size: int = 640,
    attacks: Sequence[str] | None = None,
    photos: int = 1,
    progress: bool = False,
) -> Market:
    """Render a marketplace of invented brands: a catalogue, genuine photos to calibrate on, and listings with fakes.

    - ``brands``: how many; each sells goods in every category, some in near variants. ``references``: photos a product.
    - ``listings``: half of them fake, in pairs that share product, room and circumstances. ``calibration``: genuine
      photos.
    - ``strength``: ``"weak"`` (aims to change 0.2 to 1 % of the mark's box), ``"medium"`` (1 to 5 %) or ``"strong"``
      (5 to 15 %); a single letter, swapped or turned round, may change more. ``attacks``: names of :data:`ATTACKS` to
      take in turn, default all; an attack that would not show on a product makes way for the next. ``photos``: how many
      a listing has of its goods; of a stolen photo there is one.
    - ``marks``: a folder of one-colour SVG files to use as logos. ``size``: long side of the photos in pixels.
      ``progress``: show a bar.

    Writes ``photos/*.jpg``, ``masks/*.png`` (255 = changed, and one pixel around it, or the product; of a listing's
    first photo), ``catalogue.jsonl``, ``calibration.jsonl`` and ``listings.jsonl``; paths in them are relative to
    ``folder``. A row has fields of a :class:`~counterfeit_vision.Reference`, with the ``regions`` of its marks, or of a
    :class:`~counterfeit_vision.Listing`, and then these too:

    - ``label``, ``"fake"`` or ``"genuine"``, and of a fake its ``attack``, the ``mask`` of what is changed, and, where
      a mark or pattern was altered, the ``share`` of its box that differs.
    - ``hard``: ``"old_logo"`` or the condition of a hard genuine photo; None for every fake, though some are as hard.
      ``scene``: the room. ``product_mask``.

    Prices and sellers differ between fake and genuine on purpose, and only stolen photos among the listings have a
    studio behind them: judge what sees photos without the claims of price and seller, and give figures by attack. The
    same arguments give the same bytes. A folder whose ``market.json`` says that it holds this very market, whole, is
    not rendered again, even where a photo is gone; one that holds another is refused.
    """
    if not isinstance(folder, str | os.PathLike):
        raise InputError(f"market.render({folder!r:.60}): need a path; type market.render('market')")
    least = {"brands": 1, "listings": 0, "calibration": 0, "references": 1, "size": 96, "seed": 0, "photos": 1}
    given = (brands, listings, calibration, references, size, seed, photos)
    for (name, low), value in zip(least.items(), given, strict=True):
        if isinstance(value, bool) or not isinstance(value, SupportsIndex) or value < low:
            raise InputError(f"{name}={value!r}: need a whole number >= {low}")
    whole = map(operator.index, given)  # numpy's are none of JSON's
    brands, listings, calibration, references, size, seed, photos = whole
    if strength not in tuple(STRENGTHS):  # a list can't be hashed
        raise InputError(f"strength={strength!r}: the strengths are {', '.join(STRENGTHS)}")
    chosen = _choose_attacks(attacks)
    makers = _brands(brands, seed, marks)
    root = Path(folder)
    market = Market(root, root / "catalogue.jsonl", root / "listings.jsonl", root / "calibration.jsonl", seed)
    parameters = {
        "format": FORMAT, "seed": seed, "brands": brands, "listings": listings, "calibration": calibration,
        "references": references, "strength": strength, "size": size, "attacks": [attack.name for attack in chosen],
        "photos": photos, "marks": None if marks is None else hashlib.sha256(repr(makers).encode()).hexdigest(),
    }  # fmt: skip
    if not _already(root, parameters):
        _render_into(market, parameters, makers, chosen, progress=progress)
    return market


def _render_into(
    market: Market, parameters: dict[str, Any], makers: list[Brand], attacks: Sequence[Attack], *, progress: bool
) -> None:
    """Write the photos, masks and manifests of a market into its folder, and its ``parameters`` beside them."""
    root, seed = market.folder, market.seed
    for part in ("photos", "masks"):
        (root / part).mkdir(parents=True, exist_ok=True)
    note = root / "market.json"
    note.write_text(json.dumps({**parameters, "complete": False}, indent=1) + "\n", encoding="utf-8")

    products = assortment(makers)
    listings, calibration, references = (parameters[name] for name in ("listings", "calibration", "references"))
    jobs = _jobs(seed, products, listings, calibration, references, attacks)
    works = _Studio(root, seed, parameters["size"], parameters["strength"], products, parameters["photos"])
    # Product by product, as textures are kept for a while; the order of the rows does not change.
    order = sorted(range(len(jobs)), key=lambda i: jobs[i].product.id)
    if progress:
        from tqdm.auto import tqdm

        order = tqdm(order, desc="rendering", unit="photo")
    rows: dict[int, dict[str, Any]] = {i: works.run(jobs[i]) for i in order}
    for path, stream in (
        (market.catalogue, _REFERENCES),
        (market.calibration, _CALIBRATION),
        (market.listings, _LISTINGS),
    ):
        _write_lines(path, [rows[i] for i in range(len(jobs)) if jobs[i].stream == stream])
    note.write_text(json.dumps({**parameters, "complete": True}, indent=1) + "\n", encoding="utf-8")


def _already(root: Path, parameters: dict[str, Any]) -> bool:
    """Whether the folder holds this very market, whole; a market of other parameters is an error."""
    note = root / "market.json"
    if not note.is_file():
        if root.exists() and not root.is_dir():
            raise InputError(f"{root} is a file, expected a folder for the market")
        if any((root / name).exists() for name in ("catalogue.jsonl", "listings.jsonl", "calibration.jsonl")):
            raise InputError(f"{root} holds a catalogue that is not a rendered market; choose another folder")
        return False
    try:
        found = dict(json.loads(note.read_text("utf-8")))
        complete = found.pop("complete")
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{note} is damaged ({error}); choose another folder or delete this one") from error
    if found != parameters:
        differs = sorted(name for name in {*found, *parameters} if found.get(name) != parameters.get(name))
        raise InputError(
            f"{root} already holds another market (it differs in {', '.join(differs)}); "
            "choose another folder or delete this one"
        )
    return bool(complete)
