"""`prices import`: what is taken in, and what is refused and why."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from price_lists import GOOD, SHAPES, SPOT, TODAY, YEAR, ids, load, write

from optimiser.errors import UsageError
from optimiser.prices.import_csv import import_prices
from optimiser.prices.snapshot import read_offers_csv
from providers.offer import Tier


def test_prices_keep_their_decimals_and_lose_needless_zeros(tmp_path: Path) -> None:
    report = load(tmp_path, GOOD, {**SPOT, "usd_per_hour": "0.1000"})
    offers, missing = read_offers_csv(report.destination)
    assert (report.imported, report.missing, report.replaced, missing) == (2, 0, 0, [])
    assert {offer.tier: offer.usd_per_hour for offer in offers} == {
        Tier.ON_DEMAND: Decimal("98.32"),
        Tier.SPOT: Decimal("0.1"),
    }
    text = report.destination.read_text(encoding="utf-8")
    assert ",98.32," in text
    assert ",0.1," in text


def test_the_wider_columns_are_read_under_their_other_names(tmp_path: Path) -> None:
    wide = {
        "provider": "acme",
        "region": "north",
        "region_kind": "government",
        "instance_type": "big",
        "gpu_name": "H100",
        "gpu_count": "8.0",
        "gpu_memory_gb_each": "80",
        "vcpus": "96.0",
        "memory_gb": "1900.0",
        "tier": "reserved",
        "commitment": "reserved_instance",
        "term_months": "36",
        "payment_option": "all_upfront",
        "usd_per_hour": "0.0",
        "upfront_usd": "543865.99",
        "amortised_usd_per_hour": "20.695053",
        "as_of_date": "2025-11-30",
        "date_is_lower_bound": "True",
        "source": "a dump",
        "notes": "effective hourly",
    }
    report = load(tmp_path, wide)
    (offer,), _ = read_offers_csv(report.destination)
    assert (offer.kind, offer.payment, offer.term_months) == ("reserved_instance", "all_upfront", 36)
    assert (offer.usd_per_hour, offer.upfront_usd) == (Decimal(0), Decimal("543865.99"))
    assert (offer.observed_on, offer.observed_on_is_lower_bound) == (date(2025, 11, 30), True)
    assert offer.region_kind == "government"


@pytest.mark.parametrize(
    ("column", "value"),
    [("gpu_count", "4"), ("gpu_memory_gb_each", "40"), ("vcpus", "48"), ("memory_gb", "1")],
)
def test_a_row_about_other_hardware_is_skipped_with_its_reason(
    tmp_path: Path, column: str, value: str
) -> None:
    report = load(tmp_path, {**GOOD, column: value}, SPOT)
    assert report.skipped_by_reason == {f"{column} differs from config/instances (big)": 1}
    assert ids(tmp_path) == {"acme/north/a/big/spot"}


def test_other_providers_and_unknown_types_are_skipped_and_counted(tmp_path: Path) -> None:
    foreign, unknown = {**GOOD, "provider": "other"}, {**GOOD, "instance_type": "huge", "usd_per_hour": "x"}
    report = load(tmp_path, GOOD, foreign, foreign, unknown)
    assert report.imported == 1
    assert report.unknown_instance_types == ("huge",)
    assert report.skipped_by_reason == {
        "another provider": 2,
        "instance type not in config/instances": 1,
    }


def test_a_file_without_a_provider_column_is_the_named_provider_s(tmp_path: Path) -> None:
    row = {name: value for name, value in GOOD.items() if name != "provider"}
    assert load(tmp_path, row).imported == 1
    assert ids(tmp_path) == {"acme/north/big/on_demand"}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"usd_per_hour": "-1"}, ["usd_per_hour = '-1'"]),
        ({"usd_per_hour": "NaN"}, ["usd_per_hour = 'NaN'"]),
        ({"usd_per_hour": "inf"}, ["usd_per_hour = 'inf'"]),
        ({"usd_per_hour": "1,5"}, ["usd_per_hour = '1,5'"]),
        ({"usd_per_hour": "1_0"}, ["usd_per_hour = '1_0'"]),
        ({"usd_per_hour": "1e999999999"}, ["usd_per_hour", "at most"]),
        ({"usd_per_hour": "1e-40"}, ["usd_per_hour", "at most 18 decimals"]),
        ({"usd_per_hour": "0"}, ["usd_per_hour = '0'", "never 0"]),
        ({"usd_per_hour": ""}, ["usd_per_hour = ''", "missing_reason"]),
        ({"missing_reason": "gone"}, ["missing_reason = 'gone'", "not both"]),
        ({"tier": "ondemand"}, ["tier = 'ondemand'", "did you mean on_demand?"]),
        ({"observed_on": "2026-13-01"}, ["observed_on = '2026-13-01'", "2026-11-09"]),
        ({"observed_on": "20261109"}, ["observed_on = '20261109'"]),
        ({"observed_on": "2026-11-22"}, ["observed_on = '2026-11-22'", "future"]),
        ({"upfront_usd": "100"}, ["upfront_usd = '100'", "needs term_months"]),
        ({"zone": "a"}, ["zone = 'a'", "only spot has zones"]),
        ({"valid_until": "2026-11-20"}, ["valid_until = '2026-11-20'", "has passed"]),
        ({"valid_until": "soon"}, ["valid_until = 'soon'"]),
        ({"max_instances": "0"}, ["max_instances = '0'"]),
        ({"max_instances": "2.5"}, ["max_instances = '2.5'"]),
        ({"term_months": "12"}, ["term_months = '12'", "on_demand"]),
        ({"kind": "savings_plan"}, ["kind = 'savings_plan'", "reserved tier"]),
        ({"region": ""}, ["region = ''", "not be blank"]),
        ({"region": "a/b"}, ["region = 'a/b'", "slash"]),
        ({"source": ""}, ["source = ''"]),
        ({"instance_type": ""}, ["instance_type = ''"]),
        ({"region_kind": "goverment"}, ["region_kind", "did you mean government?"]),
        ({"observed_on_is_lower_bound": "perhaps"}, ["observed_on_is_lower_bound = 'perhaps'"]),
        ({"gpu_count": "eight"}, ["gpu_count = 'eight'"]),
        ({"amortised_usd_per_hour": "98.0"}, ["amortised_usd_per_hour = '98.0'", "0.1 %"]),
        ({**YEAR, "term_months": ""}, ["term_months = ''", "reserved price needs its term"]),
        ({**YEAR, "term_months": "-12"}, ["term_months = '-12'"]),
        ({**YEAR, "kind": ""}, ["kind = ''", "reserved_instance"]),
        ({**YEAR, "payment": "all_upfront"}, ["payment = 'all_upfront'", "mean no_upfront"]),
        ({**YEAR, "payment": "later"}, ["payment = 'later'"]),
        ({**YEAR, "usd_per_hour": "0", "upfront_usd": "0"}, ["usd_per_hour = '0'", "never 0"]),
        ({"usd_per_hour": "0.00001"}, ["usd_per_hour = '0.00001'", "a test server's"]),
        ({"observed_on": "2006-01-01"}, ["observed_on = '2006-01-01'", "2020 or later"]),
    ],
)
def test_a_malformed_row_is_named_and_nothing_is_written(
    tmp_path: Path, row: dict[str, str], words: list[str]
) -> None:
    load(tmp_path, GOOD)
    before = (tmp_path / "acme.csv").read_bytes()
    other = {**GOOD, "region": "south"}
    with pytest.raises(UsageError) as caught:
        load(tmp_path, other, {**GOOD, **row})
    for word in ["list.csv line 3", "nothing was imported", *words]:
        assert word in str(caught.value)
    assert (tmp_path / "acme.csv").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["acme.csv", "list.csv"]


def test_several_bad_rows_are_listed_together(tmp_path: Path) -> None:
    bad = [{**GOOD, "region": f"r{number}", "usd_per_hour": "-1"} for number in range(11)]
    with pytest.raises(UsageError) as caught:
        load(tmp_path, *bad)
    message = str(caught.value)
    assert "11 bad rows, nothing was imported" in message
    assert "line 2:" in message
    assert "and 3 more" in message
    assert not (tmp_path / "acme.csv").exists()


@pytest.mark.parametrize("amortised", ["66.84", "66.85", "66.91"])
def test_an_amortised_price_within_a_tenth_of_a_percent_is_accepted(tmp_path: Path, amortised: str) -> None:
    # 60 + 60,000 / 8,760 = 66.849…
    row = {**YEAR, "upfront_usd": "60000", "payment": "partial_upfront", "amortised_usd_per_hour": amortised}
    assert load(tmp_path, row).imported == 1


@pytest.mark.parametrize("amortised", ["66.75", "66.95"])
def test_an_amortised_price_further_away_is_not(tmp_path: Path, amortised: str) -> None:
    row = {**YEAR, "upfront_usd": "60000", "payment": "partial_upfront", "amortised_usd_per_hour": amortised}
    with pytest.raises(UsageError, match=r"66\.849315"):
        load(tmp_path, row)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["is empty"]),
        ("region,region\n", ["'region'", "named twice"]),
        ("provider,region\nacme\n", ["line 2", "1 cells where the header names 2 columns"]),
        ("provider,regio\nacme,x\n", ["column = 'regio'", "did you mean region"]),
        ("provider,region\nacme,x\n", ["column = 'instance_type'", "missing from the header"]),
        ("kind,commitment\na,b\n", ["'commitment'", "means kind", "already"]),
        ('provider\n"acme\n', ["cannot be read as CSV"]),
        (
            "provider,region,instance_type,tier,observed_on,source\nother,a,b,spot,x,y\n",
            ["(in the file: other)"],
        ),
    ],
)
def test_a_file_that_is_no_price_list_is_named(tmp_path: Path, text: str, words: list[str]) -> None:
    file = tmp_path / "list.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        import_prices(file, "acme", SHAPES, tmp_path / "acme.csv", as_of=TODAY)
    for word in ["list.csv", *words]:
        assert word in str(caught.value)


def test_a_file_in_another_encoding_or_none_at_all_is_a_message(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes("source\nCafé\n".encode("latin-1"))
    for name, said in (
        ("list.csv", "cannot be read as CSV: "),
        ("nothing.csv", "cannot be read: No such file"),
    ):
        with pytest.raises(UsageError, match=said):
            import_prices(tmp_path / name, "acme", SHAPES, tmp_path / "acme.csv", as_of=TODAY)


def test_a_provider_without_instance_types_says_what_to_add(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"config/instances/acne\.yaml.*did you mean acme\?"):
        import_prices(write(tmp_path / "list.csv", GOOD), "acne", SHAPES, tmp_path / "x.csv", as_of=TODAY)


def test_a_file_whose_every_row_is_skipped_leaves_what_stands(tmp_path: Path) -> None:
    load(tmp_path, GOOD)
    with pytest.raises(UsageError, match=r"every row of it was skipped: .*1 rows \(huge\)"):
        load(tmp_path, {**GOOD, "instance_type": "huge"}, replace_all=True)
    assert ids(tmp_path) == {"acme/north/big/on_demand"}
