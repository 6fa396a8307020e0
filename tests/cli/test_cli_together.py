"""`optimiser recommend A B --together`: several services in one plan."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from many_workloads import FEW
from together_services import asked, folder_of_services

from optimiser.alike import refuse_what_differs
from optimiser.errors import UsageError
from optimiser.planning.together.verify import verify_together
from optimiser.report.together import render_together
from optimiser.together import recommend_together

Run = Callable[..., Any]
Fails = Callable[..., str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of_services(tmp_path_factory.mktemp("together"))


@pytest.fixture(scope="module")
def plan(folder: Path) -> dict[str, Any]:
    requests = asked(folder, ("day", "night"), "gcp", "commitment_hours_share=0.5")
    found: dict[str, Any] = json.loads(render_together("json", recommend_together(requests)))
    return found


def test_day_and_night_share_what_is_committed_and_pay_for_it_to_the_cent(plan: dict[str, Any]) -> None:
    assert plan["together"]
    totals = {name: Decimal(value) for name, value in plan["totals"].items() if name.endswith("_usd")}
    assert totals["saving_monthly_usd"] > 0
    assert totals["total_monthly_usd"] + totals["saving_monthly_usd"] == totals["apart_monthly_usd"]
    assert sum(Decimal(part["monthly_usd"]) for part in plan["services"]) == totals["monthly_usd"]
    # By day one service uses what the other uses by night.
    used = [sum(one) for one in zip(*(shared["used"][0] for shared in plan["shared"]), strict=True)]
    assert used[0] > used[2]
    assert verify_together(plan) == []


def owning(folder: Path, directory: Path) -> tuple[str, ...]:
    """Both services, with three machines that they own."""
    owned = "{provider: gcp, region: us-east4, instance_type: g2-standard-48, instances: 3, ends: 2027-12-31}"
    (directory / "owned.yaml").write_text(f"- {owned}\n", encoding="utf-8")
    there = ("--set", "regions=us-east4", "--set", "commitment_hours_share=0.5")
    files = (str(folder / f"{name}.yaml") for name in ("day", "night"))
    return (*files, "--together", *FEW, "--config", str(directory), *there)


def test_nothing_is_saved_by_what_is_owned_which_apart_is_planned_without(
    folder: Path, tmp_path: Path, run: Run
) -> None:
    asked_for = owning(folder, tmp_path)
    found = json.loads(run("recommend", *asked_for, "--format", "json").out)
    (used,) = (one["used_share"] for one in found["shared"] if one["how"] == "owned")
    assert used > 0
    totals = found["totals"]
    assert Decimal(totals["apart_monthly_usd"]) > Decimal(totals["total_monthly_usd"])
    assert totals["saving_monthly_usd"] is None
    assert verify_together(found) == []
    page = " ".join(run("recommend", *asked_for).out.split())
    headline = page[: page.index("Services")]
    apart = f"${Decimal(totals['apart_monthly_usd']):,.0f}"
    assert f"; apart is planned without what is owned ({apart}); gap" in headline
    assert "below" not in headline
    assert "apart, nothing owned" in page
    totals["saving_monthly_usd"] = str(
        Decimal(totals["apart_monthly_usd"]) - Decimal(totals["total_monthly_usd"])
    )
    assert verify_together(found) == ["money: saving_monthly_usd is not the difference"]


def test_fewer_gpus_than_they_need_is_no_plan_and_said_to_be_proven(folder: Path, fails: Fails) -> None:
    files = [str(folder / f"{name}.yaml") for name in ("day", "night")]
    said = fails(3, "recommend", *files, "--together", *FEW, "--set", "max_gpus=24")
    assert "day, night: no plan carries all of them: at 2026-01-05 01:00 they need at least 35 GPUs" in said
    assert "24 are allowed" in said


def within_quota(folder: Path, directory: Path, tier: str, gpus: int) -> list[str]:
    """Both services in one region, where so many L4s are granted to them on demand or on spot."""
    granted = f"- {{provider: gcp, region: us-east4, family: NVIDIA_L4_GPUS, tier: {tier}, amount: {gpus}}}\n"
    (directory / "quotas.yaml").write_text(granted, encoding="utf-8")
    there = ("--config", str(directory), "--set", "within_quotas=true", "--set", "regions=us-east4")
    files = [str(folder / f"{name}.yaml") for name in ("day", "night")]
    return [*files, "--together", *FEW, *there, "--set", "commitment_hours_share=0.5"]


def test_a_quota_that_each_alone_would_fill_is_kept_by_both_at_once(
    folder: Path, tmp_path: Path, run: Run
) -> None:
    kept = json.loads(run("recommend", *within_quota(folder, tmp_path, "spot", 8), "--format", "json").out)
    assert kept["together"]
    (spot,) = (one for one in kept["quotas"] if one["spot"])
    assert (spot["amount"], spot["granted"]) == (8, 8.0)
    assert any("planned in turn" in note for note in kept["notes"])
    assert kept["bound"]["gap"] < 0.04
    assert verify_together(kept) == []
    spot["granted"] = 7.0
    assert any("8 of" in fault and "7 for all" in fault for fault in verify_together(kept))


def test_too_small_a_quota_is_named_with_what_is_missing(folder: Path, tmp_path: Path, fails: Fails) -> None:
    said = fails(3, "recommend", *within_quota(folder, tmp_path, "on_demand", 28))
    assert "day, night: no plan carries all of them at once within what is granted" in said
    assert "gcp us-east4 NVIDIA_L4_GPUS (on demand): 32, 28 granted, 4 too many" in said
    assert "within_quotas: false would plan without the limit" in said


def test_a_budget_is_for_all_services(folder: Path, fails: Fails) -> None:
    files = [str(folder / f"{name}.yaml") for name in ("day", "night")]
    said = fails(3, "recommend", *files, "--together", *FEW, "--set", "max_monthly_usd=9000")
    assert "day, night: max_monthly_usd = 9,000 is too small for all of them" in said


@pytest.mark.parametrize("change", ["instances", "price", "count", "committed", "gpus", "quota", "units"])
def test_a_changed_plan_is_rejected(plan: dict[str, Any], change: str) -> None:
    other = copy.deepcopy(plan)
    shared = other["shared"][0]
    if change == "instances":
        shared["instances"] -= 1
    elif change == "price":
        other["services"][0]["monthly_usd"] = str(Decimal(other["services"][0]["monthly_usd"]) + 1)
    elif change == "count":
        other["services"][0]["counts"][0]["units"] -= 1
    elif change == "committed":
        shared["how"], shared["instances"] = "commitment", shared["instances"] + 5
    elif change == "units":
        other["services"][0]["purchases"][0]["max_units"] += 1
    elif change == "gpus":
        other["services"][0]["policy"]["max_gpus"] = other["totals"]["max_gpus"] - 1
    else:
        quota = other["quotas"][0]
        quota["granted"], other["services"][0]["policy"]["within_quotas"] = quota["amount"] - 1, True
    assert verify_together(other)


@pytest.mark.parametrize("usd", ["5", "-5", "100000"])
def test_a_bound_is_as_far_from_the_plan_as_its_gap_says(plan: dict[str, Any], usd: str) -> None:
    other = copy.deepcopy(plan)
    other["bound"]["value_usd"] = str(Decimal(other["bound"]["value_usd"]) + Decimal(usd))
    faults = verify_together(other)
    assert {fault.split(":")[0] for fault in faults} == {"bound"}


def test_services_of_one_kind_share_replicas(folder: Path, run: Run) -> None:
    files = [str(folder / f"{name}.yaml") for name in ("day", "dusk")]
    text = run("recommend", *files, "--together", *FEW).out
    assert text.startswith("2 services as one: ")
    assert "; gap 0 %, " in " ".join(text.split())
    assert "with nobody to share with: its own bound" in " ".join(text.split())
    assert "planned alone" not in text
    # The bound is of commitments as they are weighed, and the plan is told beside it in the same money.
    assert "where this one comes to $" in " ".join(text.split())
    assert "day+dusk" in text
    assert "day and dusk are one service here" in " ".join(text.split())


@pytest.mark.parametrize(
    ("names", "more", "said"),
    [
        (
            ("day", "week"),
            (),
            "day and week: planned together they need the same hours, theirs are 4 periods from 2026-01-05 00:00 and "
            "168 periods from 2026-01-05 00:00: give both demands the same number of periods, 4 or 168",
        ),
        (
            ("day", "later"),
            (),
            "theirs are 4 periods from 2026-01-05 00:00 and 4 periods from 2026-01-06 00:00: set demand.start alike",
        ),
        (
            ("later", "week"),
            (),
            "set demand.start alike and give both demands the same number of periods, 4 or 168",
        ),
        (("day",), (), "--together: one workload has nothing to share with"),
        (("day", "night"), ("--explain",), "--explain: does not go with --together"),
        (("day", "night"), ("--format", "csv"), "--format: format = 'csv'"),
        (
            ("day", "night"),
            ("--set", "max_starts_per_hour=8"),
            "policy.max_starts_per_hour = 8: planned together it can only be null",
        ),
        (
            ("day", "night"),
            ("--set", "min_regions=2"),
            "policy.min_regions = 2: planned together it can only be 1",
        ),
        (
            ("day", "night"),
            ("--set", "max_monthly_kg_co2e=100"),
            "policy.max_monthly_kg_co2e = 100.0: planned together it can only be null",
        ),
    ],
)
def test_what_cannot_be_planned_together_is_said(
    folder: Path, fails: Fails, names: tuple[str, ...], more: tuple[str, ...], said: str
) -> None:
    files = [str(folder / f"{name}.yaml") for name in names]
    assert said in fails(2, "recommend", *files, "--together", *FEW, *more)


def test_hours_of_another_length_are_named(folder: Path) -> None:
    one, other = asked(folder, ("day", "night"), "gcp")
    periods = other.workload.periods
    shorter = replace(other.workload, periods=(*periods[:-1], replace(periods[-1], hours=0.5)))
    with pytest.raises(UsageError) as refused:
        refuse_what_differs([one, replace(other, workload=shorter)])
    assert str(refused.value).endswith(
        "of which period 3 is 1 h from 2026-01-05 03:00 and 0.5 h from 2026-01-05 03:00: give both demands the same"
    )
