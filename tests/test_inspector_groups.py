"""Groups of listings that belong together, and photos that are copies, count as what they are."""

from __future__ import annotations

import hashlib
import io
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import picture
from lights import GENUINE, Loud, flat, goods
from PIL import Image

import counterfeit_vision as cv
from counterfeit_vision import teaching
from counterfeit_vision.encoders.base import Encoder
from counterfeit_vision.examples import Examples, name_by_content
from counterfeit_vision.heads import Suspects
from counterfeit_vision.heads.reuse import COPY


def test_groups_are_one_name_a_listing_in_their_order(tree_catalog: cv.Catalog) -> None:
    inspector = cv.Inspector(tree_catalog, [Loud()], cache=False)
    names = [f"seller {number}" for number in range(60)]
    for groups, words in (
        (names, "60 names for 40 genuine listings and 0 fakes"),
        (names[:39], "groups has 39 names, .* name one for each genuine listing, then one for each fake"),
        ("abc", "need a list"),
        (dict.fromkeys(names[:40], "anna"), "need a list"),
        (set(names[:40]), "need a list"),
        (5, "groups=5: need a list"),
    ):
        with pytest.raises(cv.InputError, match=words):
            inspector.calibrate(GENUINE, groups=groups)
    with pytest.raises(cv.InputError, match="groups has 40 names, which are fewer than the listings"):
        inspector.calibrate(GENUINE, fakes=[light + 1 for light in GENUINE], groups=names[:40])
    inspector.calibrate(GENUINE, groups=(name for name in names[:40]))  # type: ignore[arg-type]
    assert inspector.calibration is not None
    assert inspector.calibration.count >= 19
    assert f"; p-values from {inspector.calibration.count} photos; " in repr(inspector)


@pytest.mark.parametrize("unknown", [None, float("nan"), np.datetime64("NaT")], ids=str)
def test_listings_whose_seller_is_not_known_are_no_group(tree_catalog: cv.Catalog, unknown: object) -> None:
    names = [*(f"seller {number}" for number in range(30)), *[unknown] * 10]
    with pytest.raises(
        cv.InputError, match=r"^groups: row 30 is (None|nan|NaT); name the seller, or give such a listing a name of"
    ):
        cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(GENUINE, groups=names)  # type: ignore[arg-type]


def test_an_inspector_says_of_how_many_groups_its_photos_are(tree_catalog: cv.Catalog) -> None:
    genuine = [*GENUINE, *(flat(41 + 3 * number) for number in range(40))]
    inspector = cv.Inspector(tree_catalog, [Loud()], cache=False)
    inspector.calibrate(genuine, groups=[f"seller {number // 2}" for number in range(80)])
    assert inspector.calibration is not None
    photos, groups = len(inspector.calibration.merged), inspector.calibration.count
    assert photos == 2 * groups
    assert f"; p-values from {photos} photos of {groups} groups; " in repr(inspector)


def test_a_frames_column_is_read_in_its_order_whatever_its_labels(tree_catalog: cv.Catalog) -> None:
    pandas = pytest.importorskip("pandas")
    names = [f"seller {number // 2}" for number in range(80)]
    genuine = [*GENUINE, *(flat(41 + 3 * number) for number in range(40))]
    plain = cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(genuine, groups=names)
    column = pandas.Series(names, index=range(79, -1, -1))
    framed = cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(genuine, groups=column)
    assert plain.calibration is not None
    assert framed.calibration is not None
    assert framed.calibration.to_dict() == plain.calibration.to_dict()


