"""`optimiser recommend A B --together` where services take one offer in two ways, or there is little of it."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from optimiser.planning.together.verify import verify_together

Run = Callable[..., Any]

HEADER = "provider,region,instance_type,tier,kind,term_months,usd_per_hour,contract,max_instances,observed_on,source"
MACHINES = {
    "u8": "gpu: H200, gpu_count: 8, vcpus: 192, memory_gib: 2000, gpu_link: nvlink, quota_family: U",
    "l1": "gpu: L40S, gpu_count: 1, vcpus: 4, memory_gib: 64, gpu_link: none, quota_family: L",
}


def asked_of(directory: Path, prices: tuple[str, ...], *services: tuple[str, str]) -> tuple[str, ...]:
    """Models and their hourly rates, on machines that one provider sells at such prices."""
    for name in ("prices", "instances"):
        (directory / name).mkdir()
    rows = "".join(f"tiny,east,{price},2026-11-20,me\n" for price in prices)
    (directory / "prices" / "tiny.csv").write_text(f"{HEADER}\n{rows}", encoding="utf-8")
    machines = "".join(
        f"  {name}: {{{said}, network_gbps: 100, obtainability: elastic, quota_unit: gpu}}\n"
        for name, said in MACHINES.items()
    )
    (directory / "instances" / "tiny.yaml").write_text(
        f"provider: tiny\nchecked: 2026-11-21\ninstances:\n{machines}", encoding="utf-8"
    )
    files = []
    for model, hourly in services:
        file = directory / f"{model}.yaml"
        file.write_text(
            f"name: {model}\nmodel: {model}\ntarget: {{ttft_ms: 5000, tpot_ms: 60}}\n"
            f"demand: {{hourly_requests_per_second: {hourly}}}\n"
            "sizes: {prompt_tokens: 800, output_tokens: 200}\n"
            "policy: {providers: [tiny], weights_load_gb_per_s: 0.3}\n",
            encoding="utf-8",
        )
        files.append(str(file))
    return (*files, "--together", "--config", str(directory), "--as-of", "2026-11-21", "--format", "json")


def running(plan: dict[str, Any], offer: str, *, for_all: bool) -> list[int]:
    """Instances of an offer in each period, as services use what is bought for all, or by the hour."""
    found = [0] * len(plan["periods"])
    for part in plan["services"]:
        bought = {one["id"]: one for one in part["purchases"] if one["offer"] == offer}
        each = {one["id"]: one["instances_per_unit"] for one in part["options"]}
        for row in part["counts"]:
            one = bought.get(row["purchase"])
            if one and (one["how"] == "shared") is for_all:
                found[row["period"]] += row["units"] * each[one["option"]]
    return found


def test_an_offer_held_for_a_slow_service_and_by_the_hour_for_another_counts_both_ways(
    tmp_path: Path, run: Run
) -> None:
    # The weights of DeepSeek-R1 load too slowly to follow the hour; those of Llama 70B do not.
    prices = ("u8,on_demand,,0,40,,", "u8,reserved,reserved_instance,12,24,,")
    services = (("deepseek-r1", "[90, 40, 40, 30, 30, 30]"), ("llama-3.3-70b", "[30, 30, 90, 90, 30, 30]"))
    asked = asked_of(tmp_path, prices, *services)
    plan = json.loads(run("recommend", *asked, "--set", "commitment_hours_share=0").out)
    held, signed = (_paid(plan, how) for how in ("held_on_demand", "commitment"))
    by_hour = running(plan, held["offer"]["id"], for_all=False)
    assert min(held["instances"], max(by_hour)) > 0
    assert plan["totals"]["max_gpus"] == 8 * (held["instances"] + signed["instances"] + max(by_hour))
    assert verify_together(plan) == []
    other = copy.deepcopy(plan)
    other["totals"]["max_gpus"] = 8 * (held["instances"] + signed["instances"])
    assert any("taken" in fault for fault in verify_together(other))


def _paid(plan: dict[str, Any], how: str) -> dict[str, Any]:
    """The one offer that is bought so for all."""
    (found,) = (one for one in plan["shared"] if one["how"] == how)
    return dict(found)


@pytest.mark.parametrize(
    ("limited", "usd"),
    [("l1,on_demand,,0,1.5,edp,4", 1.5), ("l1,reserved,reserved_instance,12,1.0,edp,4", 1.0)],
)
def test_services_take_no_more_of_a_limited_offer_than_there_is(
    tmp_path: Path, run: Run, limited: str, usd: float
) -> None:
    # Three machines each, and four in all under the contract.
    services = (("llama-3.1-8b", "[5, 5, 5, 5]"), ("qwen2.5-7b", "[5, 5, 5, 5]"))
    asked = asked_of(tmp_path, ("l1,on_demand,,0,1.9,,", limited), *services)
    plan = json.loads(run("recommend", *asked).out)
    assert plan["totals"]["max_gpus"] == 6
    # Apart the second has what the first leaves, so that nothing is counted twice.
    month = (4 * usd + 2 * 1.9) * 730
    assert float(plan["totals"]["apart_monthly_usd"]) == pytest.approx(month)
    assert float(plan["totals"]["total_monthly_usd"]) == pytest.approx(month)
    assert any("planned in turn" in note for note in plan["notes"])
    assert verify_together(plan) == []
    for part in plan["services"]:
        for offer in part["offers"]:
            offer["max_instances"] = offer["max_instances"] and 3
    assert any("4 on an offer of 3" in fault for fault in verify_together(plan))
