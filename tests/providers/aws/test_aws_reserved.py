"""Reserved Instances: twelve terms to a machine, each with exact amounts."""

from __future__ import annotations

from decimal import Decimal

import pytest
from aws_cases import EAST, ON_DEMAND, RESERVED, amounts, by_id, failed, fetch, fixture, only_in
from aws_catalogue import product, reserved_term
from aws_server import AwsFake

from providers.aws.client import AwsClient
from providers.offer import Tier

BOTH = (Tier.ON_DEMAND, Tier.RESERVED)


def test_the_twelve_terms_of_a_machine_keep_their_amounts(aws: AwsFake, client: AwsClient) -> None:
    # Amounts published for c5.xlarge in us-east-1 in June 2020, here under a GPU type's name.
    aws.products_by_region = only_in(EAST, fixture("reserved_twelve_terms.json"))
    result = fetch(client, EAST, tiers=[Tier.RESERVED])
    standard = "us-east-1/g5.xlarge/reserved/reserved_instance"
    convertible = "us-east-1/g5.xlarge/reserved/reserved_instance_convertible"
    assert {key: amounts(offer) for key, offer in by_id(result).items()} == {
        f"{standard}/12m/no_upfront": ("0.107", "0"),
        f"{standard}/12m/partial_upfront": ("0.051", "447"),
        f"{standard}/12m/all_upfront": ("0", "876"),
        f"{standard}/36m/no_upfront": ("0.071", "0"),
        f"{standard}/36m/partial_upfront": ("0.033", "867"),
        f"{standard}/36m/all_upfront": ("0", "1629"),
        f"{convertible}/12m/no_upfront": ("0.123", "0"),
        f"{convertible}/12m/partial_upfront": ("0.059", "514"),
        f"{convertible}/12m/all_upfront": ("0", "1007"),
        f"{convertible}/36m/no_upfront": ("0.082", "0"),
        f"{convertible}/36m/partial_upfront": ("0.038", "999"),
        f"{convertible}/36m/all_upfront": ("0", "1957"),
    }
    assert result.covered == {RESERVED}


def test_the_amortised_price_spreads_the_upfront_over_8760_hours_a_year(
    aws: AwsFake, client: AwsClient
) -> None:
    aws.products_by_region = only_in(EAST, fixture("reserved_twelve_terms.json"))
    offers = by_id(fetch(client, EAST, tiers=[Tier.RESERVED]))
    standard = "us-east-1/g5.xlarge/reserved/reserved_instance"
    # 0.051 + 447 / 8760 = 0.102027...; 1629 / 26280 = 0.061986...
    year = offers[f"{standard}/12m/partial_upfront"].amortised_usd_per_hour
    three = offers[f"{standard}/36m/all_upfront"].amortised_usd_per_hour
    assert (round(year, 5), round(three, 5)) == (Decimal("0.10203"), Decimal("0.06199"))


def test_a_term_dated_2017_is_still_in_force(aws: AwsFake, client: AwsClient) -> None:
    rows = fixture("reserved_twelve_terms.json")
    terms = rows[0]["terms"]["Reserved"].values()
    assert {term["effectiveDate"] for term in terms} == {"2017-10-31T23:59:59Z"}
    aws.products_by_region = only_in(EAST, rows)
    assert len(fetch(client, EAST, tiers=[Tier.RESERVED]).offers) == 12


def test_an_empty_reserved_object_is_no_reserved_price(aws: AwsFake, client: AwsClient) -> None:
    aws.products_by_region = only_in(EAST, fixture("reserved_empty.json"))
    result = fetch(client, EAST, tiers=BOTH)
    assert [offer.tier for offer in result.offers] == [Tier.ON_DEMAND]
    assert result.covered == {ON_DEMAND, RESERVED}


@pytest.mark.parametrize(
    ("term", "said"),
    [
        (("A", "5yr", "standard", "No Upfront", "0.1", None), "unknown '5yr'"),
        (("A", "1yr", "flexible", "No Upfront", "0.1", None), "unknown 'flexible'"),
        (("A", "1yr", "standard", "Deferred", "0.1", None), "unknown 'deferred'"),
        (("A", "1yr", "standard", "All Upfront", "0.0", None), "all_upfront without a price per Quantity"),
        (("A", "1yr", "standard", "No Upfront", None, "100"), "no_upfront without a price per Hrs"),
        (("A", "1yr", "standard", "No Upfront", "0.1", "100"), "no_upfront at 0.1 USD per hour and 100 USD"),
    ],
)
def test_a_term_that_is_not_understood_fails_the_reserved_tier_alone(
    aws: AwsFake, client: AwsClient, term: tuple[str, ...], said: str
) -> None:
    aws.products_by_region = only_in(EAST, [product("g5.xlarge", reserved={"A": reserved_term(*term)})])
    result = fetch(client, EAST, tiers=BOTH)
    assert list(failed(result)) == [RESERVED]
    assert said in failed(result)[RESERVED]
    assert [offer.tier for offer in result.offers] == [Tier.ON_DEMAND]


def test_a_term_of_zero_is_left_out_and_counted(aws: AwsFake, client: AwsClient) -> None:
    zero = reserved_term("A", "1yr", "standard", "All Upfront", "0.0", "0")
    aws.products_by_region = only_in(EAST, [product("g5.xlarge", reserved={"A": zero})])
    result = fetch(client, EAST, tiers=[Tier.RESERVED])
    assert (result.offers, result.counts["left out: zero price"]) == ((), 1)


def test_two_terms_of_one_kind_at_different_prices_fail_the_reserved_tier(
    aws: AwsFake, client: AwsClient
) -> None:
    axes = ("1yr", "standard", "No Upfront")
    terms = {code: reserved_term(code, *axes, usd, None) for code, usd in (("A", "0.1"), ("B", "0.2"))}
    aws.products_by_region = only_in(EAST, [product("g5.xlarge", reserved=terms)])
    message = failed(fetch(client, EAST, tiers=[Tier.RESERVED]))[RESERVED]
    assert "two prices for aws/us-east-1/g5.xlarge/reserved/reserved_instance/12m/no_upfront" in message
