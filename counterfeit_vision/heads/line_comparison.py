"""A line of text on the goods beside the brand's nearest wordmark: as it is read, and as its letters are drawn."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from .._arrays import Floats
from ..types.fields import SIGNS, folded
from .confusables import INK, bare, edit_distance, skeleton, spellings
from .glyphs import Glyphs, compare_glyphs
from .known_lines import NEAR
from .ocr import Reader, TextLine

__all__ = [
    "DRAWN_OTHERWISE",
    "MISSPELT_SHOWN",
    "RETYPED",
    "LineComparison",
    "compare_wordmark",
    "holds",
    "part_of",
    "sentence",
    "worst_part",
]

SURPRISE = 20.0  # nats between the text as read and the wordmark that count as a full misspelling (score 1)
LAID_OVER = 0.45  # correlation below which two lines are not the same drawing (development fakes: 0.50 and more)
MISSPELT_SHOWN = 0.05  # from which the sentence speaks of spelling: 1 nat, more than any genuine development mark
NEARLY = 0.01  # excess residual from which the sentence no longer says that a mark is drawn as the genuine one
DRAWN_OTHERWISE = 0.03  # excess residual of the worst genuine development mark (benchmarks/wordmark.py)
# Residual of the median glyph, noise apart: 66 genuine cartons stay below; overprinted names have 0.07 to 0.33
RETYPED = 0.05
RETYPED_COUNTS = 0.4  # what other shapes throughout count at least: a name in another typeface makes marks unlike, too
READ_COUNTS = 0.4  # what spelling counts at least


@dataclass(frozen=True, eq=False)
class LineComparison:
    """A line on the suspect beside the brand's nearest wordmark.

    ``score`` = the largest of ``misspelt``, ``redrawn`` and ``retyped``, of what they ``count``, each less what is
    ``usual`` for genuine photos of that line where that is more than on others. ``misspelt`` 0..1: by how much the
    recogniser prefers what it read to the wordmark. ``redrawn``: how much worse the worst glyph fits the genuine one
    than the median one; ``None`` without a genuine line of the same drawing. ``retyped``: how badly the median one fits
    the nearest.
    """

    line: TextLine
    word: str
    edits: int
    misspelt: float
    redrawn: float | None
    glyphs: Glyphs | None
    genuine: TextLine | None
    count: float = 1.0
    usual: tuple[float, float, float] = (0.0, 0.0, 0.0)
    retyped: float = 0.0

    @property
    def score(self) -> float:
        """Higher = more suspicious. What only lacks letters at its ends may be cut, where the marks lie badly."""
        least = 0.0 if part_of(self.line.text, self.word) else READ_COUNTS
        misspelt = (self.misspelt - self.usual[0]) * max(self.count, least)
        return max(0.0, misspelt, *self._drawing)

    @property
    def throughout(self) -> bool:
        """Whether it is read right, and all of it is drawn otherwise, rather than one glyph."""
        one, every = self._drawing
        return self.misspelt < MISSPELT_SHOWN and every > 0 and (every > one or one < DRAWN_OTHERWISE)

    @property
    def _drawing(self) -> tuple[float, float]:
        """What its worst glyph counts, and what all of them do."""
        one, every = (self.redrawn or 0.0) - self.usual[1], self.retyped - RETYPED - self.usual[2]
        return one * self.count, every * max(self.count, RETYPED_COUNTS)


def compare_wordmark(
    suspect: Sequence[TextLine],
    genuine: Sequence[TextLine],
    words: Sequence[str],
    reader: Reader,
    *,
    placed: bool = False,
) -> LineComparison | None:
    """The suspect's lines that are one of ``words`` (the brand's wordmarks) or a near miss of one, compared by text and
    by glyph; of them the most suspicious.

    ``suspect`` and ``genuine`` come from :meth:`~counterfeit_vision.heads.ocr.Reader.lines`, or are ``placed``, each
    in the same box of one frame. ``None`` where no line is near.
    """
    found = [near for line in suspect if (near := _nearest(line, words)) is not None]
    compared = [_compared(*near, genuine, reader, placed) for near in found]
    return max(compared, key=lambda one: one.score, default=None)


def _compared(
    line: TextLine, word: str, edits: int, genuine: Sequence[TextLine], reader: Reader, placed: bool
) -> LineComparison:
    named = spellings(word)
    printed = [one for one in genuine if bare(one.text) in named]
    forms = {word, word.upper(), word.lower(), word.title()} | {one.text for one in printed}
    if holds(line.text, forms):
        forms.add(line.text)
    surprise = reader.log_likelihood(line.reading, line.text) - max(
        reader.log_likelihood(line.reading, form) for form in forms
    )
    same = [one for one in printed if _same_case(one.text, line.text)]
    best: tuple[float, Glyphs, TextLine] | None = None
    retyped: list[float] = []
    for one in same:
        glyphs = compare_glyphs(one.pixels, one.box, line.pixels, line.box, placed=placed)
        if glyphs is None or glyphs.whole < LAID_OVER:
            continue
        retyped.append(glyphs.median)
        if best is None or glyphs.excess < best[0]:
            best = (glyphs.excess, glyphs, one)
        if best[0] < DRAWN_OTHERWISE and min(retyped) < RETYPED:
            break
    misspelt = float(np.clip(surprise / SURPRISE, 0, 1))
    if best is None:
        return LineComparison(line, word, edits, misspelt, None, None, same[0] if same else None)
    return LineComparison(line, word, edits, misspelt, *best, retyped=min(retyped))


def _nearest(line: TextLine, words: Sequence[str]) -> tuple[TextLine, str, int] | None:
    """The word that the line is or nearly is, by spelling or by outline (rn is near to m), and the letters between.
    None where nothing was read, though that is but a letter off a name of one.
    """
    if not line.text:
        return None
    read = line.text.translate(INK)
    letters = {word: min(edit_distance(line.text, word), edit_distance(read, word.translate(INK))) for word in words}
    away = {word: min(letters[word], edit_distance(skeleton(line.text), skeleton(word))) for word in words}
    near = [word for word in words if away[word] <= max(1, NEAR * len(folded(word)))]
    if not near:
        return None
    best = min(near, key=lambda word: (away[word], letters[word]))
    return line, best, letters[best]


def holds(text: str, words: Collection[str]) -> bool:
    """Whether it says one of the words, as far as blanks and ™ go: a wide gap is read as one, and behind one may stand
    what is printed beside the word. Letters of one outline are the same ink.

    >>> holds("SILVANO™ since 1964", ["SILVANO"]), holds("SILVANOS", ["SILVANO"]), holds("ΦAΓE", ["ΦΑΓΕ"])
    (True, False, True)
    """
    parts, whole = _apart(text), {"".join(_apart(word)) for word in words}
    runs = (parts[start:end] for start in range(len(parts)) for end in range(start + 1, len(parts) + 1))
    return any("".join(run) in whole for run in runs)


def _apart(text: str) -> list[str]:
    return re.sub(f"[{SIGNS}]", " ", text.translate(INK)).split()


def part_of(text: str, word: str) -> bool:
    """Whether it may be the word, or what is seen of it beside a hand: a letter alone is read as its like, l as I.

    >>> [part_of(text, "Weiß") for text in ("weiß", "wei", "we1", "weiss")]
    [True, True, True, False]
    """
    cuts = ((form(text), form(word)) for form in (folded, skeleton))
    return edit_distance(text, word) == 0 or any(len(seen) < len(whole) and seen in whole for seen, whole in cuts)


def _same_case(genuine: str, suspect: str) -> bool:
    """Whether both are set in capitals, or neither; a letter that was misread does not decide it."""
    shares = [sum(letter.isupper() for letter in text) / len(text) for text in (genuine, suspect)]
    return abs(shares[0] - shares[1]) <= 0.5


def worst_part(box: Floats, compared: LineComparison) -> Floats:
    """Of a line's box (4, 2), clockwise from the top left, the part around the glyph that fits worst; all of it where
    none fits, or no glyphs were compared.
    """
    if compared.glyphs is None or compared.throughout:
        return box
    top_left, top_right, bottom_right, bottom_left = box
    ends = np.array([[top_left, top_right], [bottom_left, bottom_right]])
    starts, sides = ends[:, 0], ends[:, 1] - ends[:, 0]
    (top_left, bottom_left), (top_right, bottom_right) = (starts + share * sides for share in compared.glyphs.worst)
    return np.stack([top_left, top_right, bottom_right, bottom_left]).astype(np.float32)


def sentence(compared: LineComparison) -> str:
    read, word = compared.line.text, compared.word
    if compared.misspelt >= MISSPELT_SHOWN:
        off = "1 letter off" if compared.edits == 1 else f"{compared.edits} letters off"
        how = off if compared.edits else "written otherwise than"
        return f"The mark reads {read!r}, {how} {word!r} (misspelling {compared.misspelt:.2f} of 1)."
    if compared.throughout:
        unsure = "" if compared.score >= DRAWN_OTHERWISE else ", or badly seen"
        return (
            f"The mark reads {read!r}, in other shapes than on the catalogue's photos{unsure} (median deviation "
            f"{compared.retyped:.3f}; up to {RETYPED + compared.usual[2]:.3f} is usual)."
        )
    if compared.edits and (compared.redrawn is None or compared.redrawn < DRAWN_OTHERWISE):
        return f"The mark reads {read!r}, but may as well say {word!r} (misspelling {compared.misspelt:.2f} of 1)."
    if compared.redrawn is None or compared.glyphs is None:
        known = f"The mark reads {read!r}, which is a wordmark of the brand"
        if compared.genuine is None:
            return f"{known}; the catalogue has no drawing of it to compare with."
        return f"{known}, but fits none of the catalogue's drawings of it: it is drawn otherwise, or badly seen."
    worst = f"its shape {int(compared.glyphs.residual.argmax()) + 1} of {len(compared.glyphs.residual)}"
    if compared.redrawn * compared.count >= DRAWN_OTHERWISE:
        return (
            f"The mark reads {read!r}, but {worst} looks drawn otherwise than on the catalogue's photos (deviation "
            f"{compared.redrawn:.3f}; said from {DRAWN_OTHERWISE} on)."
        )
    if compared.redrawn >= DRAWN_OTHERWISE:
        return f"The mark reads {read!r}; {worst} differs, or lies otherwise (deviation {compared.redrawn:.3f})."
    drawn = f"drawn {'nearly ' if compared.redrawn >= NEARLY else ''}as on the catalogue's photos"
    return f"The mark reads {read!r} and is {drawn} (largest deviation {compared.redrawn:.3f})."
