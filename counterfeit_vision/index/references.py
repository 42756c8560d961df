"""What a catalogue keeps of its genuine photos, one aligned row a reference: all that its folder holds."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .._arrays import Bools, Floats, Ints, Pixels
from .._concurrency import cached_property
from ..encoders.batching import EncodedPhoto, stack
from ..encoders.foreground import PRODUCT, head_of, product_mask
from ..encoders.preprocess import patches_on_photo
from ..errors import CorruptCatalogError, DecodeError, InputError
from ..io.cache import EmbeddingCache
from ..io.decode import decode
from ..io.thumbnails import small_jpeg
from ..marks.regions import found_regions
from ..types import Embeddings, Failure, PhotoView, Reference, Region
from .tiles import MarkLibrary
from .tokens import PackedTokens, TokenSpace

if TYPE_CHECKING:
    from ..encoders.base import Encoder

__all__ = [
    "COPY_SIDE",
    "KeptReferences",
    "compared_patches",
    "refuse_without_genuine",
    "region_off_photo",
    "small_copy",
]

COPY_SIDE = 800  # pixels on the long side of the copy that is kept of each reference
KEPT_UNPACKED = 2048  # references: up to here their tokens stay unpacked in memory, at most 128 MB


@dataclass(frozen=True, eq=False)
class KeptReferences:
    """N references, aligned.

    - ``references`` (their ``photo`` is the JPEG copy that is kept), ``sha256`` of the originals' bytes, ``sizes``
      (width, height) of the originals in pixels.
    - ``vectors`` (N, D) float32, ``content`` (N, 4) float32 and ``grid`` as in :class:`~counterfeit_vision.Embeddings`;
      ``centre`` (D,) float32, the mean of the products' mean vectors.
    - ``tokens``, the packed patches in ``space``; both ``None`` for an encoder without patches. ``foreground`` (N, P)
      float32 in 0..1, how surely each patch is product, where the encoder can tell.
    - ``marks``, once a search by mark has encoded them; ``found`` (N,) whether a reference's regions were found, not
      given.
    """

    references: tuple[Reference, ...]
    sha256: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    vectors: Floats
    content: Floats
    centre: Floats
    grid: tuple[int, int]
    space: TokenSpace | None
    tokens: PackedTokens | None
    foreground: Floats | None
    marks: MarkLibrary | None
    found: tuple[bool, ...]

    @classmethod
    def of(
        cls,
        encoder: Encoder,
        references: Sequence[Reference],
        photos: list[EncodedPhoto],
        *,
        find_marks: bool = True,
        cache: EmbeddingCache | bool = False,
        progress: bool = False,
    ) -> KeptReferences:
        """Of references with their kept copies and their encoded photos, at least one. With ``find_marks`` the marks of
        products without regions are looked for, unless the ``cache`` knows them. The ``photos`` lose their patches.
        """
        patches = _taken(photos)
        embeddings = dataclasses.replace(stack(photos, encoder=encoder), patches=patches)
        space = None if patches is None else TokenSpace.fit(patches)
        foreground, sizes = _foreground(encoder, embeddings), tuple(photo.view.size for photo in photos)
        found: list[tuple[Region, ...]] = [()] * len(references)
        if find_marks:
            content, grid = embeddings.content, embeddings.grid
            found = found_regions(references, sizes, foreground, content, grid, cache=cache, progress=progress)
        references = [
            dataclasses.replace(reference, regions=regions) if regions else reference
            for reference, regions in zip(references, found, strict=True)
        ]
        return cls(
            references=tuple(references),
            sha256=tuple(photo.sha256 for photo in photos),
            sizes=sizes,
            vectors=embeddings.vectors,
            content=embeddings.content,
            centre=_centre(
                embeddings.vectors,
                [None if row.gallery == "known_fake" else row.names[::-1] for row in references],
            ),
            grid=embeddings.grid,
            space=space,
            tokens=None if space is None or patches is None else space.pack(patches),
            foreground=foreground,
            marks=None,
            found=tuple(bool(regions) for regions in found),
        )

    def jpeg(self, row: int) -> bytes:
        """The kept copy of a reference, as a JPEG file."""
        jpeg = self.references[row].photo
        assert isinstance(jpeg, bytes)
        return jpeg

    def pixels(self, row: int) -> Pixels:
        """The kept copy of a reference: (h, w, 3) uint8 RGB, upright. Raises :class:`CorruptCatalogError`, as it is no
        fault of the photo that it is compared with.
        """
        id = self.references[row].id
        try:
            return decode(self.jpeg(row), name=id).pixels
        except DecodeError as error:
            told = f"the catalogue's copy of reference {id!r} gives no pixels: {error.reason}"
            raise CorruptCatalogError(f"{told}. Build the catalogue anew") from error

    def regions(self, row: int) -> tuple[Region, ...]:
        """The boxes of the brand's marks on a reference, in pixels of its kept copy."""
        scale = min(1.0, COPY_SIDE / max(self.sizes[row]))
        return tuple(Region(*(scale * x for x in region.to_list())) for region in self.references[row].regions)

    def view(self, row: int) -> PhotoView:
        """A small copy of a reference, to be shown to people."""
        reference = self.references[row]
        return PhotoView(reference.id, small_jpeg(self.pixels(row)), self.sizes[row], reference.product)

    def patches(self, rows: Ints) -> NDArray[np.float16]:
        """Some references' tokens (n, P, d) float16, unit length; of a small catalogue they stay in memory."""
        assert self.tokens is not None
        return self._unpacked[rows] if len(self.references) <= KEPT_UNPACKED else self.tokens.unpack(rows)

    @cached_property
    def _unpacked(self) -> NDArray[np.float16]:
        assert self.tokens is not None
        return self.tokens.unpack(slice(None))

    @cached_property
    def masks(self) -> Bools:
        """(N, P) which patches of each reference are compared: the product's, where the encoder can tell them."""
        return compared_patches(self.foreground, self.content, self.grid)


