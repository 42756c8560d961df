"""Evaluation of a labelled file: what its rows say, masks, groups and failures, and the whole way on a small market."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import counterfeit_vision as cv
from counterfeit_vision.encoders import Encoder
from counterfeit_vision.evaluation import evaluate
from counterfeit_vision.evaluation.metrics import recall_at_k
from counterfeit_vision.heads import Product, Similarity

DRAWS = 50


class Puppet:
    """Stands in for an inspector: risk and heat map by id, and it keeps what it was given."""

    catalog = SimpleNamespace(grid=(4, 4), rows_of=lambda **named: [], references=())
    calibration: SimpleNamespace | None = None
    base_rate: float | None = None

    def __init__(
        self, risks: dict[str, float], heat: dict[str, np.ndarray] | None = None, product: str | None = None
    ) -> None:
        self.risks, self.heat, self.product, self.given = risks, heat or {}, product, []
        self.failures: dict[str, tuple[cv.Failure, ...]] = {}
        self.nearest: tuple[str, ...] = ()
        self.brand: str | None = None

    def about(self) -> dict[str, str]:
        return {"Encoder": "none"}

    def stream(self, listings: Iterable[cv.Listing], *, progress: bool = False) -> Iterator[cv.Verdict | cv.Failure]:
        for listing in listings:
            self.given.append(listing)
            if listing.id not in self.risks:
                yield cv.Failure(listing.id, "decode", cv.DecodeError(listing.id, "no pixels"))
                continue
            risk = self.risks[listing.id]
            claims = {
                "strong": cv.Evidence(score=1, text="", p_value=0.01, heatmap=self.heat.get(listing.id)),
                "faint": cv.Evidence(score=0, text="", p_value=0.9, heatmap=np.eye(8, dtype=np.float32)),
            }
            decision = "suspected" if risk >= 0.5 else "clear"
            yield cv.Verdict(
                id=listing.id,
                decision=decision,
                risk=risk,
                p_value=0.5,
                reason="",
                product=self.product,
                brand=self.brand,
                claims=claims,
                nearest=self.nearest,
                failures=self.failures.get(listing.id, ()),
            )


def write(path: Path, *rows: dict) -> Path:
    path.write_text("".join(json.dumps({"photos": ["a.jpg"]} | row) + "\n" for row in rows))
    return path


BY_TWO_SELLERS = "50 draws of 2 groups (seller); so few groups make intervals too narrow"


@pytest.mark.parametrize(
    ("group", "said"), [("id", "50 draws of 9 listings"), ("seller", "50 draws of 8 groups (seller)")]
)
def test_a_run_says_of_how_many_groups_its_draws_are(group: str, said: str, tmp_path: Path) -> None:
    rows = [{"id": f"{n}", "label": "genuine", "seller": f"s{max(n, 1)}"} for n in range(10)]
    puppet = Puppet({f"{n}": 0.1 for n in range(9)})
    assert evaluate(puppet, write(tmp_path / "l.jsonl", *rows), group=group, draws=DRAWS).about["Bootstrap"] == said


def test_labels_stay_here(tmp_path: Path) -> None:
    secret = {"attack": "letter_swap", "mask": "masks/m.png", "hard": "glare", "scene": "attic"}
    path = write(
        tmp_path / "l.jsonl",
        {"id": "a", "label": "genuine", "seller": "s", "hard": "glare", "brand": "acme"},
        {"id": "b", "label": "fake", "seller": "t", "price": 3, "currency": "EUR"} | secret,
    )
    (tmp_path / "masks").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "masks" / "m.png")
    puppet = Puppet({"a": 0.1, "b": 0.2})
    found = evaluate(puppet, path, group="seller", draws=DRAWS)
    assert [type(item) for item in puppet.given] == [cv.Listing, cv.Listing]
    for item in puppet.given:
        text = repr(dataclasses.asdict(item))
        assert not [word for word in ("genuine", "fake", *secret.values()) if word in text]
    assert [(row.kind, row.group, row.brand) for row in found.rows] == [
        ("genuine: glare", "s", "acme"),
        ("fake: letter_swap", "t", "not given"),
    ]
    assert found.about == {"Encoder": "none", "Listings": "l.jsonl", "Bootstrap": BY_TWO_SELLERS}


@pytest.mark.parametrize(("base_rate", "supposed"), [(None, 0.25), (0.02, 0.02)])
def test_a_run_says_which_share_of_fakes_its_probabilities_suppose(
    base_rate: float | None, supposed: float, tmp_path: Path
) -> None:
    puppet = Puppet({"a": 0.9, "b": 0.2})
    puppet.calibration, puppet.base_rate = SimpleNamespace(probability=SimpleNamespace(usual=0.25)), base_rate
    path = write(tmp_path / "l.jsonl", {"id": "a", "label": "fake"}, {"id": "b", "label": "genuine"})
    found = evaluate(puppet, path, draws=DRAWS)
    assert found.supposed == supposed
    assert found.about["Probability"] == f"supposes {100 * supposed:g} % fakes; of these listings 50 % are"


def test_listings_without_an_id_are_told_apart_by_their_photos(tmp_path: Path) -> None:
    """By their lines they were compared with other listings, which happened to stand there in the other run's file."""
    genuine = [{"label": "genuine", "photos": photos} for photos in (["1.jpg", "2.jpg"], "3.jpg", ["4.jpg"])]
    first, second, *others = [
        evaluate(Puppet({f"{name}.jsonl:{n}": 0.1 for n in range(1, 4)}), write(tmp_path / f"{name}.jsonl", *rows))
        for name, rows in (("a", genuine), ("b", genuine[1:]), ("a", [{"photos": "5.jpg", "label": "genuine"}]))
    ]
    assert [row.id for row in first.rows] == ["1.jpg|2.jpg", "3.jpg", "4.jpg"]
    assert second.compare(first).listings == 2
    with pytest.raises(cv.InputError, match="share no listing"):
        others[0].compare(first)


