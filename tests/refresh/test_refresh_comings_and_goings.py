"""A region that closes, a type that comes back, and a store that fails for one provider alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from refresh_doubles import ON_DEMAND, Cloud, offer

from optimiser.prices.store import StoreError, in_force, open_store
from optimiser.refresh import RefreshReport, State
from providers.fetch import Scope

Run = Callable[..., RefreshReport]
EAST, WEST = Scope("aws", "us-east-1", ON_DEMAND), Scope("aws", "us-west-2", ON_DEMAND)
CLOSED = "every_scope_answered:aws/us-west-2/*"


def close_the_west(clouds: dict[str, Cloud]) -> None:
    aws = clouds["aws"]
    aws.offers = {scope: offers for scope, offers in aws.offers.items() if scope.region != "us-west-2"}


def test_a_closed_region_is_held_until_somebody_says_so_then_missing_and_no_longer_expected(
    refreshed: Run, clouds: dict[str, Cloud], sqlite_url: str
) -> None:
    refreshed(providers=("aws",))
    close_the_west(clouds)
    held = refreshed(providers=("aws",))
    assert (held.exit_code, {one.scope.region for one in held.scopes(State.HELD)}) == (4, {"us-west-2"})
    assert refreshed(providers=("aws",), acknowledge=(CLOSED,)).exit_code == 0
    with open_store(sqlite_url) as store:
        west = in_force(store, "aws")[WEST]
    assert west.offers == ()
    assert {one.reason.split(",")[1] for one in west.missing} == {" no longer on sale"}
    assert len(west.missing) == 4
    after = refreshed(providers=("aws",))
    assert after.exit_code == 0
    assert {one.scope.region for one in after.scopes(*State)} == {"us-east-1"}


def test_a_type_that_comes_back_is_said_since_it_has_no_price_to_be_compared_with(
    refreshed: Run, clouds: dict[str, Cloud]
) -> None:
    refreshed(providers=("aws",))
    clouds["aws"].offers[EAST] = tuple(
        one for one in clouds["aws"].offers[EAST] if one.instance_type != "p5.48xlarge"
    )
    assert refreshed(providers=("aws",)).exit_code == 0
    clouds["aws"].offers[EAST] += (offer(EAST, "p5.48xlarge", "120"),)
    report = refreshed(providers=("aws",))
    (finding,) = [one for one in report.providers[0].findings if one.check == "no_price_jump"]
    assert (finding.id, finding.holds) == ("no_price_jump:aws/us-east-1/on_demand/p5.48xlarge", False)
    assert finding.message.startswith("back on sale at 120 USD/h")
    assert not [
        one for one in refreshed(providers=("aws",)).providers[0].findings if one.check == "no_price_jump"
    ]


def test_a_store_that_cannot_be_read_for_one_provider_keeps_the_report_of_the_others(
    refreshed: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    refreshed()

    def broken(store: Any, provider: str, **how: Any) -> Any:
        if provider == "gcp":
            raise StoreError("the disk is gone")
        return in_force(store, provider, **how)

    monkeypatch.setattr("optimiser.refresh.in_force", broken)
    report = refreshed()
    assert report.exit_code == 1
    assert {one.provider: one.store_error for one in report.providers} == {
        "aws": "",
        "gcp": "the disk is gone",
        "azure": "",
    }
    assert {one.scope.provider for one in report.scopes(State.ACCEPTED)} == {"aws", "azure"}
