"""A refresh against a real store of each kind: what is accepted comes into force, what is not keeps its own date."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from refresh_doubles import (
    EAST,
    LATER,
    NIGHT,
    ON_DEMAND,
    RESERVED,
    SPOT,
    Clock,
    Cloud,
    missing,
    offer,
    usd_of,
)

from optimiser.prices.refreshed import Status
from optimiser.prices.store import StoreBusy, exclusive, open_store, snapshots
from optimiser.refresh import Event, RefreshReport, State
from providers.errors import CredentialsError, Unavailable
from providers.fetch import Scope

Run = Callable[..., RefreshReport]


def test_a_first_refresh_puts_every_scope_in_force(run: Run, dates: Any, stored: Any) -> None:
    report = run(providers=())
    assert report.exit_code == 0
    # 5 regions in 3 tiers; 4 types on demand, in 2 spot zones, at 2 terms
    assert dates() == dict.fromkeys(dates(), NIGHT)
    assert len(dates()) == 15
    assert [one.snapshot.offers for one in report.providers] == [2 * 20, 20, 2 * 20]
    assert usd_of(stored(EAST), "p5.48xlarge") == {Decimal("98.32")}


def test_one_dead_region_keeps_its_own_date_and_the_others_are_new(
    run: Run, clouds: dict[str, Cloud], clock: Clock, dates: Any, stored: Any
) -> None:
    run()
    clock.pass_hours(24)
    dead = [Scope("aws", "us-west-2", tier) for tier in (ON_DEMAND, SPOT, RESERVED)]
    clouds["aws"].failing = {scope: Unavailable("ec2.us-west-2 did not answer") for scope in dead}
    clouds["aws"].change(EAST, "g6.xlarge", "0.9")
    report = run()
    assert report.exit_code == 4
    assert {scope for scope, at in dates().items() if at == NIGHT} == set(dead)
    assert {at for scope, at in dates().items() if scope not in dead} == {LATER}
    assert usd_of(stored(EAST), "g6.xlarge") == {Decimal("0.9")}
    assert [(one.scope, one.reason) for one in report.scopes(State.FAILED)] == [
        (scope, "ec2.us-west-2 did not answer") for scope in sorted(dead)
    ]
    assert {one.observed_at for one in report.scopes(State.FAILED)} == {NIGHT}
    assert {one.offers for one in report.scopes(State.FAILED)} == {4, 8}


@pytest.mark.parametrize("broken", ["aws", "gcp", "azure"])
def test_a_provider_that_fails_leaves_the_others_refreshed(
    run: Run, clouds: dict[str, Cloud], clock: Clock, dates: Any, every_store_url: str, broken: str
) -> None:
    run(providers=())
    clock.pass_hours(24)
    clouds[broken].error = CredentialsError("no credentials: set them up")
    report = run(providers=())
    assert report.exit_code == 4
    assert {scope.provider for scope, at in dates().items() if at == NIGHT} == {broken}
    assert {one.provider: one.snapshot.status for one in report.providers} == {
        name: Status.FAILED if name == broken else Status.GOOD for name in clouds
    }
    with open_store(every_store_url) as store:
        (last, first) = snapshots(store, provider=broken)
    assert (first.status, last.status) == (Status.GOOD, Status.FAILED)
    assert {scope for scope, _ in last.failures} == {scope for scope in dates() if scope.provider == broken}


def test_all_providers_failing_on_a_first_run_is_incomplete_and_recorded(
    run: Run, clouds: dict[str, Cloud], every_store_url: str
) -> None:
    for cloud in clouds.values():
        cloud.error = Unavailable("no network")
    report = run(providers=())
    assert report.exit_code == 4
    assert [str(one.scope) for one in report.scopes(State.FAILED)][:2] == [
        "aws/*/on_demand",
        "aws/*/reserved",
    ]
    with open_store(every_store_url) as store:
        assert [one.status for one in snapshots(store)] == [Status.FAILED] * 3


def test_a_delisted_type_becomes_missing_and_stays_so(
    run: Run, clouds: dict[str, Cloud], clock: Clock, stored: Any
) -> None:
    run()
    clock.pass_hours(24)
    clouds["aws"].drop(EAST, "g5.xlarge")
    assert run().exit_code == 0
    clock.pass_hours(24)
    assert run().exit_code == 0
    (gone,) = stored(EAST).missing
    assert (gone.instance_type, gone.reason) == ("g5.xlarge", "listed until 2026-11-21, no longer on sale")
    assert usd_of(stored(EAST), "g5.xlarge") == set()
    clouds["aws"].offers[EAST] += (offer(EAST, "g5.xlarge", "1.1"),)
    run()
    assert (stored(EAST).missing, usd_of(stored(EAST), "g5.xlarge")) == ((), {Decimal("1.1")})


def test_what_the_provider_says_of_a_missing_price_is_not_said_over(
    run: Run, clouds: dict[str, Cloud], clock: Clock, stored: Any
) -> None:
    run()
    clock.pass_hours(24)
    clouds["aws"].drop(EAST, "g5.xlarge")
    clouds["aws"].absent[EAST] = (missing(EAST, "g5.xlarge"),)
    run()
    assert [one.reason for one in stored(EAST).missing] == ["sold as Capacity Blocks only"]


def test_one_term_less_is_not_a_missing_type(
    run: Run, clouds: dict[str, Cloud], clock: Clock, stored: Any
) -> None:
    scope = Scope("aws", "us-east-1", RESERVED)
    run()
    clock.pass_hours(24)
    clouds["aws"].offers[scope] = clouds["aws"].offers[scope][1:]
    assert run().exit_code == 0
    assert (len(stored(scope).offers), stored(scope).missing) == (7, ())


def test_a_spot_pool_that_is_gone_is_missing_in_its_zone_alone(
    run: Run, clouds: dict[str, Cloud], clock: Clock, stored: Any
) -> None:
    scope = Scope("aws", "us-east-1", SPOT)
    run()
    clock.pass_hours(1)
    clouds["aws"].offers[scope] = clouds["aws"].offers[scope][1:]
    assert run(tiers=(SPOT,)).exit_code == 0
    assert [(one.instance_type, one.zone) for one in stored(scope).missing] == [
        ("p5.48xlarge", "us-east-1-a")
    ]
    assert len(stored(scope).offers) == 7


def test_a_clock_behind_what_is_in_force_holds_that_provider(run: Run, clock: Clock, dates: Any) -> None:
    run(providers=("aws",))
    clock.pass_hours(-1)
    report = run(providers=())
    assert report.exit_code == 4
    assert {one.scope.provider for one in report.scopes(State.HELD)} == {"aws"}
    assert {finding.check for one in report.providers for finding in one.findings if finding.holds} == {
        "clock_not_behind"
    }
    assert {at for scope, at in dates().items() if scope.provider == "aws"} == {NIGHT}
    assert {at for scope, at in dates().items() if scope.provider == "gcp"} == {clock.now}


def test_a_clock_a_few_minutes_behind_dates_nothing_before_what_it_replaces(
    run: Run, clouds: dict[str, Cloud], clock: Clock, dates: Any, stored: Any
) -> None:
    run()
    clock.now -= timedelta(minutes=4)
    clouds["aws"].change(EAST, "g6.xlarge", "0.9")
    assert run().exit_code == 0
    assert set(dates().values()) == {NIGHT}
    assert usd_of(stored(EAST), "g6.xlarge") == {Decimal("0.9")}


def test_a_dry_run_changes_nothing(
    run: Run, clouds: dict[str, Cloud], clock: Clock, dates: Any, every_store_url: str
) -> None:
    run()
    clock.pass_hours(24)
    clouds["aws"].change(EAST, "p5.48xlarge", "55.04")
    report = run(dry_run=True, quotas=True, spot_history_days=7)
    assert (report.exit_code, [one.scope for one in report.scopes(State.HELD)]) == (4, [EAST])
    assert set(dates().values()) == {NIGHT}
    with open_store(every_store_url) as store:
        assert len(snapshots(store)) == 1


def test_two_refreshes_at_once_are_refused_or_wait(run: Run, every_store_url: str, dates: Any) -> None:
    told: list[Event] = []
    with open_store(every_store_url, create=True) as store:
        with exclusive(store, 0), pytest.raises(StoreBusy, match="running already"):
            run()
        waiting, over = threading.Event(), threading.Event()

        def hold() -> None:
            with exclusive(store, 0):
                waiting.set()
                over.wait(10)

        def tell(event: Event) -> None:
            told.append(event)
            if event.event == "waiting":
                over.set()

        other = threading.Thread(target=hold)
        other.start()
        waiting.wait(10)
        report = run(wait_seconds=10, tell=tell)
        other.join()
    assert report.exit_code == 0
    assert told[0].event == "waiting"
    assert len(dates()) == 6


def test_an_interrupt_leaves_the_last_good_prices(
    run: Run, clouds: dict[str, Cloud], clock: Clock, dates: Any, every_store_url: str
) -> None:
    run()
    clock.pass_hours(24)
    clouds["aws"].error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        run()
    assert set(dates().values()) == {NIGHT}
    clouds["aws"].error = None
    assert run().exit_code == 0
    with open_store(every_store_url) as store:
        assert [one.status for one in snapshots(store)] == [Status.GOOD] * 2