def test_rows_and_results_stay_aligned_around_failures(tmp_path: Path) -> None:
    path = write(
        tmp_path / "l.jsonl",
        {"id": "a", "label": "fake"},
        {"id": "gone", "label": "genuine"},
        {"id": "none", "label": "genuine", "photos": []},
        {"id": "a", "label": "genuine"},
        {"id": "b", "label": "genuine"},
    )
    rows = evaluate(Puppet({"a": 0.9, "b": 0.2}), path, draws=DRAWS).rows
    assert [(row.id, row.label, row.risk) for row in rows] == [
        ("a", "fake", 0.9),
        ("gone", "genuine", None),
        ("none", "genuine", None),
        ("a", "genuine", None),
        ("b", "genuine", 0.2),
    ]
    assert rows[1].failure == "decode: gone: no pixels"
    half = cv.Failure("b photo 2", "decode", cv.DecodeError("b photo 2", "no pixels"))
    puppet = Puppet({"a": 0.9, "b": 0.2})
    puppet.failures["b"] = (half,)
    failures = evaluate(puppet, path, draws=DRAWS).failures
    assert [failure.id for failure in failures] == ["gone", "none", "a", "b photo 2"]
    assert failures[-1] is half
    assert "has no photos" in rows[2].failure
    assert "stands twice" in rows[3].failure


