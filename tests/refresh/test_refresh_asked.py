"""What may be asked of a refresh, what it hands to adapters."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from refresh_doubles import NIGHT, ON_DEMAND, SHAPES, SPOT, Clock, Cloud

from optimiser.config import Config
from optimiser.errors import UsageError
from optimiser.prices.store import (
    in_force,
    open_store,
    scopes_in_force,
    snapshots,
)
from optimiser.refresh import RefreshReport, State
from providers.errors import NoSuchRegion, Unavailable, UnexpectedPayload
from providers.fetch import Scope
from providers.offer import Tier

EAST = Scope("aws", "us-east-1", ON_DEMAND)
Run = Callable[..., RefreshReport]


def scopes_of(url: str) -> set[Scope]:
    with open_store(url) as store:
        return set(scopes_in_force(store))


def test_an_adapter_is_asked_for_what_was_asked_here(refreshed: Run, clouds: dict[str, Cloud]) -> None:
    client = object()
    refreshed(providers=("gcp",), regions=("us-central1",), tiers=(SPOT,), clients={"gcp": client})
    assert clouds["gcp"].asked == [(tuple(SHAPES.values()), ("us-central1",), client, (SPOT,), NIGHT)]
    assert not clouds["aws"].asked


def test_without_regions_the_adapter_looks_for_them(refreshed: Run, clouds: dict[str, Cloud]) -> None:
    refreshed()
    assert [cloud.asked[0][1:3] for cloud in clouds.values()] == [(None, None)] * 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"providers": ("awz",)}, "--provider: provider = 'awz': did you mean aws?"),
        ({"tiers": ()}, "at least one of on_demand"),
        ({"spot_history_days": 91}, "0 to 90"),
        ({"wait_seconds": -1}, "--wait"),
        ({"acknowledge": ("no_price_jump",)}, "a finding such as no_price_jump:aws/us-east-1"),
        ({"acknowledge": ("*",)}, "a finding such as"),
        ({"acknowledge": ("no_price_jmp:aws/*",)}, "did you mean no_price_jump"),
        ({"acknowledge": ("no_test_double:*",)}, "no_test_double is never let pass"),
        ({"store_url": "mysql://host/prices"}, "mysql"),
    ],
)
def test_what_is_asked_wrongly_is_refused_before_anything_is_fetched(
    refreshed: Run, clouds: dict[str, Cloud], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        refreshed(**options)
    assert not any(cloud.asked for cloud in clouds.values())


def test_a_region_nobody_knows_is_a_slip_and_stores_nothing(refreshed: Run, sqlite_url: str) -> None:
    refreshed()
    with pytest.raises(
        UsageError, match=r"'us-est-1': no prices there from aws, gcp, azure; did you mean .*us-east-1"
    ):
        refreshed(regions=("us-est-1", "eastus"))
    with open_store(sqlite_url) as store:
        assert len(snapshots(store)) == 3


def test_a_region_an_adapter_says_is_unknown_is_a_slip_on_a_first_run_too(
    refreshed: Run, clouds: dict[str, Cloud]
) -> None:
    nowhere = Scope("gcp", "us-centrall1", ON_DEMAND)
    clouds["gcp"].offers = {nowhere: ()}
    clouds["gcp"].failing = {nowhere: NoSuchRegion("no SKU knows the region")}
    with pytest.raises(UsageError, match="us-centrall1"):
        refreshed(providers=("gcp",), regions=("us-centrall1",))


def test_an_answer_that_cannot_be_read_is_a_failure_and_no_slip(
    refreshed: Run, clouds: dict[str, Cloud]
) -> None:
    west = Scope("aws", "us-west-9", ON_DEMAND)
    clouds["aws"].offers = {west: ()}
    clouds["aws"].failing = {west: UnexpectedPayload("a product without tenancy")}
    report = refreshed(providers=("aws",), regions=("us-west-9",))
    assert report.exit_code == 4
    assert [(one.scope, one.reason) for one in report.scopes(State.FAILED)] == [
        (west, "a product without tenancy")
    ]


def test_a_region_that_could_not_be_asked_is_a_failure_and_no_slip(
    refreshed: Run, clouds: dict[str, Cloud]
) -> None:
    clouds["aws"].error = Unavailable("no network")
    report = refreshed(providers=("aws",), regions=("us-east-9",), tiers=(SPOT,))
    assert report.exit_code == 4
    assert [str(one.scope) for one in report.scopes(State.FAILED)] == ["aws/us-east-9/spot"]


def test_another_providers_region_is_neither_asked_beside_nor_stored(
    refreshed: Run, clouds: dict[str, Cloud], sqlite_url: str
) -> None:
    """Azure answers an unknown region with nothing, Google with a failure: neither has us-east-1."""
    for tier in Tier:
        clouds["azure"].offers[Scope("azure", "us-east-1", tier)] = ()
        scope = Scope("gcp", "us-east-1", tier)
        clouds["gcp"].offers[scope] = ()
        clouds["gcp"].failing[scope] = UnexpectedPayload("no SKU knows the region")
    report = refreshed(regions=("us-east-1",))
    assert (report.exit_code, [one.provider for one in report.providers]) == (0, ["aws"])
    assert scopes_of(sqlite_url) == {Scope("aws", "us-east-1", tier) for tier in Tier}
    assert (clouds["aws"].beside_asked, clouds["gcp"].beside_asked) == (
        [(tuple(SHAPES.values()), ("us-east-1",), None)],
        [],
    )


def test_regions_of_two_providers_go_each_to_its_own(
    refreshed: Run, clouds: dict[str, Cloud], sqlite_url: str
) -> None:
    for tier in Tier:
        clouds["azure"].offers[Scope("azure", "us-east-1", tier)] = ()
    assert refreshed(regions=("us-east-1", "eastus")).exit_code == 0
    own = {("aws", "us-east-1"), ("azure", "eastus")}
    assert {(scope.provider, scope.region) for scope in scopes_of(sqlite_url)} == own
    assert clouds["azure"].beside_asked[0][1] == ("eastus",)


def test_only_the_tier_asked_is_replaced_and_the_rest_keeps_its_date(
    refreshed: Run, clock: Clock, sqlite_url: str
) -> None:
    refreshed()
    clock.pass_hours(1)
    assert refreshed(tiers=(SPOT,)).exit_code == 0
    with open_store(sqlite_url) as store:
        by_tier = {(scope.tier, at) for scope, (at, _) in scopes_in_force(store).items()}
    hour = NIGHT + timedelta(hours=1)
    assert by_tier == {(SPOT, hour), (ON_DEMAND, NIGHT), (Tier.RESERVED, NIGHT)}


def test_a_region_gone_from_the_providers_list_is_held_until_acknowledged(
    refreshed: Run, clouds: dict[str, Cloud], clock: Clock
) -> None:
    refreshed()
    clock.pass_hours(24)
    for tier in Tier:
        del clouds["azure"].offers[Scope("azure", "westeurope", tier)]
    report = refreshed()
    assert report.exit_code == 4
    held = list(report.scopes(State.HELD))
    assert {(str(one.scope), one.observed_at) for one in held} == {
        (f"azure/westeurope/{tier}", NIGHT) for tier in Tier
    }
    assert refreshed(acknowledge=("every_scope_answered:azure/westeurope/*",)).exit_code == 0


def test_what_is_always_sold_somewhere_must_be_answered_on_a_first_run(
    refreshed: Run, config: Config, clouds: dict[str, Cloud]
) -> None:
    sold = replace(config, always_sold=(("aws", "eu-west-1", "g6.xlarge", ON_DEMAND),))
    report = refreshed(config=sold)
    assert [str(one.scope) for one in report.scopes(State.HELD)] == ["aws/eu-west-1/on_demand"]
    assert refreshed(config=sold, regions=("us-east-1",)).exit_code == 0
    assert clouds


def test_an_acknowledgement_that_matches_nothing_is_said(refreshed: Run) -> None:
    report = refreshed(acknowledge=("no_price_jump:aws/us-east-1/on_demand/p6*",))
    assert report.exit_code == 0
    assert report.warnings == (
        "--acknowledge 'no_price_jump:aws/us-east-1/on_demand/p6*' matches no finding of this refresh",
    )


def test_two_regions_fetched_alone_add_up(refreshed: Run, sqlite_url: str) -> None:
    refreshed(regions=("us-east-1",))
    refreshed(regions=("us-west-2", "eastus"))
    with open_store(sqlite_url) as store:
        assert {scope.region for scope in in_force(store, "aws")} == {"us-east-1", "us-west-2"}
        assert {scope.region for scope in in_force(store, "azure")} == {"eastus"}
        assert in_force(store, "gcp") == {}
