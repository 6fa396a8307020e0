"""The last good prices: per scope, at a moment, as a table."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import text
from stored_prices import DAY, EAST, GCP, HOUR, NIGHT, SPOT, WEST, at_usd, missing, offer, seen, snapshot

from optimiser.errors import UsageError
from optimiser.prices.refreshed import Status
from optimiser.prices.store import (
    Store,
    counts_in_force,
    in_force,
    in_force_table,
    open_store,
    prices_of,
    save,
    scopes_in_force,
    snapshots,
    snapshots_that_count,
    table_and_scopes,
)
from optimiser.prices.store.connection import reading
from optimiser.prices.store.in_force import newest
from providers.offer import Tier


def prices_by_region(store: Store, provider: str = "aws") -> dict[str, str]:
    return {
        one.region: " ".join(str(price.usd_per_hour) for price in prices.offers)
        for one, prices in in_force(store, provider).items()
    }


def test_a_region_that_was_not_fetched_stays_at_its_own_date(store: Store) -> None:
    first = save(store, snapshot(seen(EAST, offer(EAST, "1")), seen(WEST, offer(WEST, "2"))))
    second = save(store, at_usd("3", NIGHT + DAY, EAST))
    assert prices_by_region(store) == {"us-east-1": "3", "us-west-2": "2"}
    assert scopes_in_force(store) == {EAST: (NIGHT + DAY, second.id), WEST: (NIGHT, first.id)}


def test_a_delisted_type_does_not_return_at_its_old_price(store: Store) -> None:
    save(store, snapshot(seen(EAST, offer(EAST, "55.04"), offer(EAST, "32", "p4d.24xlarge"))))
    gone = seen(EAST, offer(EAST, "55.04"), missing(EAST, reason="no longer sold"), at=NIGHT + DAY)
    save(store, snapshot(gone, at=NIGHT + DAY))
    table = in_force_table(store)
    assert table["instance_type"].tolist() == ["p4d.24xlarge", "p5.48xlarge"]
    assert table["missing_reason"].tolist() == ["no longer sold", ""]


def test_a_scope_that_was_covered_and_empty_has_nothing_in_force(store: Store) -> None:
    save(store, at_usd("1"))
    save(store, snapshot(seen(EAST, at=NIGHT + DAY), at=NIGHT + DAY))
    assert in_force(store, "aws")[EAST].offers == ()
    assert len(in_force_table(store)) == 0
    assert list(scopes_in_force(store)) == [EAST]


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (NIGHT - timedelta(microseconds=1), {}),
        (NIGHT, {"us-east-1": "1"}),
        (NIGHT + DAY - timedelta(microseconds=1), {"us-east-1": "1"}),
        (NIGHT + DAY, {"us-east-1": "2"}),
        (NIGHT + 9 * DAY, {"us-east-1": "2"}),
    ],
)
def test_the_prices_of_a_moment_are_those_seen_until_then(
    store: Store, at: object, expected: dict[str, str]
) -> None:
    save(store, at_usd("1"))
    save(store, at_usd("2", NIGHT + DAY))
    found = in_force(store, "aws", at=at)  # type: ignore[arg-type]
    assert {one.region: str(prices.offers[0].usd_per_hour) for one, prices in found.items()} == expected
    table = in_force_table(store, at=at)  # type: ignore[arg-type]
    assert table["usd_per_hour_text"].tolist() == list(expected.values())
    assert len(scopes_in_force(store, at=at)) == len(expected)  # type: ignore[arg-type]


def test_each_provider_has_its_own(store: Store) -> None:
    save(store, at_usd("1", NIGHT))
    save(store, at_usd("2", NIGHT - HOUR, GCP))
    assert list(in_force(store, "gcp")) == [GCP]
    assert list(in_force(store, "azure")) == []
    assert in_force_table(store)["provider"].tolist() == ["aws", "gcp"]


def test_the_table_holds_every_column_exactly(store: Store) -> None:
    terms = {"kind": "reserved_instance", "term_months": 36, "payment": "partial_upfront", "contract": "edp"}
    limits = {"max_instances": 8, "valid_until": date(2027, 3, 31)}
    years = EAST._replace(tier=Tier.RESERVED)
    bought = offer(
        years, "12.500", upfront_usd=Decimal("447.00"), region_kind="local_zone", **terms, **limits
    )
    stored = save(store, snapshot(seen(years, bought), seen(EAST, missing(EAST))))
    table = in_force_table(store)
    assert table.to_dict("records") == [
        {
            "provider": "aws",
            "region": "us-east-1",
            "region_kind": "region",
            "zone": "",
            "instance_type": "p4d.24xlarge",
            "tier": "on_demand",
            "market": "standard",
            "kind": "",
            "term_months": 0,
            "payment": "",
            "contract": "",
            "usd_per_hour_text": "",
            "upfront_usd_text": "",
            "usd_per_hour": pytest.approx(np.nan, nan_ok=True),
            "upfront_usd": pytest.approx(np.nan, nan_ok=True),
            "max_instances": pytest.approx(np.nan, nan_ok=True),
            "valid_until": pd.NaT,
            "observed_at": pd.Timestamp(NIGHT),
            "snapshot_id": stored.id,
            "source": "price list",
            "missing_reason": "not sold in this region",
        },
        {
            "provider": "aws",
            "region": "us-east-1",
            "region_kind": "local_zone",
            "zone": "",
            "instance_type": "p5.48xlarge",
            "tier": "reserved",
            "market": "standard",
            "kind": "reserved_instance",
            "term_months": 36,
            "payment": "partial_upfront",
            "contract": "edp",
            "usd_per_hour_text": "12.5",
            "upfront_usd_text": "447",
            "usd_per_hour": 12.5,
            "upfront_usd": 447.0,
            "max_instances": 8.0,
            "valid_until": pd.Timestamp("2027-03-31"),
            "observed_at": pd.Timestamp(NIGHT),
            "snapshot_id": stored.id,
            "source": "price list sku ABC",
            "missing_reason": "",
        },
    ]
    dtypes = {name: str(kind) for name, kind in table.dtypes.items()}
    assert dtypes["valid_until"] == "datetime64[s]"
    assert dtypes["observed_at"] == "datetime64[us, UTC]"
    assert dtypes["term_months"] == dtypes["snapshot_id"] == "int64"
    assert dtypes["provider"] == dtypes["usd_per_hour_text"] == "object"


def test_a_price_in_the_table_is_the_float_of_its_text(store: Store) -> None:
    texts = ["21.957642", "0.1", "98.32", "0.000000001", "99999.999999999"]
    save(store, snapshot(seen(EAST, *(offer(EAST, text, f"type-{text}") for text in texts))))
    table = in_force_table(store)
    assert sorted(table["usd_per_hour_text"]) == sorted(texts)
    assert table["usd_per_hour"].tolist() == [float(text) for text in table["usd_per_hour_text"]]


def test_the_order_of_the_table_does_not_depend_on_what_was_stored_first(
    store: Store, tmp_path: Path
) -> None:
    places = [
        (name, zone) for name in ("p5.48xlarge", "P4d.24xlarge", "g6.xlarge") for zone in ("b", "a", "")
    ]
    at, elsewhere = NIGHT + len(places) * HOUR, SPOT._replace(region="eu-west-1")
    for where in (SPOT, elsewhere):
        prices = [offer(where, "1", name, zone=zone) for name, zone in places]
        for count in range(1, len(prices)):
            save(store, snapshot(seen(where, *prices[:count], at=NIGHT + count * HOUR)))
        save(store, snapshot(seen(where, *prices, at=at)))
    with open_store(f"sqlite:///{tmp_path}/other.sqlite3", create=True) as other:
        for where in (elsewhere, SPOT):
            prices = [offer(where, "1", name, zone=zone) for name, zone in places[::-1]]
            save(other, snapshot(seen(where, *prices, at=at)))
        expected, found = (in_force_table(one).drop(columns="snapshot_id") for one in (other, store))
    pd.testing.assert_frame_equal(found, expected)
    assert found["instance_type"].tolist()[:4] == ["P4d.24xlarge"] * 3 + ["g6.xlarge"]


def test_one_snapshot_can_be_read_after_others_have_replaced_it(store: Store) -> None:
    first = save(store, snapshot(seen(EAST, offer(EAST, "1")), seen(WEST, offer(WEST, "2"))))
    second = save(store, at_usd("3", NIGHT + DAY))
    assert set(prices_of(store, first.id)) == {EAST, WEST}
    assert prices_of(store, first.id)[EAST].offers[0].usd_per_hour == 1
    assert set(prices_of(store, second.id)) == {EAST}


def test_a_snapshot_that_is_not_there_is_a_usage_error(store: Store) -> None:
    with pytest.raises(UsageError, match="there is no snapshot 7: there is none yet"):
        prices_of(store, 7)
    stored = save(store, at_usd("1"))
    with pytest.raises(UsageError, match=f"there is no snapshot 7: the newest is {stored.id}"):
        prices_of(store, 7)


def test_values_that_look_like_another_type_stay_text(store: Store) -> None:
    odd = replace(offer(EAST, "1", "00123"), contract="1e5", source="NaT")
    save(store, snapshot(seen(EAST, odd)))
    assert in_force(store, "aws")[EAST].offers == (odd,)


def test_what_is_in_force_is_looked_up_by_index_however_many_refreshes_there_were(store: Store) -> None:
    for hour in range(30):
        save(store, at_usd(str(hour + 1), NIGHT + hour * HOUR))
    asked = newest(None).compile(store.engine, compile_kwargs={"literal_binds": True})
    with reading(store) as connection:
        if store.engine.dialect.name == "postgresql":
            connection.execute(text("set local enable_seqscan = off"))
            plan = "\n".join(connection.scalars(text(f"explain {asked}")))
            assert "Index" in plan
        else:
            plan = "\n".join(row[3] for row in connection.execute(text(f"explain query plan {asked}")))
            assert not [line for line in plan.splitlines() if line.startswith("SCAN price_coverage")]
    assert in_force_table(store)["usd_per_hour_text"].tolist() == ["30"]


def test_table_and_scopes_are_of_one_moment(store: Store) -> None:
    save(store, at_usd("1", NIGHT))
    table, scopes = table_and_scopes(store)
    assert table.equals(in_force_table(store))
    assert scopes == scopes_in_force(store)


def test_tiers_can_be_asked_for_alone(store: Store) -> None:
    save(store, snapshot(seen(EAST, offer(EAST, "1")), seen(SPOT, offer(SPOT, "0.4", zone="use1-az1"))))
    assert set(in_force(store, "aws", tiers=(Tier.SPOT,))) == {SPOT}
    assert set(in_force(store, "aws")) == {EAST, SPOT}


def test_offers_and_missing_in_force_are_counted_by_scope(store: Store) -> None:
    save(store, snapshot(seen(EAST, offer(EAST, "1"), missing(EAST)), seen(WEST), seen(SPOT, missing(SPOT))))
    save(store, snapshot(seen(EAST, offer(EAST, "2"), at=NIGHT + DAY), at=NIGHT + DAY))
    assert counts_in_force(store) == {EAST: (1, 0), WEST: (0, 0), SPOT: (0, 1)}


def test_snapshots_older_than_all_that_is_in_force_do_not_count(store: Store) -> None:
    for day in range(3):
        save(
            store, snapshot(seen(EAST, offer(EAST, str(day + 1)), at=NIGHT + day * DAY), at=NIGHT + day * DAY)
        )
    failed = save(store, snapshot(provider="gcp", status=Status.FAILED))
    save(store, snapshot(seen(WEST, offer(WEST, "1"), at=NIGHT + 9 * DAY), at=NIGHT + 9 * DAY))
    assert [one.id for one in snapshots_that_count(store)] == [5, failed.id, 3]
    assert snapshots_that_count(store) == [one for one in snapshots(store) if one.id >= 3]