def test_what_a_genuine_listing_shows_is_compared_with_what_the_verdict_names(tmp_path: Path) -> None:
    path = write(
        tmp_path / "l.jsonl",
        {"id": "a", "label": "genuine", "product": "bag"},
        {"id": "b", "label": "genuine", "shows": "bag"},
        {"id": "c", "label": "genuine", "shows": "belt"},
        {"id": "d", "label": "fake", "shows": "belt"},
        {"id": "e", "label": "genuine"},
    )
    puppet = Puppet(dict.fromkeys("abcde", 0.1), product="bag")
    assert [row.misnamed for row in evaluate(puppet, path, draws=DRAWS).rows] == [False, False, True, False, False]
    assert [item.product for item in puppet.given] == ["bag", None, None, None, None]
    accented = write(tmp_path / "m.jsonl", {"id": "a", "label": "genuine", "product": "caf\u00e9"})
    (row,) = evaluate(Puppet({"a": 0.1}, product="cafe\u0301"), accented, draws=DRAWS).rows
    assert not row.misnamed  # the same text, an accent being a letter of its own


def twins(references: list[cv.Reference]) -> list[cv.Reference]:
    """The same products of the other brand."""
    return [
        dataclasses.replace(row, brand="zeta" if row.brand == "acme" else "acme", id=f"{row.id} twin")
        for row in references
    ]


def test_the_product_that_a_listing_shows_is_known_by_its_brand_and_however_it_is_spelt(
    tmp_path: Path, references: list[cv.Reference], tiny_encoder: Encoder
) -> None:
    puppet = Puppet(dict.fromkeys("abcdef", 0.1), product="bag")
    with pytest.warns(RuntimeWarning, match="should be looked at"):  # the twins' photos are the same
        puppet.catalog = cv.Catalog.build([*references, *twins(references)], encoder=tiny_encoder)
    puppet.brand = "acme"
    path = write(
        tmp_path / "l.jsonl",
        {"id": "a", "label": "genuine", "product": "Bag ", "brand": "ACME"},
        {"id": "b", "label": "genuine", "shows": "B ag"},
        {"id": "c", "label": "genuine", "product": "BAG", "brand": "unheard of"},
        {"id": "d", "label": "genuine", "product": "bag", "brand": "Zeta"},
        {"id": "e", "label": "genuine", "shows": "cap"},
        {"id": "f", "label": "fake", "product": "bag", "brand": "zeta"},
    )
    misnamed = [row.misnamed for row in evaluate(puppet, path, draws=DRAWS).rows]
    assert misnamed == [False, False, False, True, True, False]


def test_a_brand_or_category_that_is_spelt_in_two_ways_is_one_line_as_the_catalogue_or_the_first_row_spells_it(
    tmp_path: Path, tree_catalog: cv.Catalog
) -> None:
    path = write(
        tmp_path / "l.jsonl",
        {"id": "a", "label": "genuine", "brand": "ACME", "category": "Bag"},
        {"id": "b", "label": "fake", "brand": "acme", "category": "bag"},
        {"id": "c", "label": "genuine", "brand": "Nova One"},
        {"id": "d", "label": "fake", "brand": "NOVA ONE"},
    )
    puppet = Puppet(dict.fromkeys("abcd", 0.1))
    puppet.catalog = tree_catalog
    run = evaluate(puppet, path, draws=DRAWS, group="Brand")
    assert [row.group for row in run.rows] == ["acme", "acme", "Nova One", "Nova One"]
    assert run.about["Bootstrap"].startswith("50 draws of 2 groups (brand)")
    tables = run.tables
    assert [(line.name, line.listings) for line in tables["brand"]] == [("Nova One", 2), ("acme", 2)]
    assert [(line.name, line.listings) for line in tables["category"]] == [("Bag", 2), ("not given", 2)]


