"""Words that look like a brand's name and are not: near misses, and letters of other alphabets of the same outline."""

# ruff: noqa: RUF001, RUF002

from __future__ import annotations

import functools
import math
import re
import unicodedata
from collections.abc import Iterator, Sequence

from ..types.fields import SIGNS, folded, printed_letters, seen_letters

__all__ = [
    "INK",
    "bare",
    "edit_distance",
    "likeness",
    "lookalike_words",
    "skeleton",
    "spellings",
    "unaccented",
]

# A small part of Unicode's confusables.txt (UTS 39): characters whose outline common faces draw like a Latin letter.
OUTLINES = str.maketrans(
    "АВЕКМНОРСТУХІЈЅасекмортхуіјѕһԁԛԝΑΒΕΖΗΙΚΜΝΟΡΤΥΧαονρικɑɡ015|",
    "ABEKMHOPCTYXIJSacekmoptxyijshdqwABEZHIKMNOPTYXaovpikagolsl",
)
INK = {code: drawn for code, drawn in OUTLINES.items() if chr(code).isalpha()}  # what is printed is of any alphabet
UNSPACED = r"\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3"  # Thai, Japanese, Chinese, Korean
_BLOCKS = (*range(0x300, 0x3100), *range(0xFE00, 0xFE30))
# Accents and vowel signs, which stand on letters
MARKS = "".join(mark for mark in map(chr, _BLOCKS) if unicodedata.category(mark).startswith("M"))
WORD = rf"(?:(?:[^\W_{UNSPACED}]|\|)[{MARKS}]*)+|[{UNSPACED}]+"
SOUNDS = frozenset(mark for mark in MARKS if "\u0900" <= mark < "\u1800")  # vowels and tones of India's scripts, Thai
SOUNDED = frozenset("АЕКМОТІЈΑΕΖΙΚΜΝΟΤΥ")  # capitals that also sound as the Latin ones that they look like
STROKED = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "æ": "ae", "œ": "oe"})  # NFKD keeps them whole
SHORT = 4  # letters of a name; fewer stand by accident in the midst of other words
COMPARED = 300  # letters of a text and of a name: the time that it takes grows with their product
LONG = 6  # letters of a name from which no other word looks like it by accident, as dark does like Clark
SAME = (("rn", "m"), ("vv", "w"), ("l", "i"), ("ci", "d"))  # drawn alike after case folding, as cl and d are


def edit_distance(first: str, second: str) -> int:
    """Letters to insert, leave out or replace to come from one to the other, case aside (Levenshtein 1966); letters are
    what a reader takes for one: a base character with its accents.

    >>> edit_distance("ADIBAS", "Adidas"), edit_distance("PUMBA", "PUMA"), edit_distance("weiB", "Weiß")
    (1, 1, 1)
    """
    a, b = (list(map(folded, re.findall(r".[\u0300-\u036f]*", printed_letters(text)))) for text in (first, second))
    *_, edits = _edits(a, b)
    return edits


def skeleton(word: str) -> str:
    """What a word looks like: two words with one skeleton can be taken for each other.

    >>> skeleton("ΝΙКЕ") == skeleton("nlke") == skeleton("Nike")
    True
    """
    plain = unaccented(unicodedata.normalize("NFKC", re.sub(f"[{SIGNS}]", "", word)).translate(OUTLINES))
    for group, letter in SAME:
        plain = plain.replace(group, letter)
    return plain


def likeness(text: str, name: str) -> float:
    """How much some part of a text looks like a name, 0..1: 1 - edits a letter of the name, by outline. Of a name of
    one to three letters the part is one of whole words; of both, the first 300 letters count.

    >>> likeness("Nlke 0fficial store", "Nike"), likeness("nkie-shop", "Nike"), likeness("anna83", "Nike")
    (1.0, 0.5, 0.25)
    >>> likeness("H&M outlet", "H&M"), likeness("ohmygod", "H&M")
    (1.0, 0.0)
    """
    text, name = text[:COMPARED], name[:COMPARED]
    part = skeleton(name)
    if not part:
        return 0.0
    if len(part) < SHORT and not re.search(f"[{UNSPACED}]", part):
        runs = [skeleton(run) for run, _ in _runs(seen_letters(text), len(re.findall(WORD, name)))]
        return max(0.0, 1 - min((edit_distance(run, part) for run in runs), default=len(part)) / len(part))
    words = re.split(r"[\W_]+", text)
    wholes = {skeleton(text), "".join(map(skeleton, words))}  # pairs of letters may be of two words, or not
    return max(1 - min(_edits(whole, part, anywhere=True)) / len(part) for whole in wholes)


def _edits(text: Sequence[str], wanted: Sequence[str], *, anywhere: bool = False) -> Iterator[int]:
    """The fewest edits to come to what is ``wanted`` from nothing, and then from the text up to each of its letters;
    ``anywhere``: from a part that ends there (Sellers 1980).
    """
    row = list(range(len(wanted) + 1))
    yield row[-1]
    for i, left in enumerate(text, 1):
        before, row[0] = row[0], 0 if anywhere else i
        for j, right in enumerate(wanted, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (left != right))
        yield row[-1]


