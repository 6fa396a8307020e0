"""Offers: their key and their amortised price."""

from datetime import date
from decimal import Decimal

import pytest

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
    assert reserved.offer_id == "aws/us-east-1/p5.48xlarge/reserved/reserved_instance/36m/all_upfront/edp"


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
    ],
)
def test_every_part_of_the_key_changes_the_offer_id(changes: dict[str, object]) -> None:
    assert offer(**changes).offer_id != offer().offer_id
