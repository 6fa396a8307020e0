"""`prices import`: keys, contradictions, and how a file merges with the prices that stand."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from price_lists import GOOD, SPOT, YEAR, ids, load

from optimiser.errors import UsageError
from optimiser.prices.snapshot import read_offers_csv
from providers.offer import Tier


def test_a_duplicate_key_names_both_lines(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"line 4: key = .*was given on line 2") as caught:
        load(tmp_path, GOOD, SPOT, {**GOOD, "usd_per_hour": "1"})
    assert "acme/north/big/on_demand" in str(caught.value)


@pytest.mark.parametrize(
    ("quote", "is_price"), [("97.33", True), ("97.3368", False), ("98.32", False), ("120", False)]
)
def test_spot_at_99_percent_of_on_demand_is_missing(tmp_path: Path, quote: str, is_price: bool) -> None:
    # 0.99 × 98.32 = 97.3368
    report = load(tmp_path, {**SPOT, "usd_per_hour": quote}, GOOD)
    offers, missing = read_offers_csv(report.destination)
    assert (len(offers), len(missing), report.missing) == ((2, 0, 0) if is_price else (1, 1, 1))
    if not is_price:
        assert (missing[0].zone, missing[0].tier) == ("a", Tier.SPOT)
        assert f"spot {quote} against on demand 98.32" in missing[0].reason


def test_a_contract_s_on_demand_price_is_no_yardstick_for_spot(tmp_path: Path) -> None:
    report = load(tmp_path, {**GOOD, "usd_per_hour": "30", "contract": "edp"}, SPOT)
    assert report.missing == 0


def test_a_price_and_its_missing_in_one_file_contradict_each_other(tmp_path: Path) -> None:
    gone = {**GOOD, "usd_per_hour": "", "missing_reason": "not on sale"}
    with pytest.raises(UsageError, match="line 3 says that there is no such price"):
        load(tmp_path, GOOD, gone)


def test_merging_replaces_equal_keys_and_keeps_the_others(tmp_path: Path) -> None:
    load(tmp_path, GOOD, SPOT, YEAR)
    report = load(tmp_path, {**GOOD, "usd_per_hour": "90"}, {**GOOD, "region": "south"})
    assert (report.imported, report.replaced) == (2, 1)
    prices = {offer.offer_id: offer.usd_per_hour for offer in read_offers_csv(report.destination)[0]}
    assert prices == {
        "acme/north/big/on_demand": Decimal(90),
        "acme/south/big/on_demand": Decimal("98.32"),
        "acme/north/a/big/spot": Decimal(40),
        "acme/north/big/reserved/reserved_instance/12m/no_upfront": Decimal(60),
    }


def test_replace_all_keeps_nothing(tmp_path: Path) -> None:
    load(tmp_path, GOOD, SPOT)
    report = load(tmp_path, YEAR, replace_all=True)
    assert report.replaced == 0
    assert ids(tmp_path) == {"acme/north/big/reserved/reserved_instance/12m/no_upfront"}


def test_a_contract_stands_beside_the_list_price(tmp_path: Path) -> None:
    load(tmp_path, GOOD)
    contract = {
        **GOOD,
        "usd_per_hour": "70",
        "contract": "edp",
        "max_instances": "4",
        "valid_until": "2027-06-30",
    }
    assert load(tmp_path, contract).replaced == 0
    offers = {offer.contract: offer for offer in read_offers_csv(tmp_path / "acme.csv")[0]}
    assert offers[""].usd_per_hour == Decimal("98.32")
    assert (offers["edp"].max_instances, offers["edp"].valid_until) == (4, date(2027, 6, 30))


def test_a_missing_replaces_list_prices_but_no_contract_and_a_later_price_replaces_it(tmp_path: Path) -> None:
    load(tmp_path, GOOD, {**GOOD, "usd_per_hour": "70", "contract": "edp"})
    gone = {**GOOD, "usd_per_hour": "", "missing_reason": "withdrawn"}
    report = load(tmp_path, gone)
    assert (report.imported, report.missing, report.replaced) == (0, 1, 1)
    assert ids(tmp_path) == {"acme/north/big/on_demand/contract=edp"}
    assert load(tmp_path, GOOD).replaced == 1
    assert ids(tmp_path) == {"acme/north/big/on_demand/contract=edp", "acme/north/big/on_demand"}
    assert read_offers_csv(tmp_path / "acme.csv")[1] == []


def test_importing_twice_changes_nothing(tmp_path: Path) -> None:
    rows = (GOOD, SPOT, YEAR, {**GOOD, "region": "south", "usd_per_hour": "", "missing_reason": "none"})
    load(tmp_path, *rows)
    before = (tmp_path / "acme.csv").read_bytes()
    assert load(tmp_path, *reversed(rows)).replaced == 4
    assert (tmp_path / "acme.csv").read_bytes() == before