def test_the_place_of_a_product_is_that_of_its_brands_own_where_the_file_tells_the_brand(
    tmp_path: Path, references: list[cv.Reference], tiny_encoder: Encoder
) -> None:
    puppet = Puppet(dict.fromkeys("abcde", 0.1))
    with pytest.warns(RuntimeWarning, match="should be looked at"):  # the twins' photos are the same
        puppet.catalog = cv.Catalog.build([*references, *twins(references)], encoder=tiny_encoder)
    bag = next(row for row in references if row.product == "bag")
    puppet.nearest = ("r11", f"{bag.id} twin", bag.id)
    path = write(
        tmp_path / "l.jsonl",
        {"id": "a", "label": "genuine", "product": "bag", "brand": "acme"},
        {"id": "b", "label": "genuine", "shows": "bag"},
        {"id": "c", "label": "genuine", "shows": "bag", "brand": "unheard of"},
        {"id": "d", "label": "genuine", "shows": "cap"},
        {"id": "e", "label": "fake", "product": "bag"},
    )
    assert [row.place for row in evaluate(puppet, path, draws=DRAWS).rows] == [3, 2, 2, 0, None]


@pytest.mark.parametrize(
    ("row", "options", "said"),
    [
        ({"id": "a"}, {}, r"l\.jsonl:1: column 'label' is missing or empty; the row has photos, id$"),
        ({"id": "a", "label": "Fake"}, {}, "label='Fake'"),
        ({"id": "a", "label": "fake"}, {"group": "seller"}, "column 'seller', to group by, is missing"),
    ],
)
def test_rows_that_are_not_labelled_are_refused_before_any_work(
    row: dict, options: dict, said: str, tmp_path: Path
) -> None:
    puppet = Puppet({})
    with pytest.raises(cv.ManifestError, match=said):
        evaluate(puppet, write(tmp_path / "l.jsonl", row), **options)
    assert puppet.given == []


@pytest.mark.parametrize("between", [";", "\t"])
def test_other_signs_between_cells_are_said_to_be_the_fault(between: str, tmp_path: Path) -> None:
    path = tmp_path / "l.csv"
    path.write_text(f"id{between}photos{between}label\na{between}a.jpg{between}genuine\n")
    with pytest.raises(cv.ManifestError, match=r"column 'label' is missing or empty; .* \(separate cells by commas\)"):
        evaluate(Puppet({}), path)


