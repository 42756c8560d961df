"""Whether the brand's name on the goods is spelt and drawn as the brand spells and draws it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..catalog import Catalog
from ..errors import MissingExtraError, WeightsError
from ..glyphs import Glyphs, compare_glyphs
from ..lookalikes import edit_distance, folded, lookalike_words, skeleton
from ..ocr import CROP_SIDE, PHOTO_SIDE, Reader, TextLine, rectified, shared_reader
from ..stream import small_jpeg
from ..types import Evidence, PhotoView, Region
from .base import Suspects

__all__ = ["Comparison", "Wordmark", "compare_wordmark"]

Pixels = NDArray[np.uint8]

REFERENCES = 4  # nearest genuine photos of the nearest product whose text is read
AIR = 0.5  # of a mark's shorter side, around it: letters that the crop cuts look like other letters
EDGE = 2  # pixels: a line this near to the crop's border may be cut by it, and is not judged
SMALLEST = 12  # pixels of a mark that can be read
NEAR = 0.34  # edits per letter up to which a text is a miss of a wordmark, not another text
SHORTEST = 3  # letters of a wordmark: shorter ones are missed by accident
SHORTEST_CHINESE = 2
SURPRISE = 20.0  # nats between the text as read and the wordmark that count as a full misspelling (score 1)
LAID_OVER = 0.45  # correlation below which two lines are not the same drawing (development fakes: 0.50 and more)
MISSPELT_SHOWN = 0.05  # from which the sentence speaks of spelling: 1 nat, more than any genuine development mark
DRAWN_OTHERWISE = 0.03  # excess residual of the worst genuine development mark (benchmarks/wordmark.py)
TITLE_SCORE = 1.0  # of a title that spells the brand in letters of another alphabet


@dataclass(frozen=True, eq=False)
class Comparison:
    """A line on the suspect beside the brand's nearest wordmark.

    ``score`` = the larger of ``misspelt`` and ``redrawn``. ``misspelt`` 0..1: by how much the recogniser prefers what
    it read to the wordmark. ``redrawn``: how much worse the worst glyph fits the genuine one than the median glyph;
    ``None`` without a genuine line of the same drawing.
    """

    line: TextLine
    word: str
    edits: int
    misspelt: float
    redrawn: float | None
    glyphs: Glyphs | None
    genuine: TextLine | None

    @property
    def score(self) -> float:
        """Higher = more suspicious."""
        return max(self.misspelt, self.redrawn or 0.0)


def compare_wordmark(
    suspect: Sequence[TextLine], genuine: Sequence[TextLine], words: Sequence[str], reader: Reader
) -> Comparison | None:
    """The suspect's lines that are one of ``words`` (the brand's wordmarks) or a near miss of one, compared by text and
    by glyph; of them the most suspicious.

    ``suspect`` and ``genuine`` come from :meth:`~counterfeit_vision.ocr.Reader.lines`. ``None`` where no line is near.
    """
    found = [near for line in suspect if (near := _nearest(line, words)) is not None]
    compared = [_compared(*near, genuine, reader) for near in found]
    return max(compared, key=lambda one: one.score, default=None)


def _compared(line: TextLine, word: str, edits: int, genuine: Sequence[TextLine], reader: Reader) -> Comparison:
    forms = {word, word.upper(), word.lower(), word.title()} | {
        one.text for one in genuine if folded(one.text) == folded(word)
    }
    surprise = reader.log_likelihood(line.reading, line.text) - max(
        reader.log_likelihood(line.reading, form) for form in forms
    )
    same = [one for one in genuine if folded(one.text) == folded(word) and _same_case(one.text, line.text)]
    best: tuple[float, Glyphs, TextLine] | None = None
    for one in same:
        glyphs = compare_glyphs(one.pixels, one.box, line.pixels, line.box)
        if glyphs is not None and glyphs.whole >= LAID_OVER and (best is None or glyphs.excess < best[0]):
            best = (glyphs.excess, glyphs, one)
    misspelt = float(np.clip(surprise / SURPRISE, 0, 1))
    if best is None:
        return Comparison(line, word, edits, misspelt, None, None, same[0] if same else None)
    return Comparison(line, word, edits, misspelt, *best)


def _nearest(line: TextLine, words: Sequence[str]) -> tuple[TextLine, str, int] | None:
    """The word that the line is or nearly is, by spelling or by outline (rn is near to m), and the letters between."""
    away = {
        word: min(edit_distance(line.text, word), edit_distance(skeleton(line.text), skeleton(word))) for word in words
    }
    near = [word for word in words if away[word] <= max(1, NEAR * len(folded(word)))]
    return (line, best, edit_distance(line.text, best)) if near and (best := min(near, key=away.__getitem__)) else None


def _same_case(genuine: str, suspect: str) -> bool:
    """Whether both are set in capitals, or neither; a letter that was misread does not decide it."""
    shares = [sum(letter.isupper() for letter in text) / len(text) for text in (genuine, suspect)]
    return abs(shares[0] - shares[1]) <= 0.5


@dataclass(frozen=True, eq=False)
class MarkCrop:
    """What is read of a suspect: ``pixels`` (h, w, 3) and where their top left corner lies on the photo."""

    pixels: Pixels
    corner: tuple[float, float]
    side: int


def mark_crops(suspects: Suspects, row: int) -> list[MarkCrop] | str:
    """The parts of a suspect's photo where its product's marks were found, cut with some air; or why there are none.

    Reading a whole photo takes a second and finds other people's text: only marks are read.
    """
    mark = suspects.mark(row)
    if isinstance(mark, str):
        return mark
    pixels = suspects.pixels(row)
    height, width = pixels.shape[:2]
    crops = []
    for region in mark[1].regions:
        air = AIR * min(region.x1 - region.x0, region.y1 - region.y0)
        x0, y0 = max(0, int(region.x0 - air)), max(0, int(region.y0 - air))
        x1, y1 = min(width, math.ceil(region.x1 + air)), min(height, math.ceil(region.y1 + air))
        if x1 - x0 >= SMALLEST and y1 - y0 >= SMALLEST:
            crops.append(MarkCrop(pixels[y0:y1, x0:x1], (float(x0), float(y0)), CROP_SIDE))
    return crops or "its marks are too small to be read"


class Wordmark:
    """How far the wordmark on the goods is from the brand's own, as text and as drawn.

    The brand's wordmarks are its name and what is read alike on at least two of its nearest references. ``score`` is
    :attr:`Comparison.score`; a listing whose title spells the brand in letters of another alphabet scores at least 1.
    Without onnxruntime or its models a head made with ``optional=True`` says so for each photo; otherwise
    :class:`~counterfeit_vision.errors.MissingExtraError` or :class:`~counterfeit_vision.WeightsError` is raised when it
    is made.
    """

    name = "wordmark"

    def __init__(self, *, optional: bool = False) -> None:
        self._optional = optional
        self._reader: Reader | str | None = None
        self._lines: dict[tuple[str, int], list[TextLine]] = {}
        if not optional:
            self._reader = shared_reader()

    def score(self, suspects: Suspects) -> list[Evidence]:
        """See :meth:`counterfeit_vision.heads.Head.score`."""
        return [self._titled(suspects, row, self._one(suspects, row)) for row in range(len(suspects))]

    def _one(self, suspects: Suspects, row: int) -> Evidence:
        reader = self.reader()
        if isinstance(reader, str):
            return Evidence.not_applicable(reader)
        crops = mark_crops(suspects, row)
        if isinstance(crops, str):
            return Evidence.not_applicable(f"No mark to read: {crops}.")
        catalog = suspects.catalog
        keys = suspects.product_rows(row, REFERENCES)
        brand = catalog.references[int(keys[0])].brand
        genuine, words = self._wordmarks(catalog, keys, reader)
        if not genuine:
            return Evidence.not_applicable(f"No wordmark of {brand} can be read on its nearest genuine photos.")
        lines = [
            (crop, line)
            for crop in crops
            for line in reader.lines(crop.pixels, side=crop.side)
            if _is_whole(line, crop.pixels.shape)
        ]
        if not lines:
            return Evidence.not_applicable("No text can be read on the marks.")
        compared = compare_wordmark([line for _, line in lines], genuine, words, reader)
        if compared is None:
            return Evidence.not_applicable(f"None of the {len(lines)} lines on the marks is a wordmark of {brand}.")
        corner = next(crop.corner for crop, line in lines if line is compared.line)
        return self._evidence(suspects, row, compared, corner, keys)

    def _evidence(
        self, suspects: Suspects, row: int, compared: Comparison, corner: tuple[float, float], keys: NDArray[np.int64]
    ) -> Evidence:
        (x0, y0), (x1, y1) = compared.line.box.min(axis=0) + corner, compared.line.box.max(axis=0) + corner
        crops, references = None, tuple(suspects.catalog.references[int(key)].id for key in keys)
        if compared.genuine is not None:
            crops = (_view("this photo", compared.line), _view("genuine", compared.genuine))
        return Evidence(
            score=compared.score,
            text=_sentence(compared),
            region=Region(float(x0), float(y0), float(x1), float(y1)),
            references=references,
            crops=crops,
        )

    def _titled(self, suspects: Suspects, row: int, evidence: Evidence) -> Evidence:
        """With what the listing's title does to the brand's name."""
        listing = suspects.listings[row]
        brand = listing.brand or suspects.catalog.references[int(suspects.neighbours.rows[row, 0])].brand
        false = lookalike_words(listing.title or "", brand)
        if not false or (evidence.applicable and evidence.score >= TITLE_SCORE):
            return evidence
        text = f"The title spells {brand} in other letters that look alike: {false[0]!r}."
        return Evidence(TITLE_SCORE, f"{text} {evidence.text}" if evidence.applicable else text, region=evidence.region,
                        references=evidence.references, crops=evidence.crops)  # fmt: skip

    def reader(self) -> Reader | str:
        """The reader, loaded on first use, or why there is none."""
        if self._reader is None:
            try:
                self._reader = shared_reader()
            except (MissingExtraError, WeightsError) as error:
                if not self._optional:
                    raise
                self._reader = str(error).splitlines()[0]
        return self._reader

    def _wordmarks(self, catalog: Catalog, keys: NDArray[np.int64], reader: Reader) -> tuple[list[TextLine], list[str]]:
        """The lines on these references that are wordmarks, and the brand's wordmarks as words."""
        name = catalog.references[int(keys[0])].brand
        read = {int(key): self._reference_lines(catalog, int(key), reader) for key in keys}
        counts = Counter(word for lines in read.values() for word in {folded(line.text) for line in lines})
        known = {folded(name)} | {
            word  # read alike twice; what is nearly the name is the name, misread
            for word, count in counts.items()
            if count > 1
            and len(word) >= _shortest(word)
            and edit_distance(word, folded(name)) > NEAR * len(folded(name))
        }
        kept = [line for lines in read.values() for line in lines if folded(line.text) in known]
        words = [name, *(line.text for line in kept)]
        return kept, [word for word in dict.fromkeys(words) if reader.knows(word)]

    def _reference_lines(self, catalog: Catalog, key: int, reader: Reader) -> list[TextLine]:
        place = (catalog.generation, key)
        if place not in self._lines:
            pixels, regions = catalog.pixels(key), catalog.regions(key)
            crops = [_cut(pixels, region) for region in regions] or [pixels]
            side = CROP_SIDE if regions else PHOTO_SIDE
            self._lines[place] = [line for crop in crops if crop.size for line in reader.lines(crop, side=side)]
        return self._lines[place]


