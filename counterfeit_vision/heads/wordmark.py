"""Whether the brand's name on the goods is spelt and drawn as the brand spells and draws it."""

from __future__ import annotations

import dataclasses
import re
import time
import unicodedata
from collections.abc import Sequence

import numpy as np

from .._arrays import Floats, Pixels
from .._concurrency import Once
from ..errors import DecodeError, MissingExtraError, WeightsError
from ..index.catalog import Catalog
from ..marks.finding import Found, region_around
from ..marks.stencil import Stencil
from ..products.marks import GoodsMarks
from ..types import Evidence, PhotoView
from ..types.fields import folded
from .confusables import bare, edit_distance, lookalike_words, skeleton, spellings, unaccented
from .glyphs import is_covered
from .known_lines import BESIDE, KnownLine, Wordmarks, at, larger, line_at, lines_near, wordmarks_of
from .laid_over import crop_view
from .line_comparison import (
    DRAWN_OTHERWISE,
    MISSPELT_SHOWN,
    RETYPED,
    LineComparison,
    compare_wordmark,
    holds,
    part_of,
    sentence,
    worst_part,
)
from .ocr import PHOTO_SIDE, Reader, Reading, TextLine, rectified, shared_reader
from .suspects import Suspects

__all__ = ["Wordmark"]

REFERENCES_SHOWN = 4
KEPT = 512  # products whose wordmarks stay in memory, at most 500 MB
GENUINE = 2  # genuine lines, those most alike, that a suspect's line is compared with glyph by glyph
LOOK_AGAIN = 0.06  # score from which a line is looked at again: half of the development fakes have 0.35
# Other crops in which it is read again, in parts of its height: longer at its ends, higher, lower down. What is misread
# in one is often right in another; of 31 development fakes none loses more than a quarter of its misspelling by it.
CROPS = ((0.0, 0.12, 0.0), (0.15, 0.05, 0.0), (0.0, 0.05, 0.08), (0.0, 0.05, -0.08))
# What a line's drawing counts where the marks lie badly over the genuine ones, by their correlation: from 0.76 down the
# mean excess of genuine photos of the market's seeds 0 to 3 is 0.2, then 0.07, 0.03 and 0.01. Reading suffers less.
LIKENESS, COUNTS = (0.76, 0.83, 0.88, 0.92), (0.06, 0.18, 0.4, 1.0)
NAME = 5  # letters of a brand's name from which few words are a letter off it
PATIENCE = 600.0  # seconds until models that could not be had are asked for again
TITLE_SCORE = 1.0  # of a title that spells the brand in letters of another alphabet


