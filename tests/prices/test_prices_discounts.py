"""Agreed discounts: exact amounts beside the list price, under the contract's name."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from price_lists import GOOD, SHAPES, SPOT, YEAR, write

from optimiser.config import load_config
from optimiser.errors import UsageError
from optimiser.prices.book import PriceBook, load_book
from optimiser.prices.discounts import Discount
from providers.offer import Tier

DAY = date(2026, 11, 21)
EDP = Discount(name="edp-2026", provider="acme", percent=Decimal("12.5"), tiers=(Tier.ON_DEMAND,))
UPFRONT = {**YEAR, "usd_per_hour": "10", "upfront_usd": "1000"}


def book(folder: Path, rows: list[dict[str, str]], *discounts: Discount) -> PriceBook:
    return load_book([write(folder / "own.csv", *rows)], SHAPES, DAY, discounts=discounts)


def reserved(**fields: object) -> Discount:
    return Discount(
        **{"name": "edp", "provider": "acme", "percent": Decimal(10), "tiers": (Tier.RESERVED,), **fields}
    )


def test_an_eighth_off_98_32_is_86_03_beside_the_list_price(tmp_path: Path) -> None:
    found = book(tmp_path, [GOOD, SPOT], EDP)
    offer = found.offer("acme/north/big/on_demand/contract=edp-2026")
    assert (offer.usd_per_hour, offer.contract) == (Decimal("86.03"), "edp-2026")
    assert offer.source == "the price page, less 12.5 % by edp-2026"
    assert found.offer("acme/north/big/on_demand").usd_per_hour == Decimal("98.32")
    assert len(found.offers) == 3


def test_an_upfront_payment_shrinks_by_the_same_share_and_so_does_the_amortised_price(tmp_path: Path) -> None:
    found = book(tmp_path, [UPFRONT], reserved())
    offer = found.offer("acme/north/big/reserved/reserved_instance/12m/partial_upfront/contract=edp")
    assert (offer.usd_per_hour, offer.upfront_usd) == (Decimal(9), Decimal(900))
    assert found.offers.loc[offer.offer_id, "amortised_usd_per_hour"] == pytest.approx(9 + 900 / 8760)


def test_patterns_choose_families_and_regions(tmp_path: Path) -> None:
    rows = [GOOD, {**GOOD, "instance_type": "small"}, {**GOOD, "region": "south"}]
    by_family = Discount(**{**vars(EDP), "instance_types": ("sm*",)})
    assert "acme/north/small/on_demand/contract=edp-2026" in book(tmp_path, rows, by_family).offers.index
    assert len(book(tmp_path, rows, by_family).offers) == 4
    by_region = Discount(**{**vars(EDP), "regions": ("south", "west")})
    assert len(book(tmp_path, rows, by_region).offers) == 4


def test_a_contract_or_another_market_is_not_discounted_again(tmp_path: Path) -> None:
    rows = [{**GOOD, "contract": "private"}, {**GOOD, "market": "capacity_block"}]
    found = book(tmp_path, rows, EDP)
    assert len(found.offers) == 2
    assert found.notes == ("the discount 'edp-2026' of settings.yaml applies to no list price",)


def test_a_price_of_its_own_under_the_contract_beats_the_percentage(tmp_path: Path) -> None:
    found = book(tmp_path, [GOOD, {**GOOD, "contract": "edp-2026", "usd_per_hour": "80"}], EDP)
    assert found.offer("acme/north/big/on_demand/contract=edp-2026").usd_per_hour == Decimal(80)
    assert found.notes == ()


def test_it_ends_with_the_agreement_or_with_the_quote_whichever_is_first(tmp_path: Path) -> None:
    ending = Discount(**{**vars(EDP), "valid_until": date(2027, 6, 30)})
    rows = [GOOD, {**GOOD, "region": "south", "valid_until": "2026-12-31"}]
    found = book(tmp_path, rows, ending)
    ends = {
        region: found.offer(f"acme/{region}/big/on_demand/contract=edp-2026").valid_until
        for region in ("north", "south")
    }
    assert ends == {"north": date(2027, 6, 30), "south": date(2026, 12, 31)}
    over = Discount(**{**vars(EDP), "valid_until": date(2026, 11, 20)})
    ended = book(tmp_path, [GOOD], over)
    assert len(ended.offers) == 1
    assert ended.notes == ("the discount 'edp-2026' of settings.yaml ended on 2026-11-20",)


def settings(folder: Path, text: str) -> Path:
    (folder / "settings.yaml").write_text(f"discounts:\n  edp: {text}\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("until", ["2027-06-30", "'2027-06-30'"])
def test_the_settings_say_which(tmp_path: Path, until: str) -> None:
    what = "tiers: [on_demand, reserved], instance_types: [p5.*]"
    text = f"{{provider: aws, percent: 9, {what}, valid_until: {until}}}"
    (found,) = load_config(settings(tmp_path, text)).settings.discounts
    assert found == Discount(
        name="edp",
        provider="aws",
        percent=Decimal(9),
        tiers=(Tier.ON_DEMAND, Tier.RESERVED),
        instance_types=("p5.*",),
        valid_until=date(2027, 6, 30),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{percent: 9, tiers: [on_demand]}", "provider = null"),
        ("{provider: aws, percent: 0.0, tiers: [spot]}", "percent = 0.0: above 0 and at most 90"),
        (
            "{provider: aws, percent: 91, tiers: [spot]}",
            "percent = 91: above 0 and at most 90: what is taken off",
        ),
        ("{provider: aws, percent: '9', tiers: [spot]}", "percent = '9'"),
        ("{provider: aws, percent: 9}", "name the tiers"),
        ("{provider: aws, percent: 9, tiers: [sport]}", "did you mean spot?"),
        ("{provider: aws, percent: 9, tiers: spot}", "a list of names"),
        ("{provider: aws, percent: 9, tiers: [spot], valid_until: soon}", "valid_until = 'soon'"),
        ("{provider: aws, percent: 9, tiers: [spot], minus: 1}", "unknown field 'minus'"),
    ],
)
def test_a_discount_that_makes_no_sense_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_config(settings(tmp_path, text))
    assert said in str(caught.value)
    assert "discounts.edp" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("live_prices: {warn_after_hours: {sport: 1}}", "did you mean spot?"),
        (
            "live_prices: {warn_after_hours: {spot: 0}}",
            "live_prices.warn_after_hours.spot = 0: hours above 0",
        ),
        ("live_prices: {refuse_after_hours: never}", "live_prices.refuse_after_hours = 'never'"),
        ("store: {url: 5}", "store.url = 5"),
        ("store: {uri: x}", "unknown field 'uri'"),
    ],
)
def test_limits_and_store_that_make_no_sense_are_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "settings.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"settings\.yaml") as caught:
        load_config(tmp_path)
    assert said in str(caught.value)


def test_the_limits_shipped_are_those_the_readme_promises() -> None:
    limits = load_config().settings.live_prices
    assert limits.warn_after_hours == {"on_demand": 36, "spot": 6, "reserved": 36}
    assert limits.refuse_after_hours == 168
