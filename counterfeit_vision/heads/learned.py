"""What labelled fakes teach: a small classifier on close looks at the product, fitted in seconds.

It never sees the room: sellers of fakes and of genuine goods photograph in different places, and a head that sees them
learns the seller. It is tested inside, on photos of groups that it was not fitted on, and says what the room alone and
what trivial things (a thumbnail, colours, sizes) would have reached.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from .._arrays import Bools, Doubles, Floats, Ints
from ..encoders.batching import EncodedPhoto, encode_photos
from ..errors import CorruptCatalogError, DecodeError, FingerprintError, InputError, NotCalibratedError
from ..evaluation.metrics import auroc, bootstrap_interval, paired_difference
from ..index.references import COPY_SIDE
from ..io.cache import EmbeddingCache
from ..io.files import replace_file
from ..io.thumbnails import small_picture
from ..types import Evidence, Failure, Photo, check_list
from ..types.checks import as_path, group_names, own_arrays
from .closeups import look_closer
from .suspects import Suspects

if TYPE_CHECKING:
    from ..encoders.base import Encoder

__all__ = ["LearnedHead", "Lesson", "too_few"]

FEWEST = 10  # genuine photos, and fakes
FEWEST_GROUPS = 4  # groups of either
FOLDS = (5, 20)  # fewest and most: a machine that saw four fifths of a few dozen groups tells less than the final one
FITTED = 20_000  # photos times folds, beyond which there are fewer folds: each is a machine of its own
RIDGE = 0.1  # beside the classes' equal weights and features of unit length
SHARED = 0.1  # variance of what the photos of one group have in common, whatever they show
DRAWS = 1000  # of the bootstrap that compares the head with its controls
ONE_SIDED = 0.9  # an interval of this level has one end in twenty below it: what is asked is whether the head is ahead


@dataclass(frozen=True)
class Lesson:
    """How well a :class:`LearnedHead` tells fakes of groups that it was not fitted on: AUROC, out of fold.

    ``interval`` is its 95 % interval by groups; ``room`` the same method on the background alone (``None`` where the
    encoder can't tell product from room); ``trivial`` on a thumbnail, colours and sizes. ``useful`` is false where
    it is not shown, at 95 % confidence, to be ahead of chance and of both, and where one of them was not measured: then
    what it has learnt may not be the goods.
    """

    auroc: float
    interval: tuple[float, float]
    room: float | None
    trivial: float
    useful: bool
    genuine: int
    fakes: int
    groups: int

    def __str__(self) -> str:
        room = "not measured" if self.room is None else f"{self.room:.2f}"
        why = ", as this encoder can't tell the product from the room" if self.room is None else ""
        verdict = "useful" if self.useful else f"not shown to be useful{why}"
        return (
            f"{verdict}: AUROC {self.auroc:.2f} ({self.interval[0]:.2f} to {self.interval[1]:.2f}) out of fold on "
            f"{self.genuine} genuine photos and {self.fakes} fakes of {self.groups} groups; "
            f"the background alone {room}, trivial features {self.trivial:.2f}"
        )


@dataclass(frozen=True, eq=False)
class _Machine:
    """Ridge regression of +1 (fake) and -1 (genuine) on F standardised features, both classes of equal weight, with an
    effect of each group (a mixed model: Laird & Ware 1982): what all photos of a seller share need not be explained by
    the goods, and his tenth photo teaches less than his first.
    """

    mean: Floats
    spread: Floats
    weights: Doubles

    @classmethod
    def fit(cls, features: Floats, fake: Bools, groups: NDArray[np.str_]) -> _Machine:
        mean = (features[fake].mean(axis=0) + features[~fake].mean(axis=0)) / 2  # or the more common would lie about 0
        spread = features.std(axis=0) + 1e-6
        rows = (features - mean) / spread
        share = np.where(fake, fake.mean(), 1 - fake.mean())
        kernel = (rows @ rows.T).astype(np.float64) / rows.shape[1]  # the dual: far fewer photos than features
        kernel += np.diag(RIDGE * 2 * share) + SHARED * (groups[:, None] == groups)
        weights = np.linalg.solve(kernel, np.where(fake, 1.0, -1.0)) @ rows / rows.shape[1]
        return cls(mean, spread, weights)

    def sha256(self, lesson: str) -> str:
        """Of its numbers, and of what its lesson says."""
        digest = hashlib.sha256(lesson.encode())
        for array in (self.mean, self.spread, self.weights):
            digest.update(array.dtype.str.encode() + np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def __call__(self, features: Floats) -> Doubles:
        return np.asarray(((features - self.mean) / self.spread).astype(np.float64) @ self.weights)


class LearnedHead:
    """A head fitted on labelled fakes. ``encoder`` defaults to :func:`~counterfeit_vision.load_encoder`'s default.

    ``lesson`` says what it is worth. Scores are about -1 (as the genuine photos) to +1 (as the fakes).
    """

    name = "learned"

    def __init__(self, encoder: Encoder | None = None, *, cache: EmbeddingCache | bool = True) -> None:
        self.lesson: Lesson | None = None
        self.held_out: Doubles = np.zeros(0)
        self._encoder, self._cache = encoder, cache
        self._machine: _Machine | None = None

    @property
    def encoder(self) -> Encoder:
        """The encoder that looks at the photos."""
        if self._encoder is None:
            from ..encoders import load_encoder

            self._encoder = load_encoder()
        return self._encoder

    def fit(self, genuine: Iterable[Photo], fakes: Iterable[Photo], groups: Sequence[str] | None = None) -> LearnedHead:
        """Learn from photos; returns itself.

        ``groups`` names, for the genuine photos and then the fakes, what belongs together (a scene, a seller): no group
        is ever on both sides of a test. Without it every photo counts as a group, and the test is too kind where a
        seller has many photos. A photo that is given several times counts once, but one that others posted again in
        another size or file is known by its group alone: give it that of its original. Raises :class:`InputError` for
        too few photos or groups, for photos that can't be read, and for one that is given as genuine and as a fake.
        """
        check_list(genuine, "fit(genuine=...)")
        check_list(fakes, "fit(fakes=...)")
        genuine, fakes = list(own_arrays(genuine)), list(own_arrays(fakes))
        photos = [*genuine, *fakes]
        names = [f"photo {row}" for row in range(len(photos))]
        if groups is not None:
            names = [str(name) for name in group_names(groups, "each genuine photo and then each fake")]
        if len(names) != len(photos):
            raise InputError(
                f"groups has {len(names)} names for {len(genuine)} genuine photos and {len(fakes)} fakes: "
                "name one for each genuine photo and then one for each fake"
            )
        rows = self._encode(photos)
        bad = [row for row in rows if isinstance(row, Failure)]
        if bad:
            raise InputError(f"{len(bad)} of {len(photos)} photos can't be used; the first: {bad[0]!r}")
        encoded = [row for row in rows if isinstance(row, EncodedPhoto)]
        return self.fit_encoded(encoded[: len(genuine)], encoded[len(genuine) :], names)

    def fit_encoded(
        self, genuine: Sequence[EncodedPhoto], fakes: Sequence[EncodedPhoto], groups: Sequence[str]
    ) -> LearnedHead:
        """As :meth:`fit`, of photos that are encoded already. ``held_out`` is then each photo's score, out of fold."""
        photos, names = [*genuine, *fakes], np.asarray(groups, dtype=str)
        known = {photo.sha256: photo.id for photo in genuine}
        for photo in fakes:
            if photo.sha256 in known:
                told = f"{photo.id}: the same photo is given as a fake and, as {known[photo.sha256]}, as genuine"
                raise InputError(f"{told}; leave it out of one of the two, or of both")
        first: dict[str, int] = {}  # a file that is given twice would be on both sides of a test
        place = np.array([first.setdefault(photo.sha256, len(first)) for photo in photos], np.int64)
        once = np.unique(place, return_index=True)[1]
        photos, fake = [photos[row] for row in once], once >= len(genuine)
        _check_enough(names[once], fake)
        product, room, sure = look_closer(photos, self.encoder, self._cache)
        trivial = np.stack([_trivial(photo) for photo in photos])
        self.fit_features(product, room if sure else None, trivial, fake, names[once].tolist())
        self.held_out = self.held_out[place]
        return self

    def fit_features(
        self, product: Floats, room: Floats | None, trivial: Floats, fake: Bools, groups: Sequence[str]
    ) -> LearnedHead:
        """As :meth:`fit`, of what is seen of N photos: (N, F) of the product, and, for the controls, of the room and
        of trivial things; ``fake`` (N,) bool.
        """
        names = np.asarray(groups, dtype=str)
        _check_enough(names, fake)
        fold = _folds(names)
        self.held_out = _out_of_fold(product, fake, names, fold)
        background = None if room is None else _out_of_fold(room, fake, names, fold)
        plain = _out_of_fold(trivial, fake, names, fold)
        self._machine = _Machine.fit(product, fake, names)

        def figure(scores: Doubles) -> Callable[[Ints], float]:
            return lambda rows: auroc(fake[rows], scores[rows])

        own = figure(self.held_out)
        everything = np.arange(len(fake))
        chance = np.zeros(len(fake))  # controls may have been worse
        controls = [chance, plain] if background is None else [chance, plain, background]
        ahead = [
            paired_difference(figure(scores), own, groups, draws=DRAWS, level=ONE_SIDED).low for scores in controls
        ]
        self.lesson = Lesson(
            auroc=own(everything),
            interval=bootstrap_interval(own, groups, draws=DRAWS),
            room=None if background is None else figure(background)(everything),
            trivial=figure(plain)(everything),
            useful=background is not None and min(ahead) > 0,
            genuine=int((~fake).sum()),
            fakes=int(fake.sum()),
            groups=len(set(names.tolist())),
        )
        return self

    @overload
    def score(self, photos: Suspects) -> list[Evidence]: ...

    @overload
    def score(self, photos: Iterable[Photo]) -> Doubles: ...

    def score(self, photos: Suspects | Iterable[Photo]) -> list[Evidence] | Doubles:
        """Photos -> (N,) float64, higher = more like the fakes, NaN for a photo that can't be read.

        Suspects -> one :class:`~counterfeit_vision.Evidence` each, as every head gives.
        """
        if isinstance(photos, Suspects):
            try:
                return [self.evidence(score) for score in self.score_encoded(photos.encoded).tolist()]
            except DecodeError:  # a file has gone or changed since: each by itself
                return [self._one(photo) for photo in photos.encoded]
        check_list(photos, "score()", "score([photo])")
        rows = self._encode(list(own_arrays(photos)))
        scores = np.full(len(rows), np.nan)
        good = [number for number, row in enumerate(rows) if isinstance(row, EncodedPhoto)]
        scores[good] = self.score_encoded([row for row in rows if isinstance(row, EncodedPhoto)])
        return scores

    def score_encoded(self, photos: Sequence[EncodedPhoto]) -> Doubles:
        """(N,) float64; a photo's score does not depend on the others, but for an encoder's rounding."""
        self._learned()
        return self.score_features(look_closer(photos, self.encoder, self._cache)[0]) if photos else np.zeros(0)

    def score_features(self, product: Floats) -> Doubles:
        """(N,) float64 of what is seen of N products (N, F)."""
        machine = self._learned()
        return np.concatenate([machine(row[None]) for row in product])

    def _learned(self) -> _Machine:
        if self._machine is None:
            raise NotCalibratedError("the learned head has learned nothing yet: head.fit(genuine=photos, fakes=photos)")
        return self._machine

    def _one(self, photo: EncodedPhoto) -> Evidence:
        try:
            return self.evidence(float(self.score_encoded([photo])[0]))
        except DecodeError as error:
            return Evidence.not_applicable(str(error))

    def evidence(self, score: float) -> Evidence:
        """A score, in words."""
        assert self.lesson is not None
        side = "the labelled fakes" if score > 0 else "the genuine photos"
        return Evidence(
            score=score, text=f"Its product looks more like {side} ({score:+.2f}). The head is {self.lesson}."
        )

    def _encode(self, photos: Sequence[Photo]) -> list[EncodedPhoto | Failure]:
        named = ((f"photo {row}", photo) for row, photo in enumerate(photos))
        return list(encode_photos(named, encoder=self.encoder, cache=self._cache))

    # --- on disk ------------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write what was learned, as safetensors; :meth:`load` reads it."""
        target = as_path(path, "head.save", "head.safetensors")
        target.parent.mkdir(parents=True, exist_ok=True)
        replace_file(target, self.to_bytes())
        return target

    def to_bytes(self) -> bytes:
        """What :meth:`save` writes."""
        from safetensors.numpy import save

        if self._machine is None or self.lesson is None:
            raise NotCalibratedError("nothing to save yet: head.fit(genuine=photos, fakes=photos) comes first")
        about = {"fingerprint": self.encoder.fingerprint, "lesson": json.dumps(dataclasses.asdict(self.lesson))}
        arrays = {field.name: getattr(self._machine, field.name) for field in dataclasses.fields(_Machine)}
        return save(arrays, about | {"sha256": self._machine.sha256(about["lesson"])})

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], encoder: Encoder | None = None, *, cache: EmbeddingCache | bool = True
    ) -> LearnedHead:
        """Read what :meth:`save` wrote. Raises :class:`CorruptCatalogError`, and :class:`FingerprintError` for a head
        of another encoder.
        """
        from safetensors import SafetensorError, safe_open

        path, head = as_path(path, "LearnedHead.load", "head.safetensors"), cls(encoder, cache=cache)
        try:
            with safe_open(path, "numpy") as file:
                about = file.metadata() or {}
                machine = _Machine(**{name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
            lesson = json.loads(about["lesson"])
            lesson["interval"] = tuple(lesson["interval"])
            arrays = np.stack([machine.mean, machine.spread, machine.weights])  # of one length, or it is an error
            if arrays.ndim != 2 or not np.isfinite(arrays).all() or not (machine.spread > 0).all():
                raise ValueError("the arrays do not fit together")
            if about["sha256"] != machine.sha256(about["lesson"]):
                raise ValueError("changed: it does not match its own sha256; copy the file again")
            head._machine, head.lesson = machine, Lesson(**lesson)
            str(head.lesson)  # as every verdict says it
        except (OSError, SafetensorError, LookupError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
            raise CorruptCatalogError(f"{path}: not readable as a learned head: {error!r}") from error
        if about.get("fingerprint") != head.encoder.fingerprint:
            raise FingerprintError(
                f"{path} was learned with the encoder {about.get('fingerprint', '')[:12]}, this one is "
                f"{head.encoder.fingerprint[:12]}; fit it anew: LearnedHead(encoder).fit(genuine=photos, fakes=photos)"
            )
        return head

    def __repr__(self) -> str:
        return f"<LearnedHead {'not fitted' if self.lesson is None else self.lesson}>"


def _trivial(photo: EncodedPhoto) -> Floats:
    """What needs no understanding: a thumbnail of 8 x 8, a colour histogram, the photo's and its small copy's size."""
    from PIL import Image

    pixels = small_picture(photo.view.jpeg)
    thumbnail = np.asarray(pixels.resize((8, 8), Image.Resampling.BOX), np.float32).ravel() / 255
    histogram = np.array(pixels.histogram(), np.float32).reshape(3 * 16, -1).sum(axis=1)
    histogram /= pixels.width * pixels.height
    width, height = photo.view.size
    scale = min(1.0, COPY_SIDE / max(width, height))  # references are kept as copies
    sizes = np.log([scale * width, scale * height, len(photo.view.jpeg)]).astype(np.float32)
    return np.concatenate([thumbnail, histogram, sizes])


def too_few(what: str, photos: int, groups: int) -> str:
    """Why nothing can be learned from so many photos of so many groups; empty where it can.

    >>> too_few("fakes", 3, 2)
    '3 fakes of 2 groups are too few to learn from: at least 10 of 4 groups are needed'
    """
    if photos >= FEWEST and groups >= FEWEST_GROUPS:
        return ""
    needed = f"at least {FEWEST} of {FEWEST_GROUPS} groups are needed"
    return f"{photos} {what} of {groups} groups are too few to learn from: {needed}"


def _check_enough(groups: NDArray[np.str_], fake: Bools) -> None:
    for what, mine in (("genuine photos", ~fake), ("fakes", fake)):
        if why := too_few(what, int(mine.sum()), len(set(groups[mine].tolist()))):
            raise InputError(f"{why}. Bring more, or calibrate without fakes")


def _folds(groups: NDArray[np.str_]) -> Ints:
    """(N,) which fold each photo is tested in: groups in a seeded order, each to the fold that is smallest so far."""
    names, counts = np.unique(groups, return_counts=True)
    order = np.random.default_rng(0).permutation(len(names))
    order = order[np.argsort(-counts[order], kind="stable")]
    fewest, most = FOLDS
    size, home = np.zeros(max(fewest, min(most, FITTED // len(groups))), np.int64), {}
    for place in order:
        fold = int(size.argmin())
        home[names[place]] = fold
        size[fold] += counts[place]
    return np.array([home[name] for name in groups])


def _out_of_fold(features: Floats, fake: Bools, groups: NDArray[np.str_], fold: Ints) -> Doubles:
    """Each photo's score from a machine that saw no photo of its fold; 0 where the others were all of one kind."""
    scores = np.zeros(len(features))
    for number in np.unique(fold):
        test = fold == number
        if len(set(fake[~test].tolist())) == 2:
            scores[test] = _Machine.fit(features[~test], fake[~test], groups[~test])(features[test])
    return scores