class Wordmark:
    """How far the wordmark on the goods is from the brand's own, as text and as drawn.

    The brand's wordmarks are its name and what is read alike on two of the product's references. ``score`` is
    :attr:`LineComparison.score`; a listing whose title spells the brand in letters of another alphabet scores at least
    1. Where the marks were looked for in vain, it is how misspelt the brand's name is on whatever the photo shows;
    without it, or spelt right, the claim does not apply. Beside another brand's marks it is told as ``joint``.
    Without onnxruntime or its models a head made with ``optional=True`` says so for each photo, and asks for models
    again ten minutes later; otherwise :class:`~counterfeit_vision.errors.MissingExtraError` or
    :class:`~counterfeit_vision.WeightsError` is raised when it is made.
    """

    name = "wordmark"

    def __init__(self, *, optional: bool = False) -> None:
        self._optional = optional
        self._reader: Reader | str | None = None
        self._ask_again = float("inf")
        self._known: Once[tuple[str, str], Wordmarks] = Once(KEPT)
        if not optional:
            self._reader = shared_reader()

    @property
    def fingerprint(self) -> str:
        """See :class:`counterfeit_vision.heads.Head`: the models that read, or why there are none."""
        reader = self.reader()
        return reader if isinstance(reader, str) else reader.sha256

    def score(self, suspects: Suspects) -> list[Evidence]:
        """See :meth:`counterfeit_vision.heads.Head.score`."""
        self.reader()  # before threads ask for it
        return suspects.each(lambda row: self._evidence(suspects, row))

    def _evidence(self, suspects: Suspects, row: int) -> Evidence:
        evidence = self._titled(suspects, row, self._one(suspects, row))
        return dataclasses.replace(evidence, joint=self._joint(suspects, row))

    def _one(self, suspects: Suspects, row: int) -> Evidence:
        reader = self.reader()
        if isinstance(reader, str):
            return Evidence.not_applicable(reader)
        mark = suspects.mark(row)
        if isinstance(mark, str):
            return self._elsewhere(suspects, row, mark, reader)
        (goods, found), catalog = mark, suspects.catalog
        keys = suspects.marks_of(goods).shown_by
        brand = catalog.references[int(keys[0])].brand
        known = self._wordmarks(suspects, goods, reader)
        if not known.lines and not reader.knows(brand):
            return Evidence.not_applicable(f"The reader lacks letters of {brand}.")
        if not known.lines:
            return Evidence.not_applicable(f"No wordmark of {brand} can be read on its genuine photos.")
        try:
            photo = suspects.pixels(row)
        except DecodeError as error:  # the file has gone since the marks were found
            return Evidence.not_applicable(f"The photo can no longer be read: {error}")
        looks = [_look(photo, found.warp, line, known.words, reader) for line in known.lines]
        count = float(np.exp(np.interp(found.likeness, LIKENESS, np.log(COUNTS))))
        looks = [dataclasses.replace(one, count=count) if isinstance(one, LineComparison) else one for one in looks]
        compared = [one for one in looks if isinstance(one, LineComparison)]
        if not compared:
            return Evidence.not_applicable(f"No wordmark of {brand} on the marks: {looks[0]}.")
        worst = max(compared, key=lambda one: one.score)
        box = at(found.warp, worst_part(known.lines[looks.index(worst)].box, worst)[None])[0]
        crops = None
        if worst.genuine is not None:
            crops = (_view("this photo", worst.line), _view("genuine", worst.genuine))
        return Evidence(
            score=worst.score,
            text=sentence(worst) + _as_genuine(worst) + _loosely(worst, found),
            region=region_around(box, photo.shape),
            references=tuple(catalog.references[int(key)].id for key in keys[:REFERENCES_SHOWN]),
            crops=crops,
        )

    def _elsewhere(self, suspects: Suspects, row: int, why: str, reader: Reader) -> Evidence:
        """Where the marks, which bear the brand's name, were not found: that name a letter off on whatever the photo
        shows. Spelt right it says nothing: it stands on receipts and on the brand's other goods.
        """
        silent, name = Evidence.not_applicable(f"No mark to read: {why}."), _brand_of(suspects, row)
        genuine = self._printed(suspects, row, name, reader)
        if genuine is None:
            return silent
        try:
            photo = suspects.pixels(row)
        except DecodeError:  # the file has gone since the marks were looked for
            return silent
        lines = reader.lines(photo, side=PHOTO_SIDE)
        if any(_letters(line.text) == _letters(name) for line in lines):
            return silent
        names = list(dict.fromkeys([name, genuine.text]))
        told = [(_least_misspelt(photo, line, names, reader), line) for line in lines if _is_miss(line.text, name)]
        misspelt, line = max(told, key=lambda one: one[0], default=(0.0, genuine))
        if misspelt < MISSPELT_SHOWN:
            return silent
        return Evidence(
            score=misspelt,
            text=f"The marks were not found, but the photo reads {line.text!r}, nearly {name!r} (misspelling "
            f"{misspelt:.2f} of 1): {why}.",
            region=region_around(line.box, photo.shape),
            crops=(_view("this photo", line), _view("genuine", genuine)),
        )

    def _joint(self, suspects: Suspects, row: int) -> str:
        """The brand that a listing claims, where the photo looks more like another's goods, and bears their marks and
        its name; empty elsewhere. Whoever has no such name on them sells other goods, and no joint edition.
        """
        reader, catalog, nearest = self.reader(), suspects.catalog, suspects.nearest(row)
        name, other = _brand_of(suspects, row), catalog.references[nearest].brand
        if isinstance(reader, str) or _bears(other, name):
            return ""
        if isinstance(suspects.mark_of(row, str(catalog.goods[nearest])), str):
            return ""
        try:
            lines = reader.lines(suspects.pixels(row), side=PHOTO_SIDE)
        except DecodeError:  # the file has gone since the marks were found
            return ""
        return name if any(_bears(line.text, name) for line in lines) else ""

    def _printed(self, suspects: Suspects, row: int, name: str, reader: Reader) -> TextLine | None:
        """How the product that a listing names, or its brand's nearest, bears the brand's name, where its marks were
        looked for on the photo in vain; ``None`` for a name that is short enough to be nearly met by accident.
        """
        catalog, listing, goods = suspects.catalog, suspects.listings[row], suspects.goods(row)
        named = len(catalog.claimed_by(listing)) or folded(name) == folded(listing.brand or "")
        of_brand = catalog.references[int(suspects.marks_of(goods).rows[0])].brand == name
        if not named or not of_brand or len(folded(name)) < NAME or not suspects.lacks_mark(row):
            return None
        names, known = spellings(name), self._wordmarks(suspects, goods, reader)
        return next((one for line in known.lines for one in line.genuine if bare(one.text) in names), None)

    def _titled(self, suspects: Suspects, row: int, evidence: Evidence) -> Evidence:
        """With what the listing's title, its brand or its product does to the brand's name."""
        listing, brand = suspects.listings[row], _brand_of(suspects, row)
        texts = {"title": listing.title, "listing's brand": listing.brand, "listing's product": listing.product}
        for field, text in texts.items():
            false = lookalike_words(text or "", brand)
            if false and not (evidence.applicable and evidence.score >= TITLE_SCORE):
                told = f"The {field} spells {brand} in other letters that look alike: {false[0]!r:.80}."
                told = f"{told} {evidence.text}" if evidence.applicable else told
                return Evidence(TITLE_SCORE, told)  # no spot on the photo
        return evidence

    @property
    def unable(self) -> str | None:
        """See :class:`counterfeit_vision.heads.Head`: why there is no reader."""
        reader = self.reader()
        return reader if isinstance(reader, str) else None

    def reader(self) -> Reader | str:
        """The reader, loaded on first use, or why there is none."""
        if self._reader is None or (isinstance(self._reader, str) and time.monotonic() > self._ask_again):
            try:
                self._reader = shared_reader()
            except (MissingExtraError, WeightsError) as error:
                if not self._optional:
                    raise
                if isinstance(error, WeightsError):  # whoever has them may be out of reach for now
                    self._ask_again = time.monotonic() + PATIENCE
                self._reader = str(error).splitlines()[0]
        return self._reader

    def _wordmarks(self, suspects: Suspects, goods: str, reader: Reader) -> Wordmarks:
        """A product's wordmarks, looked for once."""
        catalog = suspects.catalog

        def learn() -> Wordmarks:
            marks = suspects.marks_of(goods)
            brand = catalog.references[int(marks.shown_by[0])].brand
            name, kinds = f"wordmarks {brand} {reader.sha256}", [Wordmarks, KnownLine, TextLine, Reading]
            return marks.memory(name, kinds, lambda: _learned(catalog, marks, reader))

        return self._known.get((catalog.generation, goods), learn)


