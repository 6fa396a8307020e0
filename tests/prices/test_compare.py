"""What counts as a change between two sets of prices, and in which order changes are told."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimiser.prices.compare import Kind, compare
from optimiser.prices.refreshed import ScopePrices
from providers.fetch import Scope, scope_of
from providers.offer import Missing, Offer, Tier

MONDAY, TUESDAY = datetime(2026, 11, 16, 2, tzinfo=UTC), datetime(2026, 11, 17, 2, tzinfo=UTC)


def offer(usd: str, instance_type: str = "big", tier: Tier = Tier.ON_DEMAND, **fields: Any) -> Offer:
    terms = {"kind": "reserved_instance", "term_months": 12} if tier is Tier.RESERVED else {}
    return Offer(
        **{
            "provider": "acme",
            "region": "north",
            "region_kind": "region",
            "zone": "",
            "instance_type": instance_type,
            "tier": tier,
            "usd_per_hour": Decimal(usd),
            "observed_on": date(2026, 11, 16),
            "source": "list 7",
            **terms,
            **fields,
        }
    )


def missing(reason: str, instance_type: str = "big", tier: Tier = Tier.ON_DEMAND, **fields: Any) -> Missing:
    return Missing(
        **{
            "provider": "acme",
            "region": "north",
            "region_kind": "region",
            "zone": "",
            "instance_type": instance_type,
            "tier": tier,
            "reason": reason,
            "observed_on": date(2026, 11, 16),
            "source": "list 7",
            **fields,
        }
    )


def prices(*rows: Offer | Missing, at: datetime = MONDAY) -> dict[Scope, ScopePrices]:
    return {
        scope: ScopePrices(
            scope=scope,
            observed_at=at,
            offers=tuple(row for row in rows if isinstance(row, Offer) and scope_of(row) == scope),
            missing=tuple(row for row in rows if isinstance(row, Missing) and scope_of(row) == scope),
        )
        for scope in map(scope_of, rows)
    }


def test_a_price_that_rose_and_one_that_fell_are_told_by_the_size_of_the_step() -> None:
    before = prices(offer("10.00"), offer("4", "small"), offer("7", "same"))
    after = prices(offer("11"), offer("3", "small"), offer("7.000", "same"), at=TUESDAY)
    found = compare(before, after)
    # −25 % goes before +10 %; 7.000 is 7.
    assert [(one.offer.instance_type, one.relative) for one in found.changes] == [
        ("small", Decimal("-0.25")),
        ("big", Decimal("0.1")),
    ]
    assert found.unchanged == 1
    assert {one.kind for one in found.changes} == {Kind.CHANGED}


def test_another_date_and_source_are_no_change() -> None:
    later = offer("10", observed_on=date(2026, 11, 17), source="list 8")
    found = compare(prices(offer("10")), prices(later, at=TUESDAY))
    assert (found.changes, found.unchanged) == ((), 1)


def test_the_same_total_paid_otherwise_is_a_change_of_no_percent() -> None:
    # 8,760 $ up front for a year are 1 $/h: 1 + 1 is as much as 2 by the hour.
    fields = {"tier": Tier.RESERVED, "payment": "partial_upfront"}
    before = prices(offer("1", upfront_usd=Decimal(8760), **fields))
    after = prices(offer("1.5", upfront_usd=Decimal(4380), **fields))
    (found,) = compare(before, after).changes
    assert (found.kind, found.relative) == (Kind.CHANGED, 0)


def test_an_offer_that_went_is_missing_where_the_later_prices_say_why_and_gone_where_they_do_not() -> None:
    before = prices(offer("10"), offer("4", "small"))
    found = compare(before, prices(offer("1", "other"), missing("no longer sold"), at=TUESDAY))
    assert [(one.kind, one.offer.instance_type, one.reason) for one in found.changes] == [
        (Kind.MISSING, "big", "no longer sold"),
        (Kind.GONE, "small", ""),
        (Kind.NEW, "other", ""),
    ]
    assert all(one.relative is None for one in found.changes)


def test_an_offer_that_comes_is_told_with_why_there_was_none() -> None:
    (found,) = compare(prices(missing("not in this region")), prices(offer("10"))).changes
    assert (found.kind, found.before, found.reason) == (Kind.NEW, None, "not in this region")


@pytest.mark.parametrize(("zone", "reason"), [("", "none to spare"), ("north-1", "none to spare")])
def test_what_is_missing_in_the_zone_or_the_whole_region_explains_a_spot_price_that_went(
    zone: str, reason: str
) -> None:
    spot = offer("3", tier=Tier.SPOT, zone="north-1")
    (found,) = compare(prices(spot), prices(missing(reason, tier=Tier.SPOT, zone=zone))).changes
    assert (found.kind, found.reason) == (Kind.MISSING, reason)


def test_what_is_missing_in_another_zone_explains_nothing() -> None:
    spot = offer("3", tier=Tier.SPOT, zone="north-1")
    (found,) = compare(prices(spot), prices(missing("none", tier=Tier.SPOT, zone="north-2"))).changes
    assert found.kind is Kind.GONE


def test_a_missing_list_price_does_not_explain_a_contract_that_went() -> None:
    (found,) = compare(prices(offer("10", contract="EDP")), prices(missing("delisted"))).changes
    assert found.kind is Kind.GONE


def test_scopes_on_one_side_alone_are_named_and_not_compared() -> None:
    north, south, west = offer("1"), offer("2", region="south"), offer("3", region="west")
    found = compare(prices(north, south), prices(north, west))
    assert [scope.region for scope in found.compared] == ["north"]
    assert ([scope.region for scope in found.only_before], [scope.region for scope in found.only_after]) == (
        ["south"],
        ["west"],
    )
    assert (found.changes, found.unchanged) == ((), 1)


def test_the_dearest_of_equal_kind_goes_first() -> None:
    found = compare(prices(offer("1", "kept")), prices(offer("1", "kept"), offer("2", "a"), offer("30", "b")))
    assert [one.offer.instance_type for one in found.of(Kind.NEW)] == ["b", "a"]


def a_market(amounts: Iterable[tuple[str, str, int]]) -> dict[Scope, ScopePrices]:
    usd = {(region, name): str(amount) for region, name, amount in amounts}
    return prices(*(offer(amount, name, region=region) for (region, name), amount in usd.items()))


MARKETS = st.lists(
    st.tuples(st.sampled_from("uvw"), st.sampled_from("abcdef"), st.integers(1, 4)), max_size=20
).map(a_market)


@given(before=MARKETS, after=MARKETS)
def test_every_offer_of_a_shared_scope_is_told_once(
    before: dict[Scope, ScopePrices], after: dict[Scope, ScopePrices]
) -> None:
    found = compare(before, after)
    shared = before.keys() & after.keys()
    stayed = found.unchanged + len(found.of(Kind.CHANGED))
    assert stayed + len(found.of(Kind.GONE)) == sum(len(before[scope].offers) for scope in shared)
    assert stayed + len(found.of(Kind.NEW)) == sum(len(after[scope].offers) for scope in shared)
    back = compare(after, before)
    assert {one.offer.offer_id for one in back.of(Kind.NEW)} == {
        one.offer.offer_id for one in found.of(Kind.GONE)
    }
    assert compare(before, before).changes == ()
