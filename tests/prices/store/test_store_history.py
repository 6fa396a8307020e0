"""What prices were, and what clouds tell beside prices."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from stored_prices import DAY, EAST, HOUR, NIGHT, SPOT, WEST, at_usd, missing, offer, seen, snapshot

from optimiser.prices.store import (
    Store,
    StoreError,
    history,
    in_force_table,
    quotas,
    save,
    save_quotas,
    save_signals,
    save_spot_history,
    signals,
    spot_history,
    spot_steps_in_force,
)
from providers.fetch import Quota, SpotPrice, SpotSignal
from providers.offer import Tier
from providers.shape import QuotaUnit

P5 = "p5.48xlarge"


def step(usd: str, since: datetime = NIGHT, zone: str = "use1-az1", **fields: str) -> SpotPrice:
    known = {"provider": "aws", "region": "us-east-1", "zone": zone, "instance_type": P5}
    return SpotPrice(**known | fields, usd_per_hour=Decimal(usd), since=since)


SIGNAL = SpotSignal(
    provider="aws",
    region="us-east-1",
    instance_type=P5,
    low_percent=5.0,
    high_percent=10.0,
    per="month",
    savings_percent=61.0,
    observed_at=NIGHT,
    source="spot advisor",
)
QUOTA = Quota(
    provider="aws",
    region="us-east-1",
    quota_family="P",
    tier=Tier.SPOT,
    unit=QuotaUnit.VCPU,
    limit=192.5,
    used=None,
    observed_at=NIGHT,
)


def test_history_has_a_row_per_offer_and_moment_with_what_went_missing(store: Store) -> None:
    save(store, snapshot(seen(EAST, offer(EAST, "98.32"), offer(EAST, "3", "g6.xlarge"))))
    save(store, at_usd("55.04", NIGHT + DAY))
    save(store, snapshot(seen(EAST, missing(EAST, P5), at=NIGHT + 2 * DAY), at=NIGHT + 2 * DAY))
    table = history(store, since=NIGHT, until=NIGHT + 2 * DAY, instance_type=P5)
    rows = zip(table["observed_at"], table["usd_per_hour_text"], table["missing_reason"], strict=True)
    assert sorted(rows) == [
        (NIGHT, "98.32", ""),
        (NIGHT + DAY, "55.04", ""),
        (NIGHT + 2 * DAY, "", "not sold in this region"),
    ]


def test_an_unchanged_price_has_a_row_for_every_moment_it_was_seen(store: Store) -> None:
    for day in range(4):
        save(store, at_usd("55.04", NIGHT + day * DAY))
    table = history(store, since=NIGHT + DAY, until=NIGHT + 2 * DAY, instance_type=P5)
    assert table["observed_at"].tolist() == [NIGHT + DAY, NIGHT + 2 * DAY]
    assert table["usd_per_hour"].tolist() == [55.04, 55.04]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, ["1", "2", "3", "4"]),
        ({"region": "us-west-2"}, ["2"]),
        ({"tier": Tier.SPOT}, ["3", "4"]),
        ({"tier": Tier.ON_DEMAND}, ["1", "2"]),
        ({"zone": "use1-az2"}, ["4"]),
        ({"provider": "aws"}, ["1", "2", "3", "4"]),
        ({"provider": "gcp"}, []),
        ({"instance_type": "nothing"}, []),
    ],
)
def test_history_can_be_narrowed(store: Store, wanted: dict[str, object], expected: list[str]) -> None:
    pools = (offer(SPOT, "3", zone="use1-az1"), offer(SPOT, "4", zone="use1-az2"))
    save(store, snapshot(seen(EAST, offer(EAST, "1")), seen(WEST, offer(WEST, "2")), seen(SPOT, *pools)))
    asked = {"since": NIGHT, "until": NIGHT, "instance_type": P5} | wanted
    assert sorted(history(store, **asked)["usd_per_hour_text"]) == expected  # type: ignore[arg-type]


def test_a_spot_price_holds_from_its_step_to_the_next_within_the_days_asked_for(store: Store) -> None:
    steps = [
        step("8", NIGHT - 9 * DAY),
        step("9", NIGHT - 5 * DAY),
        step("12.5", NIGHT - HOUR),
        step("20", NIGHT + HOUR),
        step("7", NIGHT - 2 * DAY, zone="use1-az2"),
        step("1", NIGHT - 2 * DAY, instance_type="g6.xlarge"),
    ]
    save_spot_history(store, steps)
    pool = ("aws", "us-east-1", "use1-az1", P5)
    # Three days begin with the 9 of two days before; what is stepped to afterwards is not known yet.
    assert spot_steps_in_force(store, [P5], NIGHT - 3 * DAY, NIGHT) == {
        pool: [(9.0, 71.0), (12.5, 1.0)],
        (*pool[:2], "use1-az2", P5): [(7.0, 48.0)],
    }
    assert spot_steps_in_force(store, [P5], NIGHT - 30 * DAY, NIGHT - 8 * DAY) == {pool: [(8.0, 24.0)]}
    assert spot_steps_in_force(store, ["g6.xlarge"], NIGHT - 9 * DAY, NIGHT - 2 * DAY) == {}


def test_history_takes_in_the_spot_steps_told_afterwards(store: Store) -> None:
    save(store, snapshot(seen(SPOT, offer(SPOT, "11", zone="use1-az1"))))
    save_spot_history(
        store,
        [
            step("12.5", NIGHT - HOUR),
            step("9", NIGHT - DAY),
            step("7", zone="use1-az2"),
            step("1", instance_type="g6.xlarge"),
        ],
    )
    asked = {"since": NIGHT - HOUR, "until": NIGHT, "instance_type": P5}
    table = history(store, **asked, zone="use1-az1")  # type: ignore[arg-type]
    assert table["usd_per_hour_text"].tolist() == ["12.5", "11"]
    assert table["observed_at"].tolist() == [NIGHT - HOUR, NIGHT]
    assert table["source"].tolist() == ["spot price history", "price list sku ABC"]
    assert table["usd_per_hour"].tolist() == [12.5, 11.0]
    assert table.dtypes.equals(in_force_table(store).dtypes)
    assert len(history(store, **asked)) == 3  # type: ignore[arg-type]
    assert len(history(store, **asked, tier=Tier.ON_DEMAND)) == 0  # type: ignore[arg-type]


def test_spot_steps_come_back_exact_and_only_once(store: Store) -> None:
    steps = [step("12.500001", NIGHT - HOUR), step("9", NIGHT)]
    save_spot_history(store, steps)
    save_spot_history(store, [step("9.5", NIGHT), *steps[:1], *steps[:1]])
    assert spot_history(store) == (steps[0], step("9.5", NIGHT))
    assert spot_history(store, since=NIGHT) == (step("9.5", NIGHT),)
    assert spot_history(store, until=NIGHT - HOUR, provider="aws", instance_type=P5) == (steps[0],)
    assert spot_history(store, zone="use1-az9") == ()
    save_spot_history(store, [])


@pytest.mark.parametrize("bad", [step("0.00001"), step("1", datetime(2006, 1, 2, tzinfo=UTC)), step("0")])
def test_a_test_double_s_spot_history_never_reaches_the_store(store: Store, bad: SpotPrice) -> None:
    with pytest.raises(StoreError, match="aws/us-east-1/use1-az1/p5"):
        save_spot_history(store, [step("12"), bad])
    assert spot_history(store) == ()


def test_of_signals_the_newest_is_kept(store: Store) -> None:
    newer = replace(SIGNAL, high_percent=None, savings_percent=None, observed_at=NIGHT + DAY)
    elsewhere = replace(SIGNAL, provider="azure", per="hour")
    save_signals(store, [SIGNAL, newer])
    save_signals(store, [SIGNAL, elsewhere])
    assert signals(store) == (newer, elsewhere)
    assert signals(store, provider="azure") == (elsewhere,)


def test_of_quotas_the_newest_is_kept(store: Store) -> None:
    newer = replace(QUOTA, limit=384.0, used=12.0, observed_at=NIGHT + DAY)
    on_demand = replace(QUOTA, tier=Tier.ON_DEMAND)
    save_quotas(store, [newer, QUOTA, on_demand])
    save_quotas(store, [QUOTA])
    assert quotas(store) == (on_demand, newer)
    assert quotas(store, provider="gcp") == ()