def _brand_of(suspects: Suspects, row: int) -> str:
    """As the catalogue spells the brand that a listing names, or else that of the nearest reference: what a seller
    types may be what is false.
    """
    catalog, listing = suspects.catalog, suspects.listings[row]
    named = catalog.claimed_by(listing)
    if not len(named) and listing.brand is not None:
        named = catalog.rows_of(brand=listing.brand)
    return catalog.references[int(named[0] if len(named) else suspects.nearest(row))].brand


def _learned(catalog: Catalog, marks: GoodsMarks, reader: Reader) -> Wordmarks:
    """A product's wordmarks, and how far each reference seems off beside the others."""
    known, stencil = wordmarks_of(catalog, marks, reader), marks.stencil
    assert isinstance(stencil, Stencil)
    photos = [catalog.pixels(int(key)) for key in marks.shown_by]
    lines = []
    for line in known.lines:
        looks = [
            look
            for number, (photo, warp) in enumerate(zip(photos, stencil.warps, strict=True))
            if isinstance(look := _look(photo, warp, line.without(number), known.words, reader), LineComparison)
        ]
        misspelt = max((look.misspelt for look in looks), default=0.0)
        redrawn = max((look.redrawn or 0.0 for look in looks), default=0.0)
        retyped = max((look.retyped for look in looks), default=0.0)
        lines.append(dataclasses.replace(line, misspelt=misspelt, redrawn=redrawn, retyped=retyped))
    return dataclasses.replace(known, lines=tuple(lines))