def lookalike_words(text: str, name: str) -> list[str]:
    """The words of a title that look like a brand's name but are spelt otherwise, as they stand there. Of a name of
    several words some may be written as one, as in hashtags.

    Plain letters alone may be another word, as may a word in the title's own alphabet: they are only told of a long
    name that the title does not spell right, where they are no fewer than its letters, and some sound otherwise than
    these, else the name is only written in another alphabet. Numbers never are.

    >>> lookalike_words("Original АDIDAS shoes, adidas box", "Adidas"), lookalike_words("Dark boots, size 50", "Clark")
    (['АDIDAS'], [])
    >>> lookalike_words("Γάλα ΝΟΥΝΟΥ", "Noynoy"), lookalike_words("Кофта РОСОМАХА", "Pocomaxa")
    ([], ['РОСОМАХА'])
    """
    return list(_lookalikes(text, name))


@functools.lru_cache(maxsize=64)  # a listing's texts are asked about for each of its photos
def _lookalikes(text: str, name: str) -> tuple[str, ...]:
    seen, most = unicodedata.normalize("NFC", seen_letters(text)), len(re.findall(WORD, name))
    outline, letters = skeleton(name), unaccented(name)
    # A stroke | may be a letter, or stand between words
    runs = dict.fromkeys([*_runs(seen, most), *_runs(seen.replace("|", " "), most)])
    spelt = any(unaccented(run) == letters for run, _ in runs)
    least = math.inf if spelt or len(folded(name)) < LONG else len(letters)
    false = [
        place
        for run, place in runs
        if skeleton(run) == outline
        and unaccented(run) != letters
        and not (
            _is_of(run, seen)
            and _is_plain(run, letters_too=len(unaccented(run)) < least or _is_transliterated(run, name))
        )
    ]
    return tuple(seen[start:end] for start, end in sorted(set(false)))


def _runs(text: str, most: int) -> list[tuple[str, tuple[int, int]]]:
    """Up to ``most`` words of a text in a row, a blank between each two, and where they stand in it."""
    words = list(re.finditer(WORD, text))
    ends = [(start, start + count) for start in range(len(words)) for count in range(1, most + 1)]
    spans = [words[start:end] for start, end in ends if end <= len(words)]
    return [(" ".join(word[0] for word in span), (span[0].start(), span[-1].end())) for span in spans]


def _is_of(run: str, text: str) -> bool:
    """Whether a run is in plain Latin letters, or all in another alphabet in which the text is written: it has letters
    of it that look like no Latin ones.
    """
    alphabets = _alphabets(run)
    return run.isascii() or ("LATIN" not in alphabets and alphabets <= _alphabets(text.translate(OUTLINES)))


def _is_transliterated(run: str, name: str) -> bool:
    """Whether a run is the name in another alphabet, or the name the run, letter by letter of the same sound."""
    spelt, right = (unaccented(text).upper() for text in (run, name))
    same = spelt.translate(OUTLINES) == right.translate(OUTLINES)
    return same and any(set(text) <= SOUNDED for text in (spelt, right))


def _alphabets(text: str) -> set[str]:
    """The alphabets of its letters, as LATIN, GREEK or CYRILLIC."""
    return {unicodedata.name(letter, "").split(" ")[0] for letter in text if letter.isalpha()}


def _is_plain(run: str, *, letters_too: bool) -> bool:
    """Whether each word of it is a number, or, with ``letters_too``, nothing but letters."""
    return all(word.isdigit() or (letters_too and word.isalpha()) for word in run.split())


def unaccented(text: str) -> str:
    """Its letters and digits, folded, without accents and strokes, but not without :data:`SOUNDS` and the dots of kana;
    and the stroke |, which is drawn like a letter.

    >>> unaccented("Chloé '24"), unaccented("Ørsted"), unaccented("ช้าง"), unaccented("ガス")
    ('chloe24', 'orsted', 'ช้าง', 'ガス')
    """
    plain = re.sub("[^\u3040-\u30ff]+", lambda run: unicodedata.normalize("NFKD", run[0]), folded(text))
    return "".join(c for c in plain.translate(STROKED) if c.isalnum() or c == "|" or c in SOUNDS)


def bare(text: str) -> str:
    """As a name is compared with what goods print: :func:`unaccented`, in the capitals that its own are drawn as; as it
    is, folded, where nothing is left of it.

    >>> bare("Coca-Cola") == bare("COCA COLA"), bare("ΦAΓE") == bare("Φάγε"), bare("&")
    (True, True, '&')
    """
    return unaccented(text).upper().translate(INK) or folded(text)


def spellings(name: str) -> frozenset[str]:
    """What a text is, :func:`bare`, that prints a name: people type it without its accents, hyphens or apostrophes, and
    `and` for &.

    >>> [bare(text) in spellings("Marks and Spencer") for text in ("MARKS & SPENCER", "MarksandSpencer", "Marks")]
    [True, True, False]
    """
    short = re.sub(r"(?<=\w)\s+and\s+(?=\w)", " & ", name, flags=re.IGNORECASE)
    return frozenset({bare(name), bare(short), bare(short.replace("&", " and "))})