def _is_whole(line: TextLine, shape: tuple[int, ...]) -> bool:
    """Whether the line keeps off the border of its crop (h, w, 3)."""
    x0, y0 = line.box.min(axis=0)
    x1, y1 = line.box.max(axis=0)
    return bool(x0 >= EDGE and y0 >= EDGE and x1 <= shape[1] - 1 - EDGE and y1 <= shape[0] - 1 - EDGE)


def _shortest(word: str) -> int:
    return SHORTEST if word.isascii() else SHORTEST_CHINESE


def _cut(pixels: Pixels, region: Region) -> Pixels:
    """The region with a quarter of its height of air, as far as the photo reaches."""
    air = 0.25 * (region.y1 - region.y0)
    x0, y0 = max(0, int(region.x0 - air)), max(0, int(region.y0 - air))
    return pixels[y0 : int(region.y1 + air) + 1, x0 : int(region.x1 + air) + 1]


def _view(name: str, line: TextLine) -> PhotoView:
    straight = rectified(line.pixels, line.box)
    return PhotoView(name, small_jpeg(straight), (straight.shape[1], straight.shape[0]), line.text)


def _sentence(compared: Comparison) -> str:
    read, word = compared.line.text, compared.word
    if compared.misspelt >= MISSPELT_SHOWN:
        off = "1 letter off" if compared.edits == 1 else f"{compared.edits} letters off"
        how = off if compared.edits else "with capitals in other places than"
        return f"The mark reads {read!r}, {how} {word!r} (misspelling {compared.misspelt:.2f} of 1)."
    if compared.redrawn is None or compared.glyphs is None:
        return f"The mark reads {read!r}, which is a wordmark of the brand; no genuine drawing of it to compare with."
    worst = int(compared.glyphs.residual.argmax()) + 1
    if compared.redrawn >= DRAWN_OTHERWISE:
        return (
            f"The mark reads {read!r}, but glyph {worst} of {len(compared.glyphs.residual)} is drawn otherwise than on "
            f"the genuine mark (deviation {compared.redrawn:.3f}; flat genuine marks stay under {DRAWN_OTHERWISE})."
        )
    return f"The mark reads {read!r} and is drawn as on the genuine goods (largest deviation {compared.redrawn:.3f})."
