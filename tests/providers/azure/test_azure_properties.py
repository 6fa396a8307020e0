"""What holds for any rows at all: order, repetition and strangers change no price."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from azure_cases import ND96, NOW, SHAPES
from azure_price_rows import retail_row, thirteen_rows
from hypothesis import example, given
from hypothesis import strategies as st

from providers.azure.next_page import encoded, first_query, next_query
from providers.azure.parse import parse_region
from providers.errors import UnexpectedPayload
from providers.fetch import FetchResult
from providers.offer import Tier

PRODUCT = "Virtual Machines NDsr H100 v5 Series"


def in_decimals(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows as they come out of the reader, which makes every number a Decimal."""

    def number(value: Any) -> Any:
        if isinstance(value, list):
            return in_decimals(value)
        return (
            Decimal(str(value)) if isinstance(value, int | float) and not isinstance(value, bool) else value
        )

    return [{name: number(value) for name, value in row.items()} for row in rows]


def read(rows: list[dict[str, Any]]) -> FetchResult:
    return parse_region(in_decimals(rows), "eastus", SHAPES, tuple(Tier), NOW)


THIRTEEN = thirteen_rows(ND96, "eastus", PRODUCT, 98.32)
USUAL = {offer.offer_id: offer for offer in read(THIRTEEN).offers}


@given(st.permutations(THIRTEEN), st.lists(st.sampled_from(THIRTEEN)))
def test_order_and_repetition_of_rows_change_no_price(
    rows: list[dict[str, Any]], again: list[dict[str, Any]]
) -> None:
    found = read([*rows, *again])
    assert {offer.offer_id: offer for offer in found.offers} == USUAL
    assert len(found.offers) == len(USUAL) == 8
    assert found.failures == ()


@given(
    st.sampled_from([" Windows", " Win", " Cloud Services", " CloudServices", " Dedicated Host"]),
    st.sampled_from(["", " Spot", " Low Priority"]),
    st.floats(min_value=0.000001, max_value=1000),
)
def test_no_row_of_another_product_ever_is_a_price(end: str, suffix: str, price: float) -> None:
    found = read([*THIRTEEN, retail_row(ND96, round(price, 6), product=PRODUCT + end, suffix=suffix)])
    assert {offer.offer_id: offer for offer in found.offers} == USUAL


@given(
    st.decimals(min_value="1", max_value="9999999", places=2),
    st.sampled_from([("1 Year", 8760), ("3 Years", 26280), ("5 Years", 43800)]),
)
def test_both_ways_to_pay_a_reservation_come_to_its_total(total: Decimal, term: tuple[str, int]) -> None:
    name, hours = term
    row = {**retail_row(type="Reservation", reservationTerm=name), "retailPrice": total}
    found = parse_region([row], "eastus", SHAPES, tuple(Tier), NOW)
    at_once, monthly = sorted(found.offers, key=lambda offer: offer.payment)
    assert (at_once.payment, monthly.payment) == ("all_upfront", "no_upfront")
    assert at_once.upfront_usd == total
    assert abs(monthly.usd_per_hour * hours - total) <= Decimal("5e-10") * hours


@given(st.integers(-1000, 1000), st.integers(-1000, 1000))
@example(0, 1)
@example(-1, 0)
def test_a_price_counts_from_the_moment_it_begins_until_the_moment_it_ends(start: int, end: int) -> None:
    window = {
        "effectiveStartDate": (NOW + timedelta(hours=start)).isoformat(),
        "effectiveEndDate": (NOW + timedelta(hours=end)).isoformat(),
    }
    found = read([retail_row(**window)])
    assert len(found.offers) == (1 if start <= 0 < end else 0)


@given(st.text(alphabet="abcdefgh'& =#+%", max_size=12), st.integers(1, 10**6))
def test_a_next_page_asks_the_same_and_skips_more(region: str, skip: int) -> None:
    first = first_query(region)
    link = f"https://prices.azure.com:443/api/retail/prices?{encoded(first)}&$skip={skip}"
    assert next_query(link, "127.0.0.1:1", [first], "azure") == {**first, "$skip": str(skip)}


@given(st.text(max_size=60))
def test_a_next_link_of_any_text_is_followed_to_our_host_or_refused(text: str) -> None:
    try:
        next_query(text, "127.0.0.1:1", [first_query("eastus")], "azure")
    except UnexpectedPayload:
        return
    assert text.partition("//")[2].startswith(("prices.azure.com", "127.0.0.1:1"))
