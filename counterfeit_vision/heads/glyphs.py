"""Whether two pictures show the same letters in the same shapes, whatever the pose, the colours and the light.

The genuine line's ink is laid over the suspect's (a homography, refined on the pixels), and each glyph is then compared
at its place. It sees what a reader of text corrects without a word: an l for an I, a 0 for an O.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .._arrays import Doubles, Floats, Ints, Matrix, Pixels
from ..geometry.keypoints import find_keypoints, match_keypoints, shared_plane
from ..geometry.laying import corners_of, enlarging, inverse, scaled
from ..geometry.warp import SPREAD_OF_MAD

__all__ = ["Glyphs", "compare_glyphs", "ink", "is_covered"]

HEIGHT = 64  # pixels of the frame in which lines are compared
WIDEST = 1024
FAINTEST = 6.0  # grey levels between ink and ground
MARGINS = (0.08, -0.1)  # of the line's height, added around it; less where it stands on a label hardly larger
LIKE_ENOUGH = 0.9  # correlation at which the next margin is not tried (genuine development marks: 0.94 and more)
WINDOW, STEPS = 5, 40  # of ECC, which refines a start: its Gaussian window in pixels, and iterations
SHEARS, TILTS = (-0.4, -0.2, 0.0, 0.2, 0.4), (-0.3, -0.15, 0.0, 0.15, 0.3)  # starts: x per y, and y over the line
COARSE = 24  # pixels of height at which starts are compared
STEADY = 2.0  # pixels of blur under which starts and results are compared
TRIED, SURE = 4, 0.97  # starts that are refined; a correlation that ends the search
PAD = 3  # pixels on either side of a glyph that are compared with it
REACH = 2  # pixels that a glyph may lie off its place
SOFTEST = (0.0, 0.8, 1.6)  # standard deviations of blur, pixels, tried on either line to make them equally sharp
SEEN = 0.95  # share of a glyph's ink that the suspect's crop must show for the glyph to be judged
NOISE_SEEN = 0.2  # of the line's height, on either side of a glyph, in which noise is measured on the ground
TRUSTED = 0.3  # least share of a correlation that noise is taken to leave
SPLIT = 1.3  # a connected run of ink wider than this times the line's height is cut into equal pieces
THIN = 0.12  # of the line's height: runs narrower than this belong to their neighbour (dots, noise)

# A hand before a line: chosen on cartons of grocery's training part, where it is before a third of the genuine lines
# that look suspicious, and on none of the fakes of market 240
GROUND = 0.25  # of the ink, below which a place is ground
SLICE, FEWEST = 0.5, 60  # of the line's height, along which the ground's colours are compared; pixels of ground in it
COVERED = 0.25  # distance, in logarithms of colours, from which a slice's ground is not the line's: it is covered
LIGHT = 0.5  # weight of lightness in that distance: shadows fall on letters, too
DARK = 12.0  # levels added before logarithms are taken: a black's colour is noise


@dataclass(frozen=True, eq=False)
class Glyphs:
    """``residual`` (n,) float32, 1 - correlation of each glyph of the genuine line, left to right; ``noiseless`` (n,)
    what it would be were the suspect no noisier than that; ``spans`` (n, 2) its columns in a frame in which the genuine
    line's box is ``width`` pixels wide and has ``margin`` pixels around it; ``whole`` the correlation of the two lines.
    """

    residual: Floats
    noiseless: Floats
    spans: Ints
    whole: float
    width: int
    margin: int

    @property
    def worst(self) -> tuple[float, float]:
        """Where along the genuine line's box the worst glyph begins and ends: 0 its left side, 1 its right."""
        start, stop = self.spans[int(self.residual.argmax())].tolist()
        return (start - self.margin) / self.width, (stop - self.margin) / self.width

    @property
    def excess(self) -> float:
        """By how much the worst glyph fits worse than the median one: blur and noise raise both."""
        return float(self.residual.max() - np.median(self.residual))

    @property
    def median(self) -> float:
        """How badly the median glyph fits, noise apart: of another typeface none fits, and none much worse than the
        others; on a photo taken in the dark none does either, by its noise.
        """
        return float(np.median(self.noiseless))