def _look(photo: Pixels, warp: Floats, line: KnownLine, words: Sequence[str], reader: Reader) -> LineComparison | str:
    """A line of the marks on a photo that is laid over the genuine ones beside these, or why they are not compared.

    It is read at its place and, as long as it is suspicious, in some other crops, of which the least misspelt counts.
    Where it still is, or is no wordmark, it is looked for as on any photo, since the marks may lie a little off: of the
    two looks the less suspicious one counts, with the shapes of the one that shows them best. Nothing is said of a
    suspicious line that a hand is before.
    """
    here = line_at(photo, warp, line.box, reader, beside=BESIDE)
    if here is None:
        return "it is too small to be read, or not wholly on the photo"
    usual = (
        max(0.0, line.misspelt - MISSPELT_SHOWN),
        max(0.0, line.redrawn - DRAWN_OTHERWISE),
        max(0.0, line.retyped - RETYPED),
    )

    def compared(seen: TextLine, genuine: Sequence[TextLine], *, placed: bool = False) -> list[LineComparison]:
        found = compare_wordmark([seen], genuine, words, reader, placed=placed)
        return [] if found is None else [dataclasses.replace(found, usual=usual)]

    genuine = line.most_alike(here, GENUINE)
    looks = compared(here, genuine, placed=True)
    for crop in CROPS:
        if not looks or looks[0].score < LOOK_AGAIN:
            break
        seen = line_at(photo, warp, larger(line.box, *crop), reader, beside=BESIDE)
        again = [] if seen is None else [look.misspelt for look in compared(seen, [])]
        looks = [dataclasses.replace(looks[0], misspelt=min([looks[0].misspelt, *again]))]
    if looks and looks[0].score < LOOK_AGAIN:
        return looks[0]
    for other in lines_near(photo, at(warp, line.box[None])[0], reader):
        looks += compared(other, line.most_alike(other, 1))
    if not looks:
        return f"what stands there reads {here.text!r}"
    least = min((one.retyped for one in looks if one.glyphs is not None), default=0.0)
    looks = [dataclasses.replace(one, retyped=min(one.retyped, least)) for one in looks]
    best = min(looks, key=lambda one: one.score)
    covered = [is_covered(one.pixels, one.box, here.pixels, here.box) for one in genuine if best.score >= LOOK_AGAIN]
    if covered and all(covered):
        return f"something is before a part of it, and {best.line.text!r} is what is read"
    return best


def _is_miss(text: str, name: str) -> bool:
    """Whether a text is the name but for a letter, or looks like it, and is not what is seen of it beside a hand.

    >>> [_is_miss(text, "Silváno") for text in ("SILVAMO", "S1LVAN0", "'Silvano", "SILVAN", "SALVADOR")]
    [True, True, False, False, False]
    """
    read, right = _letters(text), _letters(name)
    off = edit_distance(read, right)
    return not part_of(read, right) and (off == 1 or (off > 1 and skeleton(read) == skeleton(right)))


def _bears(text: str, name: str) -> bool:
    """Whether a line has a brand's name among its words, or, of a name long enough, at either end: what stands beside
    it may be read as a letter of it.

    >>> [_bears(text, "Nolba") for text in ("Brimore x NOLBA", "XNOLBA", "NOLBA.CO", "NOLDA", "xNOLBAx")]
    [True, True, True, False, False]
    >>> [_bears(text, "Ace") for text in ("ACE of", "PALACE", "NOLBA/ACE")]
    [True, False, True]
    """
    names, read = spellings(name), bare(text)
    words = map(bare, re.findall(r"\w+", unicodedata.normalize("NFC", text)))
    if read in names or holds(" ".join(words), names):
        return True
    return len(folded(name)) >= NAME and any(read.startswith(one) or read.endswith(one) for one in names)


def _letters(text: str) -> str:
    """The letters that tell a miss: a speck is read as a mark beside them, and accents are overlooked."""
    return unaccented(text).replace("|", "")


def _least_misspelt(photo: Pixels, line: TextLine, names: Sequence[str], reader: Reader) -> float:
    """How misspelt a line of a photo is, read once more in a crop of its own; 0 where more stands there. ``names`` are
    the forms of the name.
    """
    looks = (compare_wordmark([one], [], names, reader) for one in (line, *lines_near(photo, line.box, reader)))
    return min((look.misspelt for look in looks if look is not None), default=0.0)


def _view(name: str, line: TextLine) -> PhotoView:
    return crop_view(name, rectified(line.pixels, line.box), line.text)


def _as_genuine(compared: LineComparison) -> str:
    spared = compared.usual[0] if compared.misspelt >= MISSPELT_SHOWN else compared.usual[1]
    if not spared or compared.throughout or max(compared.misspelt, compared.redrawn or 0.0) < DRAWN_OTHERWISE:
        return ""
    return " One of the catalogue's photos seems to be off as well, so it counts less."


def _loosely(compared: LineComparison, found: Found) -> str:
    told = compared.throughout or max(compared.misspelt, compared.redrawn or 0.0) >= MISSPELT_SHOWN
    if compared.count >= 1 or not told:
        return ""
    like = f"not quite like those on the catalogue's photos ({found.likeness:.2f})"
    return f" The marks as a whole are {like}, so it counts less."
