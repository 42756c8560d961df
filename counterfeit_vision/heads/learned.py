"""What labelled fakes teach: a small classifier on the product's patches, fitted in seconds.

It never sees the room: sellers of fakes and of genuine goods photograph in different places, and a head that sees them
learns the seller. It is tested inside, on photos of groups that it was not fitted on, and says what the room alone and
what trivial things (a thumbnail, colours, the file's size) would have reached.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from ..cache import EmbeddingCache
from ..errors import CorruptCatalogError, FingerprintError, InputError, NotCalibratedError
from ..foreground import load_foreground, product_mask
from ..metrics import auroc, bootstrap_interval, paired_difference
from ..preprocess import patch_mask
from ..sealed import replace_file
from ..stream import EncodedPhoto, encode_photos
from ..types import Evidence, Failure, Photo
from .base import Suspects

if TYPE_CHECKING:
    from ..encoders.base import Encoder

__all__ = ["LearnedHead", "Lesson"]

Floats = NDArray[np.float64]

FEWEST = 10  # genuine photos, and fakes
FEWEST_GROUPS = 4  # groups of either
FOLDS = 5
RIDGE = 0.1  # of the kernel machine, beside the classes' equal weights
ROOM = 0.2  # a patch at most this surely product is room
DRAWS = 200  # of the bootstrap that compares the head with its controls


@dataclass(frozen=True)
class Lesson:
    """How well a :class:`LearnedHead` tells fakes of groups that it was not fitted on: AUROC, out of fold.

    ``interval`` is its 95 % interval by groups; ``room`` the same method on the background alone (``None`` where the
    encoder can't tell product from room); ``trivial`` on a thumbnail, colours and sizes. ``useful`` is false where the
    95 % interval of its advance on either of them reaches 0: then what it has learnt may not be the goods.
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
        room = "was not measured" if self.room is None else f"{self.room:.2f}"
        verdict = "useful" if self.useful else "not shown to be useful"
        return (
            f"{verdict}: AUROC {self.auroc:.2f} ({self.interval[0]:.2f} to {self.interval[1]:.2f}) out of fold on "
            f"{self.genuine} genuine photos and {self.fakes} fakes of {self.groups} groups; "
            f"the background alone {room}, trivial features {self.trivial:.2f}"
        )


@dataclass(frozen=True, eq=False)
class _Machine:
    """Kernel ridge regression of +1 (fake) and -1 (genuine), both classes of equal weight, with a Gaussian kernel on
    standardised features; its width is the usual one, 1 / number of features (as scikit-learn's ``gamma="scale"``).
    """

    mean: NDArray[np.float32]
    spread: NDArray[np.float32]
    support: NDArray[np.float32]
    weights: Floats

    @classmethod
    def fit(cls, features: NDArray[np.float32], fake: NDArray[np.bool_]) -> _Machine:
        mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-6
        support = (features - mean) / spread
        share = np.where(fake, fake.mean(), 1 - fake.mean())
        kernel = _kernel(support, support) + np.diag(RIDGE * 2 * share)
        return cls(mean, spread, support, np.linalg.solve(kernel.astype(np.float64), np.where(fake, 1.0, -1.0)))

    def __call__(self, features: NDArray[np.float32]) -> Floats:
        return np.asarray(_kernel((features - self.mean) / self.spread, self.support) @ self.weights)


class LearnedHead:
    """A head fitted on labelled fakes. ``encoder`` defaults to :func:`~counterfeit_vision.load_encoder`'s default.

    ``lesson`` says what it is worth. Scores are about -1 (as the genuine photos) to +1 (as the fakes).
    """

    name = "learned"

    def __init__(self, encoder: Encoder | None = None, *, cache: EmbeddingCache | bool = True) -> None:
        self.lesson: Lesson | None = None
        self.held_out: Floats = np.zeros(0)
        self._encoder, self._cache = encoder, cache
        self._machine: _Machine | None = None

    @property
    def encoder(self) -> Encoder:
        """The encoder whose patch tokens are learned from."""
        if self._encoder is None:
            from ..encoders import load_encoder

            self._encoder = load_encoder()
        return self._encoder

    def fit(self, genuine: Sequence[Photo], fakes: Sequence[Photo], groups: Sequence[str] | None = None) -> LearnedHead:
        """Learn from photos; returns itself.

        ``groups`` names, for the genuine photos and then the fakes, what belongs together (a scene, a seller): no group
        is ever on both sides of a test. Without it every photo counts as a group, and the test is too kind where a
        seller has many photos. Raises :class:`InputError` for too few photos or groups and for photos that can't be
        read.
        """
        photos = [*genuine, *fakes]
        names = [f"photo {row}" for row in range(len(photos))] if groups is None else [str(name) for name in groups]
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
        """The same, on photos that are encoded already. ``held_out`` is then each photo's score, out of fold."""
        photos = [*genuine, *fakes]
        fake = np.arange(len(photos)) >= len(genuine)
        names = np.asarray(groups, dtype=str)
        _check_enough(names, fake)
        product, room, sure = self._features(photos)
        fold = _folds(names)
        self.held_out = _out_of_fold(product, fake, fold)
        background = _out_of_fold(room, fake, fold) if sure else None
        trivial = _out_of_fold(np.stack([_trivial(photo) for photo in photos]), fake, fold)
        self._machine = _Machine.fit(product, fake)

        def figure(scores: Floats) -> Callable[[NDArray[np.int64]], float]:
            return lambda rows: auroc(fake[rows], scores[rows])

        own = figure(self.held_out)
        everything = np.arange(len(photos))
        controls = [trivial] if background is None else [trivial, background]
        ahead = [paired_difference(figure(scores), own, groups, draws=DRAWS).low for scores in controls]
        self.lesson = Lesson(
            auroc=own(everything),
            interval=bootstrap_interval(own, groups, draws=DRAWS),
            room=None if background is None else figure(background)(everything),
            trivial=figure(trivial)(everything),
            useful=min(ahead) > 0,
            genuine=len(genuine),
            fakes=len(fakes),
            groups=len(set(names.tolist())),
        )
        return self

    @overload
    def score(self, photos: Suspects) -> list[Evidence]: ...

    @overload
    def score(self, photos: Iterable[Photo]) -> Floats: ...

    def score(self, photos: Suspects | Iterable[Photo]) -> list[Evidence] | Floats:
        """Photos -> (N,) float64, higher = more like the fakes, NaN for a photo that can't be read.

        Suspects -> one :class:`~counterfeit_vision.Evidence` each, as every head gives.
        """
        if isinstance(photos, Suspects):
            values = self.score_encoded(photos.encoded)
            return [self.evidence(float(value)) for value in values]
        rows = self._encode(list(photos))
        scores = np.full(len(rows), np.nan)
        good = [number for number, row in enumerate(rows) if isinstance(row, EncodedPhoto)]
        scores[good] = self.score_encoded([row for row in rows if isinstance(row, EncodedPhoto)])
        return scores

    def score_encoded(self, photos: Sequence[EncodedPhoto]) -> Floats:
        """(N,) float64; a photo's score does not depend on the others."""
        if self._machine is None:
            raise NotCalibratedError("the learned head has learned nothing yet: head.fit(genuine=photos, fakes=photos)")
        if not photos:
            return np.zeros(0)
        return np.concatenate([self._machine(self._features([photo])[0]) for photo in photos])

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

    def _features(self, photos: Sequence[EncodedPhoto]) -> tuple[NDArray[np.float32], NDArray[np.float32], bool]:
        """(N, F) of the product, (N, F) of the room, and whether the two could be told apart.

        Mean and standard deviation of patch tokens; of the global vector alone where the encoder gives no tokens.
        """
        if photos[0].patches is None:
            vectors = np.stack([photo.vector for photo in photos])
            return vectors, vectors, False
        head = load_foreground(getattr(self.encoder, "recipe", None), photos[0].patches.shape[1])
        product, room = [], []
        for photo in photos:
            assert photo.patches is not None
            tokens, grid = photo.patches.astype(np.float32), photo.grid
            inside = patch_mask(photo.content, grid).reshape(1, -1)
            share = (inside if head is None else head(photo.patches[None], photo.content[None], grid)).astype(
                np.float32
            )
            product.append(_pooled(tokens, product_mask(share, inside >= 0.5)[0]))
            room.append(_pooled(tokens, ((share < ROOM) & (inside >= 0.5))[0]))
        return np.stack(product), np.stack(room), head is not None

    # --- on disk ------------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write what was learned, as safetensors; :meth:`load` reads it."""
        from safetensors.numpy import save

        if self._machine is None or self.lesson is None:
            raise NotCalibratedError("nothing to save yet: head.fit(genuine=photos, fakes=photos) comes first")
        about = {"fingerprint": self.encoder.fingerprint, "lesson": json.dumps(dataclasses.asdict(self.lesson))}
        arrays = {field.name: getattr(self._machine, field.name) for field in dataclasses.fields(_Machine)}
        target = Path(path)
        replace_file(target, save(arrays, about))
        return target

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], encoder: Encoder | None = None, *, cache: EmbeddingCache | bool = True
    ) -> LearnedHead:
        """Read what :meth:`save` wrote. Raises :class:`CorruptCatalogError`, and :class:`FingerprintError` for a head
        of another encoder.
        """
        from safetensors import SafetensorError, safe_open

        head = cls(encoder, cache=cache)
        try:
            with safe_open(path, "numpy") as file:
                about = file.metadata() or {}
                machine = _Machine(**{name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
            lesson = json.loads(about["lesson"])
            lesson["interval"] = tuple(lesson["interval"])
            count, features = machine.support.shape
            if {machine.mean.shape, machine.spread.shape} != {(features,)} or machine.weights.shape != (count,):
                raise ValueError("the arrays do not fit together")
            head._machine, head.lesson = machine, Lesson(**lesson)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise CorruptCatalogError(f"{path}: not readable as a learned head: {error!r}") from error
        if about.get("fingerprint") != head.encoder.fingerprint:
            raise FingerprintError(
                f"{path} was learned with the encoder {about.get('fingerprint', '')[:12]}, this one is "
                f"{head.encoder.fingerprint[:12]}; fit it anew: LearnedHead(encoder).fit(genuine=photos, fakes=photos)"
            )
        return head

    def __repr__(self) -> str:
        return f"<LearnedHead {'not fitted' if self.lesson is None else self.lesson}>"


def _kernel(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1) - 2 * first @ second.T
    return np.asarray(np.exp(-np.maximum(squares, 0) / first.shape[1]), np.float32)


def _pooled(tokens: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Mean and standard deviation (2 E,) of the tokens in the mask; zeros where it is empty."""
    if not mask.any():
        return np.zeros(2 * tokens.shape[1], np.float32)
    return np.concatenate([tokens[mask].mean(axis=0), tokens[mask].std(axis=0)])


def _trivial(photo: EncodedPhoto) -> NDArray[np.float32]:
    """What needs no understanding: a thumbnail of 8 x 8, a colour histogram, the photo's and its small copy's size."""
    from PIL import Image

    with Image.open(io.BytesIO(photo.view.jpeg), formats=("JPEG",)) as image:
        pixels = image.convert("RGB")
        thumbnail = np.asarray(pixels.resize((8, 8), Image.Resampling.BOX), np.float32).ravel() / 255
        histogram = np.array(pixels.histogram(), np.float32).reshape(3 * 16, -1).sum(axis=1) / (
            pixels.width * pixels.height
        )
    width, height = photo.view.size
    sizes = np.log([width, height, len(photo.view.jpeg)]).astype(np.float32)
    return np.concatenate([thumbnail, histogram, sizes])


def _check_enough(groups: NDArray[np.str_], fake: NDArray[np.bool_]) -> None:
    for what, mine in (("genuine photos", ~fake), ("fakes", fake)):
        count, names = int(mine.sum()), len(set(groups[mine].tolist()))
        if count < FEWEST or names < FEWEST_GROUPS:
            raise InputError(
                f"{count} {what} of {names} groups are too few to learn from: at least {FEWEST} of {FEWEST_GROUPS} "
                "groups are needed. Bring more, or calibrate without fakes"
            )


def _folds(groups: NDArray[np.str_]) -> NDArray[np.int64]:
    """(N,) which fold each photo is tested in: groups in a seeded order, each to the fold that is smallest so far."""
    names, counts = np.unique(groups, return_counts=True)
    order = np.random.default_rng(0).permutation(len(names))
    order = order[np.argsort(-counts[order], kind="stable")]
    size, home = np.zeros(FOLDS, np.int64), {}
    for place in order:
        fold = int(size.argmin())
        home[names[place]] = fold
        size[fold] += counts[place]
    return np.array([home[name] for name in groups])


def _out_of_fold(features: NDArray[np.float32], fake: NDArray[np.bool_], fold: NDArray[np.int64]) -> Floats:
    """Each photo's score from a machine that saw no photo of its fold; 0 where the others were all of one kind."""
    scores = np.zeros(len(features))
    for number in np.unique(fold):
        test = fold == number
        if len(set(fake[~test].tolist())) == 2:
            scores[test] = _Machine.fit(features[~test], fake[~test])(features[test])
    return scores
