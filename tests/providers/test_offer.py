"""Offers: their key and their amortised price."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.offer import Offer, Tier


def offer(**changes: object) -> Offer:
    fields: dict[str, object] = {
        "provider": "aws",
        "region": "us-east-1",
        "region_kind": "region",
        "zone": "",
        "instance_type": "p5.48xlarge",
        "tier": Tier.ON_DEMAND,
        "usd_per_hour": Decimal("55.04"),
        "observed_on": date(2026, 11, 9),
        "source": "a price list",
    }
    return Offer(**{**fields, **changes})  # type: ignore[arg-type]


def test_amortised_price_is_the_hourly_price_where_nothing_is_paid_upfront() -> None:
    assert offer().amortised_usd_per_hour == Decimal("55.04")


@pytest.mark.parametrize(("months", "hours"), [(12, 8760), (36, 26280), (6, 4380)])
def test_amortised_price_spreads_the_upfront_over_the_hours_of_the_term(months: int, hours: int) -> None:
    bought = offer(
        tier=Tier.RESERVED, term_months=months, usd_per_hour=Decimal("1.5"), upfront_usd=Decimal(hours) * 2
    )
    assert bought.amortised_usd_per_hour == Decimal("3.5")


def test_the_published_azure_reservation_total_amortises_to_its_published_hourly_rate() -> None:
    # ND96isr H100 v5, one year: 551,221 USD for the term is listed as 62.92 USD per hour.
    year = offer(tier=Tier.RESERVED, term_months=12, usd_per_hour=Decimal(0), upfront_usd=Decimal(551221))
    assert round(year.amortised_usd_per_hour, 2) == Decimal("62.92")


def test_offer_id_names_what_distinguishes_two_prices_and_leaves_out_what_is_standard() -> None:
    assert offer().offer_id == "aws/us-east-1/p5.48xlarge/on_demand"
    assert offer(tier=Tier.SPOT, zone="use1-az4").offer_id == "aws/us-east-1/use1-az4/p5.48xlarge/spot"
    reserved = offer(
        tier=Tier.RESERVED, kind="reserved_instance", term_months=36, payment="all_upfront", contract="edp"
    )
    assert (
        reserved.offer_id
        == "aws/us-east-1/p5.48xlarge/reserved/reserved_instance/36m/all_upfront/contract=edp"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"provider": "gcp"},
        {"region": "us-west-2"},
        {"zone": "use1-az1", "tier": Tier.SPOT},
        {"instance_type": "p5.4xlarge"},
        {"tier": Tier.SPOT},
        {"market": "capacity_block"},
        {"kind": "savings_plan"},
        {"term_months": 12},
        {"payment": "no_upfront"},
        {"contract": "edp"},
        {"contract": "standard"},
        {"region_kind": "local_zone"},
    ],
)
def test_every_part_of_the_key_changes_the_offer_id(changes: dict[str, object]) -> None:
    assert offer(**changes).offer_id != offer().offer_id


words = st.sampled_from(
    ["standard", "flex_start", "spot", "on_demand", "12m", "no_upfront", "local_zone", "market=flex_start"]
)


@st.composite
def keys(draw: st.DrawFn) -> dict[str, object]:
    """What distinguishes two offers, in the words most likely to be taken for one another."""
    tier = draw(st.sampled_from(list(Tier)))
    terms: dict[str, object] = {}
    if tier == Tier.RESERVED:
        payment = draw(st.sampled_from(["no_upfront", "all_upfront"]))
        terms = {"kind": draw(words), "term_months": draw(st.sampled_from([1, 12])), "payment": payment}
    return {
        "region": draw(words),
        "region_kind": draw(st.sampled_from(["region", "local_zone", "government"])),
        "zone": draw(st.just("") | words) if tier == Tier.SPOT else "",
        "instance_type": draw(words),
        "tier": tier,
        "market": draw(st.just("standard") | words),
        "contract": draw(st.just("") | words),
        **terms,
    }


@given(st.lists(keys(), min_size=2, max_size=12))
def test_two_offers_share_an_id_only_where_every_part_of_it_is_the_same(
    drawn: list[dict[str, object]],
) -> None:
    different = {tuple(sorted(one.items(), key=lambda item: item[0])) for one in drawn}
    assert len({offer(**one).offer_id for one in drawn}) == len(different)


def test_a_contract_and_a_market_of_the_same_name_are_two_prices_and_no_name_is_lost() -> None:
    assert offer(market="flex_start").offer_id == "aws/us-east-1/p5.48xlarge/on_demand/market=flex_start"
    assert offer(contract="flex_start").offer_id == "aws/us-east-1/p5.48xlarge/on_demand/contract=flex_start"
    assert offer(contract="standard").offer_id == "aws/us-east-1/p5.48xlarge/on_demand/contract=standard"


def test_a_local_zone_s_price_is_another_price_than_its_region_s() -> None:
    local = offer(region_kind="local_zone", tier=Tier.SPOT, zone="use1-atl2-az1")
    assert local.offer_id == "aws/us-east-1/use1-atl2-az1/p5.48xlarge/spot/region_kind=local_zone"
    assert local.place == local.offer_id