def ink(line: Pixels) -> Floats | None:
    """(h, w, 3) uint8 -> (h, w) float32, 0 = ground, about 1 = ink; ``None`` where nothing stands out.

    The ground is a plane through the border's colours (the light may fall off); ink is what leaves it, along the
    direction in colour space where it leaves it most.
    """
    height, width = line.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].reshape(2, -1)
    design = np.stack([np.ones_like(x), x, y])
    colours = np.ascontiguousarray(line.reshape(-1, 3).T, np.float64)
    ring = np.zeros((height, width), bool)
    edge = max(1, height // 16)
    ring[:edge], ring[-edge:], ring[:, :edge], ring[:, -edge:] = True, True, True, True
    rows = np.flatnonzero(ring)
    for _ in range(3):
        terms, seen = design[:, rows], colours[:, rows]
        plane = np.linalg.lstsq(terms.T, seen.T, rcond=None)[0].T
        off = np.linalg.norm(seen - plane @ terms, axis=0)
        rows = rows[off <= 2.5 * np.median(off) + 1]
    away = colours - plane @ design
    weight = np.linalg.norm(away, axis=0)
    strong, strongest = np.percentile(weight, (80, 95))
    if strongest < FAINTEST:
        return None
    farthest = away[:, weight >= strong]
    direction = np.linalg.eigh(farthest @ farthest.T)[1][:, -1]
    value = direction @ away
    value *= np.sign(value @ weight)
    return np.asarray(np.clip(value / np.percentile(value, 95), -0.5, 1.5).reshape(height, width), np.float32)


def compare_glyphs(
    genuine: Pixels, genuine_box: Floats, suspect: Pixels, suspect_box: Floats, *, placed: bool = False
) -> Glyphs | None:
    """Lay the line in ``genuine_box`` (4, 2) of one picture over ``suspect_box`` of the other, and compare.

    Boxes are corners in pixels, clockwise from the top left; where they are ``placed``, one lies on the other but for
    a few pixels, and nothing else is tried, at a fifth of the cost. ``None`` where either shows no ink, or they can't
    be laid over each other.
    """
    best: Glyphs | None = None
    for margin in MARGINS[:1] if placed else MARGINS:
        found = _compared(genuine, genuine_box, suspect, suspect_box, round(margin * HEIGHT), placed)
        if found is not None and (best is None or found.whole > best.whole):
            best = found
        if best is not None and best.whole >= LIKE_ENOUGH:
            break
    return best


def is_covered(genuine: Pixels, genuine_box: Floats, suspect: Pixels, suspect_box: Floats) -> bool:
    """Whether something lies before a part of a line, such as a finger: there the ground has another colour than along
    the rest, beside the genuine line's. Boxes as in :func:`compare_glyphs`, one placed on the other.
    """
    inner, size = _frame(genuine_box, 0)
    mine, theirs = (
        _warp(pixels, cv2.getPerspectiveTransform(inner, box.astype(np.float32)), size)
        for pixels, box in ((genuine, genuine_box), (suspect, suspect_box))
    )
    drawn = ink(mine)
    if drawn is None:
        return False
    ground = cv2.erode((drawn < GROUND).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    before, after = (np.log(cv2.GaussianBlur(line, (0, 0), 1.5).astype(np.float64) + DARK) for line in (mine, theirs))
    wide = round(SLICE * HEIGHT)
    slices = [slice(start, start + wide) for start in range(0, max(1, size[0] - wide + 1), wide // 2)]
    colours = np.array(
        [
            np.median(after[:, part][ground[:, part]], axis=0) - np.median(before[:, part][ground[:, part]], axis=0)
            for part in slices
            if ground[:, part].sum() >= FEWEST
        ]
    ).reshape(-1, 3)
    if len(colours) < 2:
        return False
    off = colours - np.median(colours, axis=0)
    light = off.mean(axis=1, keepdims=True)
    return bool(np.linalg.norm(np.hstack([off - light, LIGHT * light]), axis=1).max() > COVERED)


def _frame(box: Floats, margin: int) -> tuple[Floats, tuple[int, int]]:
    """The corners (4, 2) of a line in its frame, with a ``margin`` around it, and the frame's width and height."""
    sides = np.linalg.norm(box - np.roll(box, -1, axis=0), axis=1)
    width = int(np.clip(round(HEIGHT * sides[[0, 2]].mean() / max(sides[[1, 3]].mean(), 1)), HEIGHT // 2, WIDEST))
    inner = corners_of(width, HEIGHT) + margin
    return inner, (width + 2 * margin, HEIGHT + 2 * margin)


def _compared(
    genuine: Pixels, genuine_box: Floats, suspect: Pixels, suspect_box: Floats, margin: int, placed: bool
) -> Glyphs | None:
    inner, size = _frame(genuine_box, margin)
    first, second = (
        ink(_warp(pixels, cv2.getPerspectiveTransform(inner, box.astype(np.float32)), size))
        for pixels, box in ((genuine, genuine_box), (suspect, suspect_box))
    )
    spans = np.zeros((0, 2), np.int64) if first is None else glyph_spans(first, framed=margin > 0)
    if first is None or second is None or not len(spans):
        return None
    laid, seen = _laid_over(first, second, [np.eye(3, dtype=np.float32)] if placed else _starts(first, second))
    drawn = (first > 0.5).astype(np.float32)
    shown = [float((seen * drawn)[:, a:b].sum() / max(drawn[:, a:b].sum(), 1)) >= SEEN for a, b in spans]
    if sum(shown) < len(spans) / 2:
        return None
    spans = spans[shown]
    pairs = [(_soft(first, sigma), laid) for sigma in SOFTEST] + [(first, _soft(laid, sigma)) for sigma in SOFTEST[1:]]
    left, right = max(pairs, key=lambda pair: _correlation(*pair))
    residual = np.array([_glyph_residual(left, right, span) for span in spans], np.float32)
    kept = np.array([_left_by_noise(left, right, span) for span in spans], np.float32)
    noiseless = np.maximum(0, 1 - (1 - residual) / kept)
    return Glyphs(residual, noiseless, spans, _correlation(left, right), size[0] - 2 * margin, margin)


def glyph_spans(line: Floats, *, framed: bool = False) -> Ints:
    """(n, 2) first and last + 1 column of each glyph: runs of ink that touch or overhang, wide ones cut. Where
    there is ground around the line (``framed``), what reaches the edge is no glyph: a finger, a label's end, more text.
    """
    height, width = line.shape
    _, _, stats, _ = cv2.connectedComponentsWithStats((line > 0.5).astype(np.uint8))
    boxes = sorted(
        (int(x), int(x + w))
        for x, y, w, h, area in stats[1:]
        if area >= (0.05 * HEIGHT) ** 2 and not (framed and (min(x, y) == 0 or x + w == width or y + h == height))
    )
    runs: list[list[int]] = []
    for start, stop in boxes:
        if runs and (start < runs[-1][1] - 0.3 * (stop - start) or start < runs[-1][0] + THIN * HEIGHT):
            runs[-1][1] = max(runs[-1][1], stop)
        else:
            runs.append([start, stop])
    spans = []
    for start, stop in runs:
        pieces = max(1, round((stop - start) / (SPLIT * 0.7 * HEIGHT)))
        cuts = np.linspace(start, stop, pieces + 1).round().astype(int)
        spans += list(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True))
    return np.array(spans, np.int64).reshape(-1, 2)


def _warp(pixels: Pixels, matrix: Matrix, size: tuple[int, int]) -> Pixels:
    flags = cv2.INTER_AREA | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpPerspective(pixels, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _laid_over(first: Floats, second: Floats, starts: Iterable[Floats]) -> tuple[Floats, Floats]:
    """The second line in the first one's frame, and how much of each pixel it reaches, 0 to 1; under the homography
    that makes them correlate best, each of ``starts`` refined on the pixels.
    """
    target, best, moved, laid = _soft(first, STEADY), -1.0, second, np.eye(3, dtype=np.float32)
    for start in starts:
        for matrix in (start, _refined(first, second, start)):
            candidate = _moved(second, matrix)
            if (likeness := _correlation(target, _soft(candidate, STEADY))) > best:
                best, moved, laid = likeness, candidate, matrix
        if best >= SURE:
            break
    return moved, _moved(np.ones_like(second), laid)


def _starts(first: Floats, second: Floats) -> Iterator[Floats]:
    """Maps to begin with, the cheapest first: the boxes propose one, local features another, the ink's extent more."""
    yield np.eye(3, dtype=np.float32)
    yield from _by_features(first, second)
    yield from _by_extent(first, second)[:TRIED]


def _by_features(first: Floats, second: Floats) -> list[Floats]:
    """The map that local features of the ink agree on, if they do."""
    features = [find_keypoints(np.clip(170 * picture + 40, 0, 255).astype(np.uint8)) for picture in (first, second)]
    rows, columns = match_keypoints(*features).T
    plane = shared_plane(features[0].points[rows], features[1].points[columns])
    return [] if plane is None else [plane.matrix.astype(np.float32)]


def _by_extent(first: Floats, second: Floats) -> list[Floats]:
    """Maps with some shear and tilt that bring the ink's extent in line, the likeliest first: a box around slanting
    letters says little about their slant.
    """
    height, width = first.shape
    small = (max(8, round(width * COARSE / height)), COARSE)
    a, b = (cv2.resize(_soft(picture, STEADY), small, interpolation=cv2.INTER_AREA) for picture in (first, second))
    scale = np.diag([small[0] / width, small[1] / height, 1])
    wanted = _extent(a)
    scored: list[tuple[float, int, Floats]] = []
    for shear in SHEARS:
        for tilt in TILTS:
            slope = tilt * COARSE / small[0]
            turn = np.array([[1, shear, -shear * COARSE / 2], [slope, 1, -tilt * COARSE / 2], [0, 0, 1]])
            has = _extent(_moved(b, turn))
            stretch = (has[1] - has[0]) / np.maximum(wanted[1] - wanted[0], 1)
            shift = has[0] - stretch * wanted[0]
            matrix = turn @ [[stretch[0], 0, shift[0]], [0, stretch[1], shift[1]], [0, 0, 1]]
            scored.append(
                (
                    -_correlation(a, _moved(b, matrix)),
                    len(scored),
                    (np.linalg.inv(scale) @ matrix @ scale).astype(np.float32),
                )
            )
    return [matrix for _, _, matrix in sorted(scored, key=lambda row: row[:2])]


def _extent(picture: Floats) -> Doubles:
    """(2, 2) x y of the corners between which 98 % of the ink lies, across and down."""
    ends = []
    for axis in (0, 1):
        share = np.cumsum(np.maximum(picture, 0).sum(axis=axis, dtype=np.float64) + 1e-9)
        ends.append(np.interp([0.01, 0.99], share / share[-1], np.arange(len(share))))
    return np.array(ends).T


def _refined(first: Floats, second: Floats, start: Floats) -> Floats:
    """A start improved on the pixels (ECC: Evangelidis & Psarakis 2008): one that is affine as an affine map on copies
    of half the size first, at a quarter of the cost.
    """
    matrix = start
    if not np.abs(start[2, :2]).max() > 0:
        double = enlarging(0.5)
        small, other = (scaled(picture, 0.5) for picture in (first, second))
        found = _converged(small, other, inverse(double) @ matrix @ double, cv2.MOTION_AFFINE)
        matrix = matrix if found is None else (double @ found @ inverse(double)).astype(np.float32)
    found = _converged(first, second, matrix, cv2.MOTION_HOMOGRAPHY)
    return matrix if found is None else found


def _converged(first: Floats, second: Floats, start: NDArray[np.floating], motion: int) -> Floats | None:
    """Where ECC ends from a start (3, 3); ``None`` where it does not converge."""
    affine = motion == cv2.MOTION_AFFINE
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, STEPS, 1e-4)
    given = np.array(start[:2] if affine else start, np.float32)
    try:
        _, found = cv2.findTransformECC(first, second, given, motion, criteria, None, WINDOW)
    except cv2.error:
        return None
    found = np.vstack([found, [0, 0, 1]]) if affine else found
    return np.asarray(found, np.float32) if np.isfinite(found).all() else None


def _moved(picture: Floats, matrix: NDArray[np.floating]) -> Floats:
    """The picture as seen from the first frame."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpPerspective(picture, matrix, picture.shape[::-1], flags=flags), np.float32)


def _soft(picture: Floats, sigma: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.float32) if sigma else picture


def _correlation(a: Floats, b: Floats) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / max(np.sqrt((a * a).sum() * (b * b).sum()), 1e-9))


def _glyph_residual(genuine: Floats, suspect: Floats, span: Ints) -> float:
    """1 - the best correlation of the glyph's columns, the suspect's shifted by up to :data:`REACH`."""
    start, stop = _columns(genuine, span)
    window = genuine[REACH:-REACH, start:stop]
    around = cv2.copyMakeBorder(suspect, 0, 0, REACH, REACH, cv2.BORDER_REPLICATE)[:, start : stop + 2 * REACH]
    return float(1 - cv2.matchTemplate(around, np.ascontiguousarray(window), cv2.TM_CCOEFF_NORMED).max())


def _left_by_noise(genuine: Floats, suspect: Floats, span: Ints) -> float:
    """What share of a glyph's correlation is left, :data:`TRUSTED` to 1, by the noise that the suspect has and the
    genuine line has not, as far as their ground around it varies (the correction for attenuation: Spearman 1904).
    """
    start, stop = _columns(genuine, span)
    beside = round(NOISE_SEEN * HEIGHT)
    around = slice(max(0, start - beside), stop + beside)
    ground = cv2.erode((genuine[:, around] < GROUND).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    if ground.sum() < FEWEST:
        return 1.0
    drawn = []
    for picture in (genuine, suspect):
        levels = picture[:, around][ground]
        noise = SPREAD_OF_MAD * float(np.median(np.abs(levels - np.median(levels))))
        drawn.append(max(TRUSTED**2, 1 - noise**2 / max(float(picture[:, start:stop].var()), 1e-9)))
    return float(np.sqrt(min(1.0, drawn[1] / drawn[0])))


def _columns(line: Floats, span: Ints) -> tuple[int, int]:
    """A glyph's columns, and a few on either side."""
    return max(0, int(span[0]) - PAD), min(line.shape[1], int(span[1]) + PAD)