def test_groups_that_are_no_texts_are_still_told_apart_and_told_alike(
    tree_catalog: cv.Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    taught: list[str] = []

    def noted(genuine: Examples, first: np.ndarray, fakes: Examples, *given: object) -> None:
        taught.extend(fakes.groups)
        raise cv.InputError("enough")

    monkeypatch.setattr(teaching, "_learned", noted)
    names = [*range(39), "a shop"]  # half of them give the p-values, and their fakes teach nothing
    with pytest.raises(cv.InputError, match="enough"):
        cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(
            GENUINE,
            fakes=[light + 1 for light in GENUINE],
            groups=[*names, *names],  # type: ignore[list-item]
        )
    assert 0 < len(taught) < 25


def test_fakes_that_the_catalogue_knows_do_not_teach_that_fakes_are_copies(
    references: list[cv.Reference], tiny_encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    fakes = [picture(seed) for seed in range(300, 312)]
    known = [
        cv.Reference(id=f"known {number}", photo=fake, brand="acme", product="mug", gallery="known_fake")
        for number, fake in enumerate(fakes[:2])
    ]
    taught: list[str] = []

    def noted(genuine: Examples, first: np.ndarray, fakes: Examples, *given: object) -> None:
        taught.extend(row.photo.id for row in fakes.rows)
        raise cv.InputError("enough")

    monkeypatch.setattr(teaching, "_learned", noted)
    catalog = cv.Catalog.build([*references, *known], encoder=tiny_encoder, cache=False)
    inspector = cv.Inspector(catalog, [Loud()], cache=False)
    stolen = cv.Listing(id="stolen", photos=[references[0].photo])
    shown = [cv.Listing(id="known", photos=fakes[:1]), cv.Listing(id="half", photos=fakes[1:3]), *fakes[3:], stolen]
    with pytest.raises(cv.InputError, match="enough"):
        inspector.calibrate(GENUINE, fakes=shown)
    assert taught == ["half photo 2", *(f"photo {number}" for number in range(2, 11))]
    known_ones = [str(failure.error) for failure in inspector.failures]
    assert [failure.id for failure in inspector.failures] == ["known", "half photo 1", "stolen"]
    told = [
        "is a known fake of the catalogue",
        "is a known fake of the catalogue",
        "is a genuine photo of the catalogue",
    ]
    for why, error in zip(told, known_ones, strict=True):
        assert f"{why}, so it teaches nothing about fakes" in error


def test_a_photo_that_is_shown_twice_counts_once(tree_catalog: cv.Catalog) -> None:
    inspector = cv.Inspector(tree_catalog, [Loud()], cache=False)
    with pytest.raises(cv.InputError, match=r"10 genuine photos are too few .* 30 more could not be used; the first"):
        inspector.calibrate(GENUINE[:10] * 4)
    assert "all that it shows was shown before" in str(inspector.failures[0].error)
    inspector.calibrate([*GENUINE, cv.Listing(id="both", photos=[GENUINE[0], flat(200)])])  # it shows something new
    assert inspector.failures == ()


def test_nobody_is_cleared_by_showing_a_photo_four_times(inspector: cv.Inspector) -> None:
    bright = flat(250)
    listings = [cv.Listing(id=f"{count} times", photos=[bright] * count) for count in (1, 2, 4)]
    found = inspector.inspect(listings).verdicts
    assert {(verdict.decision, verdict.p_value) for verdict in found} == {("suspected", found[0].p_value)}
    grey = flat(60)
    mixed = [cv.Listing(id=f"{count} times", photos=[bright] + [grey] * count) for count in (1, 4)]
    once, often = inspector.inspect(mixed).verdicts
    assert (once.risk, once.p_value) == (often.risk, often.p_value)


class Copied(Loud):
    """Takes dark photos for copies of catalogue photos."""

    name = "reuse"

    def score(self, suspects: Suspects) -> list[cv.Evidence]:
        light = [suspects.pixels(row).mean() for row in range(len(suspects))]
        return [cv.Evidence(COPY + 1 if one < 60 else 0.0, "A copy?", references=("a",)) for one in light]


def test_copies_of_catalogue_photos_among_the_genuine_ones_are_told_of(tree_catalog: cv.Catalog) -> None:
    """In another size or quality they have another sha256, and look as usual as no other photo does."""
    inspector = cv.Inspector(tree_catalog, [Loud(), Copied()], cache=False)
    told = "7 of 40 genuine photos are copies of catalogue photos, .* photo 0: more"
    with pytest.warns(RuntimeWarning, match=told):
        inspector.calibrate(GENUINE)
    with warnings.catch_warnings(record=True) as few:
        warnings.simplefilter("always")
        inspector.calibrate(GENUINE[4:] + [flat(170 + number) for number in range(4)])
    assert not any("copies" in str(one.message) for one in few)


def test_copies_of_known_fakes_among_the_genuine_photos_are_doubted_however_many_they_are(
    tree_catalog: cv.Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(vars(tree_catalog), "known_fakes", frozenset("a"))
    inspector = cv.Inspector(tree_catalog, [Copied()], cache=False)
    genuine = [flat(10 + number) for number in range(20)] + [flat(100 + number) for number in range(20)]
    with pytest.warns(RuntimeWarning) as told:
        inspector.calibrate(genuine)
    assert inspector.doubts == tuple(f"photo {number}" for number in range(20))
    first, second = (str(one.message) for one in told)
    assert first.startswith("20 of 40 genuine photos are copies of catalogue photos (20 of known fakes), the first is")
    assert "of 40 photos called genuine, 20 are so unlike the others, or shown as fakes as well, or copies of" in second
    assert second.endswith("hides fakes that are less unusual than it, most where fewer than 58 photos calibrate")


def test_what_calibrating_warned_of_is_told_and_kept(
    tree_catalog: cv.Catalog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(vars(tree_catalog), "known_fakes", frozenset("a"))
    inspector = cv.Inspector(tree_catalog, [Loud(), Copied()], cache=False)
    with pytest.warns(RuntimeWarning) as told:
        inspector.calibrate(GENUINE)
    again = cv.Inspector.load(inspector.save(tmp_path), tree_catalog, [Loud(), Copied()], cache=False)
    for one in (inspector, again):
        assert one.doubts == tuple(f"photo {number}" for number in range(7))
        assert one.about()["Doubts"] == "7 photos called genuine that somebody should look at"
        assert one.about()["Copies"] == one.copies_warning == str(told[0].message)
    inspector.calibrate([flat(70 + 2 * number) for number in range(40)])
    again = cv.Inspector.load(inspector.save(tmp_path), tree_catalog, [Loud(), Copied()], cache=False)
    assert (again.doubts, again.copies_warning) == ((), None)
    assert not {"Doubts", "Copies"} & again.about().keys()


def test_a_known_fake_that_is_called_genuine_is_told_as_that(
    references: list[cv.Reference], tiny_encoder: Encoder
) -> None:
    known = cv.Reference(id="k", photo=picture(300), brand="acme", product="mug", gallery="known_fake")
    catalog = cv.Catalog.build([*references, known], encoder=tiny_encoder, cache=False)
    inspector = cv.Inspector(catalog, [Loud()], cache=False)
    with pytest.raises(cv.InputError, match=r"^photo 41 is a known fake of the catalogue; calibrate with genuine"):
        inspector.calibrate([*GENUINE, references[0].photo, picture(300)])


def test_each_brand_calibrated_by_itself_has_its_own_scale_of_risk(tree_catalog: cv.Catalog) -> None:
    photos = [goods(number) for number in range(60)]
    inspector = cv.Inspector(tree_catalog, [Loud()], cache=False).calibrate(photos, by="brand", alpha=0.2)
    calibration, light = inspector.calibration, [(1.3 * photo).clip(0, 255).astype(np.uint8) for photo in photos[:5]]
    assert calibration is not None
    verdicts = inspector.inspect([*photos[:5], *light]).verdicts
    assert {verdict.brand for verdict in verdicts} == {"acme", "zeta"}
    for verdict in verdicts:
        merged = np.array(verdict.statistics)
        assert [verdict.risk] == calibration.risk(merged, None, verdict.brand) != calibration.risk(merged)
        assert (verdict.risk >= 0.5) == (verdict.p_value <= 0.2)


def saved_anew(pixels: np.ndarray, quality: int, share: float = 1.0) -> bytes:
    """A JPEG file of a photo, ``share`` as long and wide."""
    image, file = Image.fromarray(pixels), io.BytesIO()
    image.resize((round(share * image.width), round(share * image.height))).save(file, "JPEG", quality=quality)
    return file.getvalue()


def poster(seed: int) -> np.ndarray:
    """A photo with corners enough to be known again."""
    small = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), np.uint8)
    return np.asarray(Image.fromarray(small).resize((320, 240), Image.Resampling.BICUBIC))


class AllCopied(Copied):
    """Takes any photo for a copy of one of the catalogue."""

    def score(self, suspects: Suspects) -> list[cv.Evidence]:
        return [cv.Evidence(COPY + 1, "A copy.", references=("a",)) for _ in range(len(suspects))]


def test_photos_that_are_saved_anew_count_once(tree_catalog: cv.Catalog) -> None:
    """Their sha256 are others. Counted as two each, 20 photos accused 10 to 12 % of genuine goods at alpha = 5 %."""
    once = [saved_anew(poster(seed), 92) for seed in range(14)]
    anew = [saved_anew(poster(seed), 60, 0.8) for seed in range(14)]
    inspector = cv.Inspector(tree_catalog, [Loud()], cache=False)
    with pytest.raises(cv.InputError, match=r"14 genuine photos are too few .* 14 more could not be used; the first"):
        inspector.calibrate([*once, *anew])
    assert [str(failure.error) for failure in inspector.failures[:1]] == [
        "photo 14: all that it shows was shown before, so it does not count; photo 14 is a copy of photo 0"
    ]
    listings = [*once[:3], *GENUINE, cv.Listing(id="new", photos=[anew[0], poster(20)])]  # it shows something new
    for per, kept in (("group", 45), ("photo", 44)):
        inspector.calibrate(listings, per=per)  # type: ignore[arg-type]
        assert inspector.calibration is not None
        assert (inspector.failures, len(inspector.calibration.photos)) == ((), kept)
    inspector = cv.Inspector(tree_catalog, [Loud(), AllCopied()], cache=False)
    with pytest.warns(RuntimeWarning, match="28 of 28 genuine photos are copies of catalogue photos"):
        inspector.calibrate([*once, *anew])
    assert inspector.failures == (), "many sellers may take the brand's picture, each in a file of his own"


def test_no_name_decides_which_photos_are_fitted_on(tree_catalog: cv.Catalog) -> None:
    """No listing's name, no seller's, nor their order."""
    inspector = cv.Inspector(tree_catalog, [Loud()], cache=False)
    listings = [cv.Listing(id=f"{number}", photos=[photo]) for number, photo in enumerate(GENUINE)]
    renamed = [cv.Listing(id=f"{99 - number}", photos=[photo]) for number, photo in enumerate(GENUINE)]
    found = []
    for shown, sellers in ((listings, None), (renamed[::-1], None), (GENUINE, [f"{7 * n % 40}" for n in range(40)])):
        inspector.calibrate(shown, groups=sellers)
        assert inspector.calibration is not None
        found.append(sorted(inspector.calibration.merged.tolist()))
    assert found == [found[0]] * 3


def test_groups_are_named_by_what_they_show_and_fakes_as_the_genuine_photos_of_theirs() -> None:
    genuine, fakes = Examples(), Examples()
    for examples, files, names in ((genuine, "abc", "xyx"), (fakes, "def", "xzz")):
        examples.rows = [SimpleNamespace(photo=SimpleNamespace(sha256=file)) for file in files]  # type: ignore[misc]
        examples.groups = [*names]
    name_by_content(genuine, fakes)
    of = {files: hashlib.sha256(files.encode()).hexdigest() for files in ("a c", "b", "e f")}
    assert genuine.groups == [of["a c"], of["b"], of["a c"]]
    assert fakes.groups == [of["a c"], of["e f"], of["e f"]]
