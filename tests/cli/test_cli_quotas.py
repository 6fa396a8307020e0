"""Quotas from quotas.yaml and from the store: beside what a plan needs, and as a limit of it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dated_refreshes import days_ago, flat, offer, snapshot, stored

from optimiser.prices.store import open_store, save_quotas
from providers.fetch import Quota
from providers.offer import Tier
from providers.shape import QuotaUnit

Run = Callable[..., Any]
Fails = Callable[..., str]
WHERE = "{provider: aws, region: us-east-1, family: P, tier: on_demand"


@pytest.fixture
def store(tmp_path: Path) -> str:
    """p5.48xlarge on demand in two regions, the nearer one cheaper and with a quota of four machines."""
    url = stored(
        tmp_path,
        *(snapshot(days_ago(ago), offer("54.32"), offer("60.00", "us-west-2")) for ago in (4, 0.1)),
    )
    quota = Quota(
        provider="aws",
        region="us-east-1",
        quota_family="P",
        tier=Tier.ON_DEMAND,
        unit=QuotaUnit.VCPU,
        limit=768,
        used=None,
        observed_at=days_ago(3),
    )
    with open_store(url) as opened:
        save_quotas(opened, [quota])
    return url


def planned(run: Run, store: str, *arguments: str) -> dict[str, Any]:
    ran = run("recommend", "chat-llama-70b", "--format", "json", "--store", store, *arguments)
    assert ran.code == 0, ran.err
    content: dict[str, Any] = json.loads(ran.out)
    return content


def test_what_the_store_knows_is_shown_and_limits_only_where_asked_to(run: Run, store: str) -> None:
    free = planned(run, store)
    (row,) = free["quotas"]
    assert (row["region"], row["granted"], row["granted_on"]) == (
        "us-east-1",
        768.0,
        days_ago(3).date().isoformat(),
    )
    assert row["amount"] > 768
    kept = planned(run, store, "--set", "within_quotas=true")
    (row,) = kept["quotas"]
    assert (row["region"], row["granted"]) == ("us-west-2", None)
    assert any(
        "within_quotas: not known, so no limit: aws us-west-2 P (on demand)" in n for n in kept["notes"]
    )


def test_the_file_goes_before_the_store(run: Run, store: str, tmp_path: Path) -> None:
    (tmp_path / "quotas.yaml").write_text(f"- {WHERE}, amount: 9600}}\n", encoding="utf-8")
    (row,) = planned(run, store, "--config", str(tmp_path), "--set", "within_quotas=true")["quotas"]
    assert (row["region"], row["granted"], row["granted_on"]) == ("us-east-1", 9600.0, None)
    assert row["granted_source"] == str(tmp_path / "quotas.yaml")


def test_a_past_day_does_not_know_later_quotas(run: Run, store: str) -> None:
    (row,) = planned(run, store, "--as-of", days_ago(4).date().isoformat())["quotas"]
    assert row["granted"] is None


def test_quotas_too_small_for_any_plan_end_in_3_with_what_would_do(
    run: Run, store: str, tmp_path: Path
) -> None:
    west = WHERE.replace("us-east-1", "us-west-2")
    (tmp_path / "quotas.yaml").write_text(f"- {west}, amount: 0}}\n", encoding="utf-8")
    within = ("--set", "within_quotas=true", "--set", "providers=aws")
    ran = run("recommend", "chat-llama-70b", "--store", store, "--config", str(tmp_path), *within)
    assert (ran.code, ran.out) == (3, "")
    assert "there is no plan with no more than the quotas granted" in flat(ran.err)
    needed = planned(run, store)["quotas"][0]["amount"]
    assert f"aws us-east-1 P (on demand): {needed:,}, 768 granted" in flat(ran.err)


def test_a_quota_in_a_region_that_is_not_sold_is_pointed_out(run: Run, store: str, tmp_path: Path) -> None:
    (tmp_path / "quotas.yaml").write_text(
        f"- {WHERE.replace('us-east-1', 'us-eats-1')}, amount: 8}}\n", encoding="utf-8"
    )
    ran = run("recommend", "chat-llama-70b", "--store", store, "--config", str(tmp_path))
    assert ran.code == 0
    assert "region = 'us-eats-1': no price of aws there; it limits nothing" in flat(ran.err)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("max_gpus=0", "max_gpus = 0"),
        ("max_gpus=2.5", "max_gpus = 2.5"),
        ("max_gpus=true", "max_gpus = true"),
        ("within_quotas=perhaps", "within_quotas = 'perhaps'"),
    ],
)
def test_a_limit_that_is_none_is_refused(fails: Fails, setting: str, said: str) -> None:
    assert said in flat(fails(2, "recommend", "chat-llama-70b", "--set", setting))