def refuse_without_genuine(references: Sequence[Reference]) -> None:
    """:class:`InputError` for references, at least one, that are all known fakes."""
    if all(reference.gallery == "known_fake" for reference in references):
        raise InputError(
            f"the {len(references)} reference photos that can be used are of gallery='known_fake', the first is "
            f"{references[0].id!r}; a catalogue needs genuine photos: add some with gallery='genuine' or 'official'"
        )


def region_off_photo(reference: Reference, size: tuple[int, int]) -> Failure | None:
    """That a region lies by less than half on the reference's photo of ``size`` (width, height), if one does, or that
    all are fractions of it.
    """
    fractions = all(abs(side) <= 1 for region in reference.regions for side in region.to_list())
    for region in reference.regions:
        box = region.to_list()
        width, height = (max(0.0, min(box[axis + 2], size[axis]) - max(box[axis], 0)) for axis in (0, 1))
        if fractions:
            reason = f"regions such as {box} look like fractions of the photo of {size[0]} x {size[1]} pixels"
            advice = "regions are pixels: multiply by its width and height"
        elif width * height < region.area / 2:
            share = f"{100 * width * height / region.area:.3g} %"
            reason = f"of region {box} {share} lies on the photo of {size[0]} x {size[1]} pixels"
            advice = "give regions as x0 y0 x1 y1 in pixels of the upright photo, not of a larger copy"
        else:
            continue
        return Failure(reference.id, "input", InputError(f"Reference {reference.id!r}: {reason}; {advice}"))
    return None


def small_copy(reference: Reference, photo: EncodedPhoto) -> Reference:
    """The reference with the copy that is kept in its photo's place, a JPEG of at most :data:`COPY_SIDE` pixels, and of
    its regions what lies on the photo.
    """
    pixels, (width, height) = photo.pixels(), photo.view.size
    regions = [
        Region(max(region.x0, 0), max(region.y0, 0), min(region.x1, width), min(region.y1, height))
        for region in reference.regions
    ]
    return dataclasses.replace(reference, photo=small_jpeg(pixels, COPY_SIDE, quality=90), regions=regions)


def compared_patches(
    foreground: Floats | None, content: Floats, grid: tuple[int, int], least: float = PRODUCT
) -> Bools:
    """(N, P) which patches of photos are compared: those on the photo, and of the product where ``foreground`` (N, P)
    says so at least this surely. ``content`` (N, 4) says where the photos lie in their squares.
    """
    boxes, box_of = np.unique(content, axis=0, return_inverse=True)  # photos of one shape lie alike
    on_photo = np.stack([patches_on_photo(box, grid) for box in boxes])[box_of.ravel()]
    return product_mask(np.ones(on_photo.shape, np.float32) if foreground is None else foreground, on_photo, least)


def _taken(photos: list[EncodedPhoto]) -> NDArray[np.float16] | None:
    """(N, P, E) the photos' patches. Each photo is let go of as it is copied: a third of a megabyte each, all twice
    would be the most memory that a catalogue ever takes.
    """
    if photos[0].patches is None:
        return None
    patches = np.empty((len(photos), *photos[0].patches.shape), np.float16)
    for place, photo in enumerate(photos):
        patches[place] = photo.patches
        photos[place] = dataclasses.replace(photo, patches=None)
    return patches


def _foreground(encoder: Encoder, photos: Embeddings) -> Floats | None:
    if photos.patches is None:
        return None
    head = head_of(encoder, photos.patches.shape[2])
    return None if head is None else head(photos.patches, photos.content, photos.grid)


def _centre(vectors: Floats, goods: Sequence[Hashable | None]) -> Floats:
    """The mean of the means of all ``goods`` (``None``: left out), so that many photos of one do not pull it."""
    rows: dict[Hashable, list[int]] = {}
    for row, name in enumerate(goods):
        if name is not None:
            rows.setdefault(name, []).append(row)
    means = [vectors[rows[name]].mean(axis=0) for name in sorted(rows, key=repr)]
    return np.mean(means, axis=0).astype(np.float32) if len(means) > 1 else np.zeros(vectors.shape[1], np.float32)
