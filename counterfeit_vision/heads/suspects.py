"""What heads are given: some photos, their listings, and all that is found on them, once whoever asks."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import numpy as np

from .._arrays import Floats, Ints, Matrix, Pixels
from .._concurrency import Once, each
from ..align.local_features import Traits, find_traits
from ..align.orientation import AS_GIVEN, Turn
from ..encoders.batching import EncodedPhoto
from ..errors import DecodeError
from ..geometry.keypoints import mirror_image
from ..geometry.laying import Laid, Pyramid, places
from ..index.catalog import Catalog
from ..index.neighbours import Neighbours
from ..marks.details import CloseUp, close_ups
from ..marks.finding import (
    FOUND,
    SMALLEST,
    SURE,
    Found,
    MarkFeatures,
    if_found,
    is_found,
    likely_place,
    sure_place,
    wide_view,
)
from ..marks.ink import Drawn
from ..marks.stencil import Stencil
from ..products.differences import colours_differ, goods_differ, saturation_over, unlike_all
from ..products.marks import GoodsMarks
from ..products.whole import WholeProduct
from ..types import Embeddings, Listing

__all__ = ["CLOSE", "SAME", "Suspects"]

Method = TypeVar("Method", bound=Callable[..., Any])
Value = TypeVar("Value")

# A photo of which no product is claimed may show another near product of the brand than the nearest. Chosen on cartons
# of grocery's training part, with four photos a product and with one, on printed goods 71 to 73 and on market 240
RIVALS = 2  # such products
CLOSE = 0.015  # lead in likeness from which no rival's marks are asked: the nearest is right where it stands out
PLAIN = 0.65  # correlation that each of their marks needs
LEAD = 0.1  # by which all their marks together must fit better than the nearest's: they may share some
# Or, of those that bear the same marks, one of other colours. Of wide ranges invented by seed 173, 84 genuine photos,
# some in warm light or saturated, differ from their own product by 0.09 at most, from siblings by 0.18 and more; one of
# 72 of such cartons, deal 3, by 0.21 from its own, and by 0.53 from the nearest. A hand may be nearer to another's. All
# 32 of seed 178 without a hand are taken for the right product by it, 25 by likeness alone
ALIKE = 0.1  # lead in likeness from which a product of the brand is not compared at all
ODD = 0.18  # difference, in parts of a colour, from which the nearest's colours are plainly not the photo's
OWN = 0.3  # and up to which the other's may be
NEARER = 2.0  # times by which they must be nearer
THUMBNAIL = 128  # pixels on the long side of a photo: on a smaller one marks may be there and not be found
# Correlation of all of a side but its marks with the genuine, from which a photo shows that side. On drawn cards 14
# backs with the front's outline had at most 0.27, and 77 fronts with another mark or none 0.33 and more
SAME = 0.3
POINTS_KEPT = 32  # sets of local features that stay in memory, a megabyte each: of as many photos as threads look at
PIXELS_KEPT = 256 << 20  # bytes of a batch's whole photos that stay in memory, so that each head need not decode again


def _once(method: Method) -> Method:
    """A method of a batch that works each answer out once, however many heads and threads ask."""

    @functools.wraps(method)
    def known(batch: Suspects, *key: Hashable, **more: Hashable) -> Any:
        return batch._known.get((method.__name__, *key, *more.items()), lambda: method(batch, *key, **more))

    return cast("Method", known)


@dataclass(frozen=True, eq=False)
class Suspects:
    """A batch of N photos to be judged, one aligned row each.

    ``photos`` are their embeddings, ``listings`` the listing that each belongs to, ``encoded`` the photos as they came
    out of the stream (``view`` is a small copy and the size, ``source`` the photo as it was given), turned where they
    have a ``turn``: places that heads name are told later on the photo as it was given. ``neighbours`` are their
    nearest genuine references in ``catalog``. ``taken_for`` are the :meth:`goods` of photos of which no product
    is claimed, as far as a head asked for them; ``guessed`` are the photos that a head took for the nearest product, as
    none had. ``unread`` are the photos whose file had gone or changed when a head asked for its pixels.
    """

    photos: Embeddings
    listings: Sequence[Listing]
    encoded: Sequence[EncodedPhoto]
    catalog: Catalog
    neighbours: Neighbours
    taken_for: dict[int, str] = field(default_factory=dict, init=False, repr=False)
    guessed: set[int] = field(default_factory=set, init=False, repr=False)
    unread: dict[int, DecodeError] = field(default_factory=dict, init=False, repr=False)
    _known: Once[tuple[Hashable, ...], Any] = field(default_factory=Once, init=False, repr=False)
    _most_alike: Once[tuple[int, bytes], tuple[str, float]] = field(default_factory=Once, init=False, repr=False)
    _features: Once[tuple[int, bool], MarkFeatures] = field(
        default_factory=lambda: Once(POINTS_KEPT), init=False, repr=False
    )
    _pixels: dict[int, Pixels] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.photos)

    def each(self, function: Callable[[int], Value]) -> list[Value]:
        """``function`` of each row, in order, in several threads where there are cores, so it must be safe to call from
        threads; the methods of this batch are.
        """
        return list(each(function, range(len(self))))

    def pixels(self, row: int) -> Pixels:
        """The whole photo, (h, w, 3) uint8 RGB, upright, not to be written to. It is decoded for the batch's first head
        that asks and kept for the others, as far as :data:`PIXELS_KEPT` goes.

        Raises :class:`~counterfeit_vision.DecodeError` where the file has gone or changed since. A head may let it
        pass: the photo fails, and heads are asked again about the others.
        """
        if row in self._pixels:
            return self._pixels[row]
        try:
            pixels = self.encoded[row].pixels()
        except DecodeError as error:
            self.unread[row] = error
            raise
        if sum(kept.nbytes for kept in list(self._pixels.values())) + pixels.nbytes <= PIXELS_KEPT:
            self._pixels[row] = pixels
        return pixels

    @_once
    def traits(self, row: int) -> Traits:
        """The photo's small grey copy and its local features.

        Raises :class:`~counterfeit_vision.DecodeError` where the file has gone or changed since.
        """
        return find_traits(self.pixels(row))

    def size(self, row: int) -> tuple[int, int]:
        """(width, height) of the upright photo."""
        return self.encoded[row].size

    def goods(self, row: int) -> str:
        """The key in ``catalog.goods`` of the claimed product; if brands share its name, the nearest, or, where none is
        near, the one that the photo is most like, which the claim ``product`` speaks of, too. Where none is
        claimed, of the nearest one; or of another product of its brand that is as near and whose marks all are on the
        photo: where the nearest one's are not, and fit worse, or where only the colours tell the two apart, and its own
        are those of the photo. Products of a brand may look much alike.
        """
        claimed = self._claimed_goods(row)
        if claimed is not None:
            return claimed
        if row not in self.taken_for:
            self.taken_for[row] = self._recognise(row)
        return self.taken_for[row]

    @_once
    def _claimed_goods(self, row: int) -> str | None:
        """What the photo's listing claims, of what several brands make the more alike."""
        claimed, near = self.catalog.claimed_by(self.listings[row]), self.neighbours.rows[row]
        if not len(claimed):
            return None
        several = len(set(self.catalog.goods[claimed])) > 1
        near = near[np.isin(near, claimed)] if several else claimed
        return str(self.catalog.goods[near[0]]) if len(near) else self.most_alike(row, claimed)[0]

    def most_alike(self, row: int, rows: Ints) -> tuple[str, float]:
        """See :meth:`counterfeit_vision.index.retrieval.Likeness.most_alike`. Compared once."""
        key = row, rows.tobytes()
        return self._most_alike.get(key, lambda: self.catalog.likeness.most_alike(self.photos, row, rows))

    def _recognise(self, row: int) -> str:
        nearest, siblings = self._siblings(row)
        if not siblings or not self._could_show_marks(row, nearest):
            return nearest
        best, (alike, least) = nearest, self._likeness(row, nearest)
        if least < FOUND:
            rivals = {name: self._likeness(row, name) for name, less in siblings.items() if less < CLOSE}
            fitting = [name for name, (whole, worst) in rivals.items() if worst >= PLAIN and whole > alike + LEAD]
            best = max(fitting, key=rivals.__getitem__, default=nearest)
        return self._of_its_colours(row, best, (nearest, *siblings))

    def _of_its_colours(self, row: int, best: str, goods: Sequence[str]) -> str:
        """The ``best`` of some goods; or, where its colours are plainly others than the photo's, the one whose marks
        fit no worse and whose colours are nearer, and near.
        """
        (alike, least), off = self._likeness(row, best), self._colours_off(row, best)
        if least < PLAIN or off is None or off < np.log(ODD):
            return best
        fits = {name: self._likeness(row, name) for name in goods if name != best}
        same = [name for name, (whole, worst) in fits.items() if worst >= PLAIN and abs(whole - alike) <= LEAD]
        colours = {name: their for name in same if (their := self._colours_off(row, name)) is not None}
        other = min(colours, key=colours.__getitem__, default=best)
        return other if other != best and colours[other] < min(off - np.log(NEARER), np.log(OWN)) else best

    def _colours_off(self, row: int, goods: str) -> float | None:
        """How far the photo's colours are from those of the goods, as a logarithm; ``None`` where nothing tells."""
        over = self._over_whole(row, goods)
        difference = over if isinstance(over, str) else colours_differ(*over)
        return None if isinstance(difference, str) else difference.score

    def _siblings(self, row: int) -> tuple[str, dict[str, float]]:
        """The nearest goods, and of its brand at most :data:`RIVALS` others, with how much less like them the photo
        is.
        """
        best: dict[str, tuple[float, str]] = {}
        for key, score in zip(self.neighbours.rows[row].tolist(), self.neighbours.scores[row].tolist(), strict=True):
            if key >= 0:
                best.setdefault(str(self.catalog.goods[key]), (score, self.catalog.references[key].names[0]))
        nearest, *others = best
        likeness, brand = best[nearest]
        less = {name: likeness - best[name][0] for name in others if best[name][1] == brand}
        return nearest, {name: less[name] for name in list(less)[:RIVALS] if less[name] < ALIKE}

    def _likeness(self, row: int, goods: str) -> tuple[float, float]:
        """Of the marks of those goods to what lies in their place: of all together, and of the one least alike."""
        place = self.place_of(row, goods)
        return (-1.0, -1.0) if isinstance(place, str) else (place.likeness, min(place.likeness, *place.likenesses))

    def _could_show_marks(self, row: int, goods: str) -> bool:
        """Whether the marks of those goods are known, and the photo can be read and is large enough to show them."""
        known = isinstance(self.marks_of(goods).stencil, Stencil)
        large = min(self.size(row)) >= SMALLEST and max(self.size(row)) >= THUMBNAIL
        return known and large and row not in self.unread

    def nearest(self, row: int) -> int:
        """The catalogue row of the reference that the photo is most like, whatever it was taken for."""
        return int(self.neighbours.rows[row, 0])

    def near(self, row: int) -> tuple[Ints, Floats]:
        """(k,) the nearest references of a photo as catalogue rows, -1 where short, and their scores: best first, but
        for those of the :meth:`goods` that it was taken for, which come before all others. Marks are not looked for
        here: where no head does, the nearest will do, and where one does later, this one is asked again.
        """
        rows, scores = self.neighbours.rows[row], self.neighbours.scores[row]
        if row not in self.taken_for:
            self.guessed.add(row)
        if not self.is_another(row):
            return rows, scores
        order = np.argsort(self.catalog.goods[rows] != self.taken_for[row], kind="stable")
        return rows[order], scores[order]

    def is_another(self, row: int) -> bool:
        """Whether a photo was taken for another product than the nearest."""
        nearest = self.catalog.goods[self.nearest(row)]
        return bool(self.taken_for.get(row, nearest) != nearest)

    @_once
    def marks_of(self, goods: str) -> GoodsMarks:
        """What is known of the marks of one of ``goods``. Those of the batch stay, however many they are."""
        return self.catalog.marks_of(goods)

    def version_of(self, row: int, goods: str) -> GoodsMarks:
        """What is known of the version of the ``goods`` whose marks a photo fits best; of all where nothing tells their
        place.
        """
        marks, place = self.marks_of(goods), self.place_of(row, goods)
        return marks if isinstance(place, str) else marks.versions[place.version]

    def product_of(self, goods: str) -> str:
        """The name of the product of that key."""
        return self.catalog.references[int(self.marks_of(goods).rows[0])].product

    def looked_at(self, row: int) -> str:
        """The goods whose marks are looked at on a photo: its :meth:`goods`; or the nearest, where a listing claims
        others, nothing tells the place of their marks, and what surrounds the nearest one's is on the photo. Who sells
        a fake as another product is judged by what it is a fake of.
        """
        goods, nearest = self.goods(row), str(self.catalog.goods[self.nearest(row)])
        if nearest == goods or self._claimed_goods(row) is None:
            return goods
        claimed = self.place_of(row, goods)
        if not isinstance(claimed, str) and (is_found(claimed) or claimed.beside >= FOUND):
            return goods
        place = self.place_of(row, nearest)
        return nearest if not isinstance(place, str) and place.beside >= FOUND else goods

    def place(self, row: int) -> tuple[str, Found] | str:
        """Where the marks of the goods :meth:`looked_at` would be, whether they are there or not, and that key; or why
        nothing tells.
        """
        goods = self.looked_at(row)
        place = self.place_of(row, goods)
        return place if isinstance(place, str) else (goods, place)

    @_once
    def place_of(self, row: int, goods: str) -> Found | str:
        """As :meth:`place`, for any ``goods``, by their key."""
        stencil = self.marks_of(goods).stencil
        if isinstance(stencil, str):
            return stencil
        try:
            photo = self.pixels(row)
        except DecodeError as error:
            return str(error)
        if min(photo.shape[:2]) < SMALLEST:
            return likely_place(stencil, photo)
        if not stencil.relief:
            place = sure_place(stencil, photo, self.traits(row).on_original)
            if place is not None:
                return place
        relief = stencil.relief
        features = self._features.get((row, relief), lambda: MarkFeatures.of(photo, relief=relief))
        return likely_place(stencil, photo, features)

    @_once
    def turn(self, row: int) -> Turn:
        """How a photo has to be turned to be the right way round, if it was not yet: by its marks it is a mirror image;
        as they are found on it, it lies on its side or upside down beside each of the genuine photos that show them.

        Raises :class:`~counterfeit_vision.DecodeError` where the file has gone or changed since.
        """
        goods = self.goods(row)
        stencil, found = self.marks_of(goods).stencil, self.mark_of(row, goods)
        if self.encoded[row].turn or isinstance(stencil, str):
            return AS_GIVEN
        back = self._mirrored(row)
        shown = found if back is None else back
        if isinstance(shown, str):
            return AS_GIVEN
        off = (_slant(shown.warp) - np.array([_slant(warp) for warp in stencil.warps])) % 4
        return Turn(round(off[np.minimum(off, 4 - off).argmin()]) % 4, mirrored=back is not None)

    def more_alike(self, row: int, vector: Floats) -> bool:
        """Whether a photo's goods are more alike to the genuine ones by a ``vector`` (D,) than by its own."""
        genuine = self.catalog.vectors[self.marks_of(self.goods(row)).rows]
        return bool((genuine @ vector).max() > (genuine @ self.photos.vectors[row]).max())

    def _mirrored(self, row: int) -> Found | None:
        """Where the marks lie on a photo turned back, if it is given as a mirror image, as a front camera takes it: its
        marks fit badly as it is; turned back, each of those of its :meth:`goods` plainly is there, and what is drawn
        beside them fits better, too. Marks that are drawn backwards lie on goods that are not. Marks that are sunk or
        raised tell nothing.

        Raises :class:`~counterfeit_vision.DecodeError` where the file has gone or changed since.
        """
        goods = self.goods(row)
        stencil, (_, fit) = self.marks_of(goods).stencil, self._likeness(row, goods)
        asked = fit < SURE and self._could_show_marks(row, goods) and not self.encoded[row].turn
        if not asked or isinstance(stencil, str) or stencil.relief:
            return None
        photo = self.pixels(row)
        back = np.ascontiguousarray(photo[:, ::-1])
        turned = sure_place(stencil, back, mirror_image(self.traits(row).on_original, photo.shape[1]))
        if turned is None or turned.likeness < fit + LEAD or min(turned.likenesses) < PLAIN:
            return None
        whole = self.marks_of(goods).versions[turned.version].whole
        if whole is None:
            return None
        there = whole.beside_marks(stencil, back, turned.warp)
        here = whole.beside_marks(
            stencil, photo, _in_place(turned, stencil, photo.shape[1]), lambda: self._by_all(row, stencil)
        )
        return turned if there is not None and there >= SAME and (here is None or there > here) else None

    def mark(self, row: int) -> tuple[str, Found] | str:
        """The marks of the goods :meth:`looked_at`: that key, and where they are; or why they were not found."""
        goods = self.looked_at(row)
        mark = self.mark_of(row, goods)
        return mark if isinstance(mark, str) else (goods, mark)

    def mark_of(self, row: int, goods: str) -> Found | str:
        """Where the marks of any ``goods`` are, by their key; or why they were not found."""
        return if_found(self.place_of(row, goods))

    def lacks_mark(self, row: int) -> bool:
        """Whether the marks of the photo's :meth:`goods` are known, and were looked for in vain."""
        goods = self.goods(row)
        return isinstance(self.mark_of(row, goods), str) and self._could_show_marks(row, goods)

    def shown_elsewhere(self, row: int) -> str:
        """Why the marks need not be on a photo that does not show, as far as can be told, the side that bears them
        (:meth:`_shows_side`): another photo of the same listing shows those of the same product, or it bears the marks
        of another side that the catalogue has; empty where nothing says so.
        """
        goods = self.goods(row)
        shown = any(
            other != row
            and listing is self.listings[row]
            and self.goods(other) == goods
            and not isinstance(self.mark_of(other, goods), str)
            for other, listing in enumerate(self.listings)
        )
        if self._shows_side(row, goods):
            return ""
        return "another photo of the listing shows them" if shown else self._other_side(row, goods)

    @_once
    def _other_side(self, row: int, goods: str) -> str:
        """That a photo bears each of the marks of another side of those goods, as the catalogue has them, or empty."""
        known = self.marks_of(goods).other_side
        if known is None or isinstance(known.stencil, str) or not self._could_show_marks(row, goods):
            return ""
        try:
            photo, relief = self.pixels(row), known.stencil.relief
        except DecodeError:
            return ""
        features = self._features.get((row, relief), lambda: MarkFeatures.of(photo, relief=relief))
        place = likely_place(known.stencil, photo, features)
        if not is_found(place) or min(place.likenesses) < FOUND:
            return ""
        shown = self.catalog.references[int(known.shown_by[known.stencil.most_alike(place)])].id
        return f"it shows another side, as the catalogue's {shown!r} does (correlation {place.likeness:.2f})"

    @_once
    def _shows_side(self, row: int, goods: str) -> bool:
        """Whether a photo shows the side of the goods that bears the marks, marks or not: what surrounds these was
        found on it, and what is drawn on the rest of the side, where that can be told. What surrounds them may be no
        more than the goods' outline before the room, which the back shares.
        """
        place = self.place_of(row, goods)
        if isinstance(place, str) or place.beside < FOUND:
            return False
        alike = self.beside_marks(row, goods)
        return alike is None or alike >= SAME

    @_once
    def beside_marks(self, row: int, goods: str) -> float | None:
        """How like the genuine a photo is on all of the side of the goods but their marks, -1..1, without the room
        (:meth:`~counterfeit_vision.products.whole.WholeProduct.beside_marks`); ``None`` where that can't be told.
        """
        place, stencil = self.place_of(row, goods), self.marks_of(goods).stencil
        whole = self.version_of(row, goods).whole
        if isinstance(place, str) or isinstance(stencil, str) or whole is None:
            return None
        try:
            return whole.beside_marks(stencil, self.pixels(row), place.warp, lambda: self._by_all(row, stencil))
        except DecodeError:
            return None

    @_once
    def alone(self, row: int) -> tuple[Found | None, ...]:
        """What lies in the place of each of the marks, whose :meth:`place` is known, over a frame of its own, ``None``
        where the photo does not show it; empty where the place is not known.
        """
        place = self.place(row)
        if isinstance(place, str):
            return ()
        goods, found = place
        marks = self.version_of(row, goods).alone
        if len(marks) == 1:
            return (found,)
        try:
            pyramid = Pyramid(self.pixels(row))
        except DecodeError:
            return (None,) * len(marks)
        return tuple(mark.lay(pyramid, found.warp) for mark in marks)

    def close_up(self, row: int) -> CloseUp | None:
        """What lies in the marks' :meth:`place`, encoded by itself; ``None`` where nothing tells it, or the encoder
        gives no patches. All rows are encoded when the first is asked for.
        """
        return self._close_ups().get(row)

    @_once
    def _close_ups(self) -> dict[int, CloseUp]:
        if self.catalog.tokens is None:
            return {}
        squares = {}
        for row, seen in enumerate(self.each(self.alone)):
            if seen and (details := self.version_of(row, self.looked_at(row)).details) is not None:
                squares[row] = details.square(seen, self.catalog.encoder)
        return dict(zip(squares, close_ups(self.catalog.encoder, list(squares.values())), strict=True))

    @_once
    def drawn(self, row: int) -> tuple[Drawn | None, ...]:
        """How each of the marks that :meth:`mark` found is drawn, as the catalogue has them, ``None`` where too
        little of it is shown; empty where none were found.
        """
        mark = self.mark(row)
        if isinstance(mark, str):
            return ()
        (goods, found), crop, shown = mark, mark[1].crop, mark[1].inside
        known = self.version_of(row, goods)
        drawn = [one.measure(crop, shown) for one in known.ink]
        if len(known.alone) == len(drawn) > 1:
            for place, (one, alone, laid) in enumerate(zip(known.ink, known.alone, self.alone(row), strict=True)):
                if laid is not None:
                    drawn[place] = one.measure_again(drawn[place], crop, shown, alone.beside(laid, found.warp))
        return tuple(drawn)

    def whole(self, row: int) -> tuple[str, WholeProduct, Laid] | str:
        """The photo over the whole side of the goods :meth:`looked_at` that bears the marks, and that key; or why it
        can't be laid over it.
        """
        goods = self.looked_at(row)
        over = self._over_whole(row, goods)
        return over if isinstance(over, str) else (goods, *over)

    @_once
    def unlike_all(self, row: int) -> Floats:
        """(h, w) how far a photo that lies over the :meth:`whole` side is drawn otherwise
        (:func:`~counterfeit_vision.products.differences.unlike_all`).
        """
        over = self.whole(row)
        assert not isinstance(over, str)
        return unlike_all(*over[1:])

    @_once
    def saturation(self, row: int) -> float:
        """Times as saturated as on the genuine photos as which a photo shows all colours of the :meth:`whole` side; 1
        where it does not lie over it.
        """
        over = self.whole(row)
        return 1.0 if isinstance(over, str) else saturation_over(*over[1:])

    def unlike(self, row: int) -> float:
        """How far the goods on a photo are coloured otherwise beside their marks than each near product: those
        :meth:`looked_at`, the nearest and others of its brand that are about as near. From 1 they may be others, that
        the catalogue lacks; 0 where that can't be told.
        """
        first = self.looked_at(row)
        least = self._unlike(row, first)
        if least is None or least < 1:
            return least or 0.0
        nearest, siblings = self._siblings(row)
        others = [self._unlike(row, name) for name in (nearest, *siblings) if name != first]
        return min([least, *(unlike for unlike in others if unlike is not None)])

    def _unlike(self, row: int, goods: str) -> float | None:
        """Where it may be other goods as its marks lie, as all that surrounds them does, too: a fake's marks may place
        its side so that an edge of two colours lies beside the genuine one.
        """
        over, stencil = self._over_whole(row, goods), self.marks_of(goods).stencil
        if isinstance(over, str) or isinstance(stencil, str):
            return None
        whole, laid = over
        least = goods_differ(whole, stencil, laid)
        if least is None or least < 1:
            return least
        again = whole.lay_each(self.pixels(row), self._by_all(row, stencil))
        others = [goods_differ(whole, stencil, one) for one in again]
        return min([least, *(other for other in others if other is not None)])

    @_once
    def _over_whole(self, row: int, goods: str) -> tuple[WholeProduct, Laid] | str:
        place = self.place_of(row, goods)
        if isinstance(place, str):
            return place
        whole, stencil = self.version_of(row, goods).whole, self.marks_of(goods).stencil
        if whole is None or isinstance(stencil, str):
            return "this encoder gives no patch tokens, which tell the product from the room"
        try:
            photo = self.pixels(row)
        except DecodeError as error:
            return str(error)
        return whole.lay_over_versions(photo, place.warp, lambda: self._by_all(row, stencil), found=is_found(place))

    def _by_all(self, row: int, stencil: Stencil) -> list[Matrix]:
        """Where all that surrounds the marks says that a stencil's frame lies on a photo. By the features of its small
        copy, which are known; a relief's are those of its edges, and none will match.
        """
        return wide_view(stencil.around, self.traits(row).on_original)

    def product_rows(self, row: int, most: int) -> Ints:
        """The nearest references of the product that comes first in :meth:`near` as catalogue rows, best first, at most
        ``most``.
        """
        found, goods = self.near(row)[0], self.catalog.goods
        return np.array([key for key in found if key >= 0 and goods[key] == goods[found[0]]][:most], np.int64)


def _slant(warp: Floats) -> float:
    """How far a frame whose pixels lie at ``warp`` (h, w, 2) on a photo is turned there, in quarters of a turn."""
    x, y = (warp[:, -1] - warp[:, 0]).mean(axis=0)
    return float(np.arctan2(y, x) / (np.pi / 2))


def _in_place(turned: Found, stencil: Stencil, width: int) -> Floats:
    """Where a frame's pixels lie on a photo of that width if only its marks, which lie ``turned`` on the photo's mirror
    image, are mirrored, each in its place.
    """
    (x0, x1), (height, columns) = (stencil.boxes[:, 0].min(), stencil.boxes[:, 2].max()), stencil.shape
    within, on_photo = (np.array([[-1.0, 0, last], [0, 1, 0], [0, 0, 1]]) for last in (x0 + x1, width - 1))
    return places(on_photo @ turned.matrix @ within, (height, columns))
