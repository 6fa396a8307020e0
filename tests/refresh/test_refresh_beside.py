"""What lies beside list prices, and the one client all of it is asked through: Capacity Blocks as a market of
their own, and what the account may not use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from refresh_doubles import ON_DEMAND, Cloud, offer

from optimiser.prices.store import in_force, open_store
from optimiser.refresh import RefreshReport, State
from providers.errors import CredentialsError
from providers.fetch import Scope
from providers.offer import Offer

Run = Callable[..., RefreshReport]
EAST = Scope("aws", "us-east-1", ON_DEMAND)
BLOCK = offer(EAST, "p5.48xlarge", "31.464", market="capacity_block")


def on_demand(url: str) -> dict[str, str]:
    with open_store(url) as store:
        return {
            one.market: str(one.usd_per_hour) for one in in_force(store, "aws")[EAST].offers if of_p5(one)
        }


def of_p5(one: Offer) -> bool:
    return one.instance_type == "p5.48xlarge"


@pytest.fixture
def blocks(clouds: dict[str, Cloud], monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the AWS double answers when it is asked for Capacity Blocks."""
    answers: list[Any] = [BLOCK]

    def fetch_capacity_blocks(*_: Any) -> tuple[Offer, ...]:
        if isinstance(answers[0], Exception):
            raise answers[0]
        return tuple(answers)

    monkeypatch.setattr(clouds["aws"], "fetch_capacity_blocks", fetch_capacity_blocks, raising=False)
    return answers


def test_blocks_stand_beside_the_list_price_when_they_are_asked_for(
    refreshed: Run, blocks: list[Any], sqlite_url: str
) -> None:
    assert blocks
    assert refreshed().exit_code == 0
    assert on_demand(sqlite_url) == {"standard": "98.32"}
    assert refreshed(capacity_blocks=True).exit_code == 0
    assert on_demand(sqlite_url) == {"standard": "98.32", "capacity_block": "31.464"}


def test_blocks_may_go_and_leap_without_holding_the_list(
    refreshed: Run, blocks: list[Any], sqlite_url: str
) -> None:
    refreshed(capacity_blocks=True)
    blocks[0] = offer(EAST, "p5.48xlarge", "60", market="capacity_block")
    assert refreshed(capacity_blocks=True).exit_code == 0
    assert on_demand(sqlite_url)["capacity_block"] == "60"
    assert refreshed().exit_code == 0
    assert on_demand(sqlite_url) == {"standard": "98.32"}


def test_without_the_permission_the_list_is_fetched_all_the_same(refreshed: Run, blocks: list[Any]) -> None:
    blocks[0] = CredentialsError("not allowed: ec2:DescribeCapacityBlockOfferings")
    report = refreshed(capacity_blocks=True)
    assert report.exit_code == 0
    (finding,) = [one for one in report.providers[0].findings if one.check == "capacity_blocks"]
    assert (
        finding.message == "Capacity Blocks were not fetched: not allowed: ec2:DescribeCapacityBlockOfferings"
    )


def test_what_the_account_may_not_use_is_a_warning_with_its_reason(
    refreshed: Run, clouds: dict[str, Cloud], monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = {"NotAvailableForSubscription (location)": 3}
    monkeypatch.setattr(clouds["azure"], "fetch_restrictions", lambda *_: closed, raising=False)
    unseen = refreshed(providers=("azure",))
    assert "open_to_the_account" not in {one.check for one in unseen.providers[0].findings}
    monkeypatch.setattr(clouds["azure"], "seen", clouds["azure"].seen or (seen_shape(),))
    report = refreshed(providers=("azure",))
    (finding,) = [one for one in report.providers[0].findings if one.check == "open_to_the_account"]
    assert (finding.subject, finding.holds) == ("NotAvailableForSubscription (location)", False)
    assert finding.message.startswith("3 times")


def seen_shape() -> Any:
    from providers.fetch import SeenShape

    return SeenShape(
        provider="azure",
        instance_type="g6.xlarge",
        gpu_count=1,
        gpu_name="L4",
        gpu_memory_mib=None,
        vcpus=96,
        memory_gib=1000.0,
    )


QUESTIONS = ("fetch_offers", "fetch_shapes", "fetch_spot_signals", "fetch_quotas", "fetch_spot_history")


@pytest.fixture
def told(clouds: dict[str, Cloud], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What becomes of the client that the AWS double opens, and which client each question comes with."""
    happened: list[str] = []

    @contextmanager
    def open_client() -> Iterator[str]:
        happened.append("opened")
        try:
            yield "its own"
        finally:
            happened.append("closed")

    def noting(ask: Callable[..., Any]) -> Callable[..., Any]:
        def noted(shapes: Any, regions: Any, client: Any, **options: Any) -> Any:
            happened.append(f"asked with {client}")
            return ask(shapes, regions, client, **options)

        return noted

    monkeypatch.setattr(clouds["aws"], "open_client", open_client, raising=False)
    for question in QUESTIONS:
        monkeypatch.setattr(clouds["aws"], question, noting(getattr(clouds["aws"], question)))
    return happened


EVERYTHING: dict[str, Any] = {"providers": ("aws",), "quotas": True, "spot_history_days": 1}
# The history is asked for in two regions, one after the other.
ASKED = len(QUESTIONS) + 1


def test_all_is_asked_through_one_client_which_is_closed_at_the_end(refreshed: Run, told: list[str]) -> None:
    assert refreshed(**EVERYTHING).exit_code == 0
    assert told == ["opened", *ASKED * ["asked with its own"], "closed"]


def test_a_client_that_is_handed_in_is_used_and_left_open(refreshed: Run, told: list[str]) -> None:
    assert refreshed(**EVERYTHING, clients={"aws": "mine"}).exit_code == 0
    assert told == ASKED * ["asked with mine"]


def test_a_refresh_that_is_broken_off_closes_its_clients(
    refreshed: Run, clouds: dict[str, Cloud], told: list[str]
) -> None:
    clouds["aws"].error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        refreshed(**EVERYTHING)
    assert told == ["opened", "asked with its own", "closed"]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (CredentialsError("no profile of that name"), "no profile of that name"),
        (KeyError("hunter2"), "the adapter of aws has a defect (KeyError in test_refresh_beside.py line "),
    ],
)
def test_a_client_that_cannot_be_opened_is_its_providers_failure_alone(
    refreshed: Run, clouds: dict[str, Cloud], monkeypatch: pytest.MonkeyPatch, fault: Exception, said: str
) -> None:
    def open_client() -> Any:
        raise fault

    assert refreshed().exit_code == 0
    monkeypatch.setattr(clouds["aws"], "open_client", open_client, raising=False)
    report = refreshed(spot_history_days=1)
    assert report.exit_code == 4
    (reason,) = {one.reason for one in report.scopes(State.FAILED)}
    assert reason.startswith(said)
    assert "hunter2" not in reason
    assert {one.scope.provider for one in report.scopes(State.ACCEPTED)} == {"gcp", "azure"}
