"""The price book: exact money, layering, masking, expiry, and its agreement with the row-by-row reader."""

import csv
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimiser.errors import UsageError
from optimiser.prices.book import PriceBook, load_book
from optimiser.prices.rows import COLUMNS, money_text
from optimiser.prices.snapshot import read_offers_csv, write_offers_csv
from providers.offer import Missing, Offer, Tier

AS_OF = date(2026, 11, 21)
SHAPES = {("acme", "big"), ("acme", "small")}
ROW = {
    "provider": "acme",
    "region": "north",
    "instance_type": "big",
    "tier": "on_demand",
    "usd_per_hour": "2",
    "observed_on": "2026-11-01",
    "source": "list",
}
GONE = {**ROW, "usd_per_hour": "", "missing_reason": "not on sale"}


def write(path: Path, *rows: dict[str, str]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def layered(tmp_path: Path, *layers: list[dict[str, str]]) -> PriceBook:
    files = [write(tmp_path / f"{number}.csv", *rows) for number, rows in enumerate(layers)]
    return load_book(files, SHAPES, AS_OF)


amounts = st.decimals(min_value="0.000001", max_value=5000, places=6)
names = st.sampled_from(["north", "south", "north-east"])


@st.composite
def offers(draw: st.DrawFn) -> Offer:
    tier = draw(st.sampled_from(list(Tier)))
    upfront, hourly, terms = Decimal(0), draw(amounts), {}
    if tier == Tier.RESERVED:
        payment = draw(st.sampled_from(["no_upfront", "partial_upfront", "all_upfront"]))
        upfront = Decimal(0) if payment == "no_upfront" else draw(amounts) * 100
        hourly = Decimal(0) if payment == "all_upfront" else hourly
        kind = draw(st.sampled_from(["reserved_instance", "savings_plan"]))
        terms = {"kind": kind, "term_months": draw(st.sampled_from([1, 12, 36])), "payment": payment}
    return Offer(
        provider="acme",
        region=draw(names),
        region_kind=draw(st.sampled_from(["region", "government", "local_zone"])),
        zone=draw(st.sampled_from(["", "a", "b"])) if tier == Tier.SPOT else "",
        instance_type=draw(st.sampled_from(["big", "small"])),
        tier=tier,
        market=draw(st.sampled_from(["standard", "flex_start", "edp"])),
        contract=draw(st.sampled_from(["", "edp", "standard", "flex_start"])),
        usd_per_hour=hourly,
        upfront_usd=upfront,
        max_instances=draw(st.none() | st.integers(1, 99)),
        valid_until=draw(st.none() | st.dates(AS_OF, AS_OF + timedelta(900))),
        observed_on=draw(st.dates(AS_OF - timedelta(900), AS_OF)),
        observed_on_is_lower_bound=draw(st.booleans()),
        source=draw(st.sampled_from(["list", 'a "quoted", comma list'])),
        **terms,
    )


@settings(max_examples=40)
@given(st.lists(offers(), min_size=1, max_size=12, unique_by=lambda offer: offer.offer_id))
def test_what_is_written_comes_back_exactly_from_reader_and_book(
    tmp_path_factory: pytest.TempPathFactory, written: list[Offer]
) -> None:
    path = tmp_path_factory.mktemp("book") / "acme.csv"
    write_offers_csv(path, written, [])
    by_id = {offer.offer_id: offer for offer in written}
    assert {offer.offer_id: offer for offer in read_offers_csv(path)[0]} == by_id
    book = load_book([path], SHAPES, AS_OF)
    assert set(book.offers.index) == set(by_id)
    for offer_id, offer in by_id.items():
        assert book.offer(offer_id) == offer
        row = book.offers.loc[offer_id]
        assert row["usd_per_hour"] == float(offer.usd_per_hour)
        assert row["amortised_usd_per_hour"] == pytest.approx(float(offer.amortised_usd_per_hour), rel=1e-12)
        assert row["tier"] == offer.tier


def test_a_missing_of_a_local_zone_leaves_its_region_s_price(tmp_path: Path) -> None:
    book = layered(tmp_path, [ROW], [{**GONE, "region_kind": "local_zone"}])
    assert list(book.offers.index) == ["acme/north/big/on_demand"]
    assert list(book.missing["region_kind"]) == ["local_zone"]


def test_a_contract_of_any_name_is_found_again_beside_the_list_price(tmp_path: Path) -> None:
    contract = {**ROW, "contract": "standard", "usd_per_hour": "1"}
    market = {**ROW, "market": "flex_start", "usd_per_hour": "1.5"}
    book = layered(tmp_path, [ROW, contract, market, {**contract, "contract": "flex_start"}])
    prices = {key: book.offer(key).usd_per_hour for key in book.offers.index}
    assert prices == {
        "acme/north/big/on_demand": 2,
        "acme/north/big/on_demand/contract=standard": 1,
        "acme/north/big/on_demand/market=flex_start": Decimal("1.5"),
        "acme/north/big/on_demand/contract=flex_start": 1,
    }


@settings(max_examples=40)
@given(
    st.lists(
        st.dictionaries(
            st.tuples(names, st.sampled_from(["", "edp"])), st.none() | amounts, min_size=1, max_size=5
        ),
        min_size=1,
        max_size=4,
    )
)
def test_layers_follow_the_rule_that_the_last_word_stands(
    tmp_path_factory: pytest.TempPathFactory, layers: list[dict[tuple[str, str], Decimal | None]]
) -> None:
    standing: dict[tuple[str, str], Decimal] = {}
    gone: set[str] = set()
    files = []
    folder = tmp_path_factory.mktemp("layers")
    for number, layer in enumerate(layers):
        rows = []
        for (region, contract), amount in layer.items():
            if amount is not None:
                rows.append({**ROW, "region": region, "contract": contract, "usd_per_hour": f"{amount:f}"})
                standing[region, contract] = amount
                gone -= {region} if not contract else set()
            elif not contract:
                rows.append({**GONE, "region": region})
                standing.pop((region, ""), None)
                gone.add(region)
        files.append(write(folder / f"{number}.csv", *rows))
    book = load_book(files, SHAPES, AS_OF)
    expected = {
        f"acme/{region}/big/on_demand{'/contract=edp' * bool(contract)}" for region, contract in standing
    }
    assert set(book.offers.index) == expected
    for (region, contract), amount in standing.items():
        assert (
            book.offer(f"acme/{region}/big/on_demand{'/contract=edp' * bool(contract)}").usd_per_hour
            == amount
        )
    assert set(book.missing["region"]) == gone


def test_money_text_is_exact_and_plain() -> None:
    texts = {"98.3200": "98.32", "0.0": "0", "100": "100", "1E+3": "1000", "0.00000001": "0.00000001"}
    assert {text: money_text(Decimal(text)) for text in texts} == texts


def test_a_later_layer_replaces_and_says_where_the_price_is_from(tmp_path: Path) -> None:
    book = layered(tmp_path, [ROW, {**ROW, "region": "south"}], [{**ROW, "usd_per_hour": "1.10"}])
    replaced = book.offers.loc["acme/north/big/on_demand"]
    assert (replaced["usd_per_hour"], replaced["line"]) == (1.1, 2)
    assert replaced["file"].endswith("1.csv")
    assert book.offers.loc["acme/south/big/on_demand", "line"] == 3


@pytest.mark.parametrize(
    ("lower", "upper", "usd", "noted"),
    [
        ([ROW], [{**ROW, "usd_per_hour": "1", "observed_on": "2026-11-22"}], [2.0], False),
        ([ROW], [{**ROW, "usd_per_hour": "1", "observed_on": "2026-11-21"}], [1.0], False),
        ([], [{**ROW, "usd_per_hour": "1", "observed_on": "2026-11-22"}], [1.0], True),
        ([ROW], [{**GONE, "observed_on": "2026-11-22"}], [2.0], False),
        ([GONE], [{**ROW, "usd_per_hour": "1", "observed_on": "2026-11-22"}], [], False),
    ],
    ids=["older known", "of the day", "none older", "gone later", "not on sale then"],
)
def test_what_was_seen_after_the_day_counts_only_where_nothing_older_is_known(
    tmp_path: Path, lower: list[dict[str, str]], upper: list[dict[str, str]], usd: list[float], noted: bool
) -> None:
    found = layered(tmp_path, lower, upper)
    assert list(found.offers["usd_per_hour"]) == usd
    said = "1 of 1 prices in force are later than 2026-11-21 (2026-11-22): none from before is known in their place"
    assert found.notes == ((said,) if noted else ())


def test_within_one_file_the_price_stands_against_its_missing(tmp_path: Path) -> None:
    book = layered(tmp_path, [ROW, GONE])
    assert (list(book.offers["usd_per_hour"]), len(book.missing)) == ([2.0], 0)


def test_an_expired_offer_moves_to_missing_and_the_list_price_stays(tmp_path: Path) -> None:
    contract = {**ROW, "contract": "edp", "usd_per_hour": "1", "valid_until": "2026-11-20"}
    book = layered(tmp_path, [ROW, contract])
    assert list(book.offers.index) == ["acme/north/big/on_demand"]
    assert list(book.missing["reason"]) == ["the contract's or quote's valid_until is before 2026-11-21"]
    on_its_last_day = load_book([tmp_path / "0.csv"], SHAPES, date(2026, 11, 20))
    assert len(on_its_last_day.offers) == 2


def test_a_type_without_a_shape_is_missing_not_an_offer(tmp_path: Path) -> None:
    book = layered(tmp_path, [ROW, {**ROW, "instance_type": "huge"}])
    assert list(book.offers["instance_type"]) == ["big"]
    assert list(book.missing["reason"]) == ["the instance type is not in config/instances"]


def test_an_unknown_offer_is_a_message(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'acme/south': not in the price book of 2026-11-21"):
        layered(tmp_path, [ROW]).offer("acme/south")


def test_no_price_file_at_all_says_how_to_get_one() -> None:
    with pytest.raises(UsageError, match="optimiser prices import"):
        load_book([], SHAPES, AS_OF)


def test_columns_may_be_left_out_and_stand_at_their_defaults(tmp_path: Path) -> None:
    path = tmp_path / "acme.csv"
    path.write_text(",".join(ROW) + "\n" + ",".join(ROW.values()) + "\n", encoding="utf-8")
    offer = load_book([path], SHAPES, AS_OF).offer("acme/north/big/on_demand")
    assert (offer.market, offer.region_kind, offer.upfront_usd, offer.max_instances) == (
        "standard",
        "region",
        0,
        None,
    )


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = write(tmp_path / "acme.csv", ROW)
    before = path.read_bytes()
    (offer,), _ = read_offers_csv(path)
    with pytest.raises(UnicodeEncodeError):
        write_offers_csv(path, [offer], [_unwritable(offer)])
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["acme.csv"]


def _unwritable(offer: Offer) -> Missing:
    return Missing(
        provider="acme",
        region="north",
        region_kind="region",
        zone="",
        instance_type="small",
        tier=Tier.SPOT,
        reason="\udcff",
        observed_on=offer.observed_on,
        source="list",
    )
