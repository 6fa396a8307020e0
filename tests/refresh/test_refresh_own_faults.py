"""Faults that stay their own: an adapter's defect, what lies beside prices, a store that refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from refresh_doubles import NIGHT, ON_DEMAND, SHAPES, SPOT, Cloud, offer

from optimiser.config import Config
from optimiser.prices.refreshed import Finding, Severity
from optimiser.prices.store import (
    StoreError,
    open_store,
    quotas,
    scopes_in_force,
    signals,
    spot_history,
)
from optimiser.refresh import Event, Level, RefreshReport, State
from providers.errors import CredentialsError, Unavailable
from providers.fetch import Scope, SeenShape, SpotPrice

EAST = Scope("aws", "us-east-1", ON_DEMAND)
Run = Callable[..., RefreshReport]


def findings(report: RefreshReport, check: str) -> list[Finding]:
    return [one for provider in report.providers for one in provider.findings if one.check == check]


def scopes_of(url: str) -> set[Scope]:
    with open_store(url) as store:
        return set(scopes_in_force(store))


def test_a_defect_of_one_adapter_is_its_own_failure_and_tells_no_secret(
    refreshed: Run, clouds: dict[str, Cloud]
) -> None:
    clouds["aws"].error = KeyError("token=hunter2")
    report = refreshed()
    assert report.exit_code == 4
    (reason,) = {one.reason for one in report.scopes(State.FAILED)}
    assert reason.startswith("the adapter of aws has a defect (KeyError in refresh_doubles.py line ")
    assert "hunter2" not in reason
    assert {one.scope.provider for one in report.scopes(State.ACCEPTED)} == {"gcp", "azure"}


def test_prices_of_a_test_double_never_reach_the_store(
    refreshed: Run, clouds: dict[str, Cloud], sqlite_url: str
) -> None:
    scope = Scope("aws", "us-east-1", SPOT)
    clouds["aws"].offers[scope] = (offer(scope, "g6.xlarge", "0.00001", zone="use1-az1"),)
    report = refreshed(acknowledge=("*:aws/us-east-1/spot*",))
    assert [one.scope for one in report.scopes(State.HELD)] == [scope]
    assert scope not in scopes_of(sqlite_url)


@pytest.mark.parametrize("error", [CredentialsError("needs ec2:DescribeInstanceTypes"), ZeroDivisionError()])
def test_what_lies_beside_prices_fails_no_refresh(
    refreshed: Run, clouds: dict[str, Cloud], error: Exception
) -> None:
    clouds["aws"].beside_error = error
    report = refreshed(quotas=True, spot_history_days=1)
    assert report.exit_code == 0
    aws = [one for one in report.providers[0].findings if one.severity is Severity.WARN]
    assert [one.id for one in aws] == [
        "hardware_matches_config:aws/*/on_demand",
        "spot_signals:aws/*/spot",
        "quotas:aws/*/on_demand",
        "spot_history:aws/us-east-1/spot",
        "spot_history:aws/us-west-2/spot",
    ]
    if isinstance(error, CredentialsError):
        assert aws[0].message == "machine descriptions were not compared: needs ec2:DescribeInstanceTypes"


def test_what_lies_beside_prices_is_stored(refreshed: Run, clouds: dict[str, Cloud], sqlite_url: str) -> None:
    step = SpotPrice(
        provider="aws",
        region="us-west-2",
        zone="usw2-az1",
        instance_type="g6.xlarge",
        usd_per_hour=offer(EAST, "g6.xlarge", "0.3").usd_per_hour,
        since=NIGHT - timedelta(hours=5),
    )
    clouds["aws"].history = (step, replace(step, since=NIGHT - timedelta(days=9)))
    clouds["aws"].seen = (
        SeenShape(
            provider="aws",
            instance_type="p5.48xlarge",
            gpu_count=4,
            gpu_name="",
            gpu_memory_mib=None,
            vcpus=None,
            memory_gib=None,
        ),
    )
    report = refreshed(quotas=True, spot_history_days=7)
    assert [one.id for one in findings(report, "hardware_matches_config")] == [
        "hardware_matches_config:aws/*/on_demand/p5.48xlarge"
    ]
    with open_store(sqlite_url) as store:
        assert {one.provider for one in signals(store)} == set(clouds)
        assert {one.provider for one in quotas(store)} == set(clouds)
        assert list(spot_history(store, provider="aws")) == [step]


def test_quotas_and_history_are_not_asked_for_unless_wanted(
    refreshed: Run, clouds: dict[str, Cloud], sqlite_url: str
) -> None:
    refreshed(tiers=(ON_DEMAND,), spot_history_days=7)
    with open_store(sqlite_url) as store:
        assert not list(signals(store))
        assert not list(quotas(store))
    assert clouds


def test_a_store_that_refuses_a_snapshot_is_exit_1_and_the_others_are_stored(
    refreshed: Run, clouds: dict[str, Cloud], sqlite_url: str, config: Config
) -> None:
    shapes = {key: shape for key, shape in SHAPES.items() if key != ("gcp", "g6.xlarge")}
    scope = Scope("gcp", "us-central1", ON_DEMAND)
    clouds["gcp"].offers[scope] = (offer(scope, "g6.xlarge", "1e30"),)  # no shape: no check can judge it
    report = refreshed(config=replace(config, shapes=shapes))
    assert report.exit_code == 1
    (gcp,) = [one for one in report.providers if one.store_error]
    assert gcp.provider == "gcp"
    assert {one.state for one in gcp.scopes} == {State.FAILED}
    assert all(one.reason.startswith("not stored: ") for one in gcp.scopes)
    assert {scope.provider for scope in scopes_of(sqlite_url)} == {"aws", "azure"}


def test_a_store_that_cannot_be_written_is_said_before_anything_is_fetched(
    refreshed: Run, clouds: dict[str, Cloud], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StoreError):
        refreshed(store_url=f"sqlite:///{tmp_path}/file/prices.sqlite3")
    assert not clouds["aws"].asked


def test_a_dry_run_before_there_is_a_store_makes_none(refreshed: Run, tmp_path: Path) -> None:
    report = refreshed(dry_run=True)
    assert (report.exit_code, len(list(report.scopes(State.ACCEPTED)))) == (0, 15)
    assert list(tmp_path.iterdir()) == []


def test_a_report_keeps_no_price_list_in_memory(refreshed: Run) -> None:
    assert all(one.snapshot.accepted == () for one in refreshed().providers)


def test_every_scope_is_told_as_it_is_fetched_and_every_fault_as_an_error(
    refreshed: Run, clouds: dict[str, Cloud]
) -> None:
    told: list[Event] = []
    clouds["aws"].failing = {EAST: Unavailable("down")}
    refreshed(providers=("aws",), tell=told.append)
    assert sum(one.event == "scope_fetched" for one in told) == 6
    errors = [(one.event, one.region, one.message) for one in told if one.level is Level.ERROR]
    assert errors == [
        ("scope_failed", "us-east-1", "failed: down"),
        ("provider_finished", "", "5 of 6 scopes accepted, with 36 prices"),
    ]