@pytest.mark.parametrize(("name", "text"), [("l.jsonl", ""), ("l.csv", "id,photos,label\n")])
def test_a_file_without_listings_is_refused(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(cv.ManifestError, match="holds no listings"):
        evaluate(Puppet({}), tmp_path / name)


def test_a_lot_is_one_group_however_its_number_is_written(tmp_path: Path) -> None:
    path = write(tmp_path / "l.jsonl", *({"id": str(n), "label": "fake", "lot": lot} for n, lot in enumerate([7, 7.0])))
    assert [row.group for row in evaluate(Puppet({}), path, group="lot").rows] == ["7", "7"]


def test_columns_of_labelled_listings_may_be_in_other_letters(tmp_path: Path) -> None:
    row = {"id": "a", "label": "fake", "attack": "swap", "seller": "s", "brand": "acme", "category": "bags"}
    plain = write(tmp_path / "l.jsonl", row)
    titled = write(tmp_path / "t.jsonl", row)
    titled.write_text(json.dumps({name.upper(): value for name, value in json.loads(titled.read_text()).items()}))
    said = [evaluate(Puppet({}), plain, group="seller").rows, evaluate(Puppet({}), titled, group="SELLER").rows]
    assert said[0] == said[1]
    assert said[0][0].group == "s"
    without = write(tmp_path / "w.jsonl", {"label": "fake", "photos": ["a.jpg"]})
    run = evaluate(Puppet({}), without, group="ID", draws=DRAWS)
    assert [row.group for row in run.rows] == ["a.jpg"]
    assert run.about["Bootstrap"].startswith("50 draws of 0 listings;")


def heat(y: int, x: int) -> np.ndarray:
    values = np.zeros((8, 8), np.float32)
    values[y, x] = 1
    return values


def test_peaks_are_looked_for_in_the_mask_and_a_patch_around_it(tmp_path: Path) -> None:
    change, product, large = np.zeros((3, 80, 80), np.uint8)
    change[40:50, 40:50] = 255
    product[:, 20:] = 255
    large[:40] = 255
    for name, mask in (("change", change), ("product", product), ("large", large)):
        Image.fromarray(mask).save(tmp_path / f"{name}.png")
    fake = {"label": "fake", "mask": "change.png", "product_mask": "product.png"}
    path = write(
        tmp_path / "l.jsonl",
        {"id": "inside"} | fake,
        {"id": "beside"} | fake,
        {"id": "away"} | fake,
        {"id": "missed"} | fake,
        {"id": "large"} | fake | {"mask": "large.png"},
        {"id": "unread"} | fake,
        {"id": "plain", "label": "fake"},
        {"id": "genuine", "label": "genuine"},
    )
    maps = {"inside": heat(4, 4), "beside": heat(2, 4), "away": heat(1, 4), "missed": heat(4, 4), "large": heat(0, 0)}
    maps["unread"] = heat(4, 4)
    risks = dict.fromkeys(maps, 0.9) | {"missed": 0.1, "plain": 0.9, "genuine": 0.9}
    puppet = Puppet(risks, maps)
    puppet.failures = {"unread": (cv.Failure("unread", "decode", cv.DecodeError("unread photo 1", "no pixels")),)}
    found = evaluate(puppet, path, draws=DRAWS)
    assert {row.id: row.peak for row in found.rows} == {
        "inside": True,
        "beside": True,  # row 2 of 8 is pixel 25, the change begins at 40, a patch of a grid of 4 is 20 pixels
        "away": False,
        "missed": None,
        "large": None,
        "unread": None,  # the mask is of the first photo, and one was not read
        "plain": None,
        "genuine": None,
    }
    assert found.figures["peak_in_mask"].value == pytest.approx(2 / 3)
    assert found.peak_by_chance == pytest.approx(50 * 50 / (80 * 60))


def test_a_peak_on_a_photo_that_is_no_square_is_looked_for_where_it_is(tmp_path: Path) -> None:
    """80 pixels high, 160 wide; the change is on the right, a patch of a grid of 4 is 40 pixels of the long side."""
    change = np.zeros((80, 160), np.uint8)
    change[0:10, 150:160] = 255
    Image.fromarray(change).save(tmp_path / "change.png")
    maps = {id: np.zeros((4, 8), np.float32) for id in ("on", "below", "left")}
    maps["on"][0, 7] = maps["below"][2, 7] = maps["left"][3, 0] = 1
    path = write(tmp_path / "l.jsonl", *({"id": id, "label": "fake", "mask": "change.png"} for id in maps))
    found = evaluate(Puppet(dict.fromkeys(maps, 0.9), maps), path, draws=DRAWS)
    assert {row.id: row.peak for row in found.rows} == {"on": True, "below": False, "left": False}
    assert found.peak_by_chance == pytest.approx(50 * 50 / (80 * 160))


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ({"mask": "none.png"}, r"l\.jsonl:2: .*none\.png: cannot be read"),
        ({"mask": "broken.png"}, r"l\.jsonl:2: .*broken\.png: is not an image"),
        ({"mask": "a.png", "product_mask": "b.png"}, r"l\.jsonl:2: .* different sizes: a\.png 8 x 6, b\.png 16 x 12"),
    ],
)
def test_masks_that_can_not_be_used_are_named_before_anything_is_judged(
    tmp_path: Path, masks: dict, message: str
) -> None:
    Image.new("L", (8, 6)).save(tmp_path / "a.png")
    Image.new("L", (16, 12)).save(tmp_path / "b.png")
    (tmp_path / "broken.png").write_text("no picture")
    genuine = {"id": "a", "label": "genuine", "mask": "none.png"}  # of which no mask is asked
    puppet = Puppet({"a": 0.1, "b": 0.9}, {"b": heat(4, 4)})
    with pytest.raises(cv.ManifestError, match=message):
        evaluate(puppet, write(tmp_path / "l.jsonl", genuine, {"id": "b", "label": "fake"} | masks), draws=DRAWS)
    assert puppet.given == []


