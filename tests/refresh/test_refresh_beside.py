"""What lies beside list prices: Capacity Blocks as a market of their own, and what the account may not use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from refresh_doubles import ON_DEMAND, Cloud, offer

from optimiser.prices.store import in_force, open_store
from optimiser.refresh import RefreshReport
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