def test_intervals_of_no_draws_are_refused_before_anything_is_judged(tmp_path: Path) -> None:
    with pytest.raises(cv.InputError, match="draws=0: intervals need 1 or more"):
        evaluate(SimpleNamespace(), tmp_path / "labelled.jsonl", draws=0)  # type: ignore[arg-type]


@pytest.mark.parametrize("draws", ["a", None, 1.5, 0])
def test_draws_are_counted_in_whole_numbers(draws: object) -> None:
    with pytest.raises(cv.InputError, match=f"draws={draws!r}: intervals need 1 or more"):
        evaluate(Puppet({}), "listings.csv", draws=draws)  # type: ignore[arg-type]


# --- the whole way ----------------------------------------------------------------------------------------------------


def test_on_a_market_labels_change_the_figures_and_not_the_verdicts(lite: Encoder, tmp_path: Path) -> None:
    market = cv.market.render(tmp_path / "m", brands=1, listings=6, calibration=14, references=1, size=128)
    inspector = cv.Inspector(cv.Catalog.build(market.catalogue, encoder=lite)).calibrate(market.calibration, alpha=0.2)
    found = evaluate(inspector, market.listings, draws=DRAWS)
    verdicts = list(inspector.inspect(market.listings))
    assert [row.risk for row in found.rows] == [verdict.risk for verdict in verdicts]
    assert found.about["Listings"] == "listings.jsonl"
    assert "Alarm level" in found.about
    rows = [json.loads(line) for line in market.listings.read_text().splitlines()]
    other = {"genuine": "fake", "fake": "genuine"}
    flipped = market.folder / "flipped.jsonl"
    flipped.write_text("".join(json.dumps(row | {"label": other[row["label"]]}) + "\n" for row in rows))
    turned = evaluate(inspector, flipped, draws=DRAWS)
    assert [row.decision for row in turned.rows] == [row.decision for row in found.rows]
    assert turned.figures["auroc"].value == pytest.approx(1 - found.figures["auroc"].value)


def test_on_a_market_recall_is_that_of_a_search_whatever_a_listing_claims(lite: Encoder, tmp_path: Path) -> None:
    market = cv.market.render(tmp_path / "m", brands=2, listings=8, calibration=14, references=2, size=96)
    catalog = cv.Catalog.build(market.catalogue, encoder=lite)
    inspector = cv.Inspector(catalog, [Similarity(), Product()]).calibrate(market.calibration, alpha=0.2)
    rows = [json.loads(line) for line in market.listings.read_text().splitlines()]
    genuine = [row | {"shows": row["product"]} for row in rows if row["label"] == "genuine"]
    products = sorted(set(catalog.products.tolist()))
    claims = [
        genuine,
        [{**row, "product": products[products.index(row["product"]) - 1]} for row in genuine],
        [{name: value for name, value in row.items() if name != "product"} for row in genuine],
    ]
    found = catalog.search([market.folder / row["photos"][0] for row in genuine], k=5)
    truth = [row["shows"] for row in genuine]
    for number, claimed in enumerate(claims):
        path = market.folder / f"claims-{number}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in claimed))
        figures = evaluate(inspector, path, draws=DRAWS).figures
        for k in (1, 5):
            assert figures[f"recall_at_{k}"].value == recall_at_k(found.products, truth, k)
        nearest = [verdict.nearest[:5] for verdict in inspector.stream(path)]
        assert nearest == [tuple(row) for row in found.ids.tolist()]
    assert "nearest" not in next(inspector.stream(path)).to_dict()
    absent = market.folder / "absent.jsonl"
    absent.write_text("".join(json.dumps(row | {"shows": "of nobody"}) + "\n" for row in genuine))
    assert "recall_at_1" not in evaluate(inspector, absent, draws=DRAWS).figures
