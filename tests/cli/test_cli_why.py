"""`estimate --why`: the same answer as the list's, explained, for one instance type that is named beyond doubt."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

AS_OF = ("--as-of", "2026-11-21")

Run = Callable[..., Any]
Fails = Callable[..., str]


@pytest.mark.parametrize(
    ("workload", "instance_type"),
    [
        ("chat-llama-70b", "p5.48xlarge"),
        ("reasoning-deepseek-r1", "p5.48xlarge"),
    ],
)
def test_an_explanation_is_of_the_estimate_that_the_list_has(
    run: Run, workload: str, instance_type: str
) -> None:
    ran = run("estimate", workload, "--why", instance_type, "--format", "json", *AS_OF)
    assert (ran.code, ran.err) == (0, "")
    why = json.loads(ran.out)
    listed = json.loads(
        run("estimate", workload, "--instance-type", instance_type, "--format", "json", *AS_OF).out
    )
    row = max(listed, key=lambda row: row["requests_per_second"] / row["instances_per_unit"])
    assert why["rate"]["requests_per_second"] == pytest.approx(row["requests_per_second"])
    assert why["setup"]["tensor_parallel"] == row["tensor_parallel"]
    assert why["first_token"]["total_ms"] == pytest.approx(row["ttft_ms"], rel=1e-5)
    assert why["per_token"]["total_ms"] == pytest.approx(row["tpot_ms"], rel=1e-5)
    assert (why["limited_by"], why["method"]) == (row["limited_by"], row["method"])


BURSTY = ("--set", "target.service_arrival_cv=3", "--set", "demand={{requests_per_second: {}}}")


def with_bursts(rate: float) -> tuple[str, ...]:
    return tuple(one.format(rate) for one in BURSTY)


@pytest.mark.parametrize(("rate", "replicas"), [(1, 1), (60, 7), (4000, 64)])
def test_an_explanation_is_of_the_pool_of_replicas_that_shares_the_bursts(
    run: Run, rate: float, replicas: int
) -> None:
    asked = ("estimate", "code-llama-8b", "--format", "json", *AS_OF)
    why = json.loads(run(*asked, "--why", "p5.48xlarge", *with_bursts(rate)).out)
    (row,) = json.loads(run(*asked, "--instance-type", "p5.48xlarge", *with_bursts(rate)).out)
    assert why["rate"]["requests_per_second"] == pytest.approx(row["requests_per_second"])
    assert why["pool"]["replicas"] == replicas
    ends = [
        json.loads(run(*asked, "--instance-type", "p5.48xlarge", "--set", f"target.arrival_cv={cv}").out)
        for cv in (3, 1)
    ]
    alone, even = (found[0]["requests_per_second"] for found in ends)
    assert why["pool"]["requests_per_second_alone"] == pytest.approx(alone)
    assert why["pool"]["requests_per_second_without_bursts"] == pytest.approx(even)
    assert alone <= why["rate"]["requests_per_second"] <= even


def test_the_table_says_how_the_bursts_are_spread(run: Run) -> None:
    asked = ("estimate", "code-llama-8b", "--why", "p5.48xlarge", *AS_OF)
    few, many = (" ".join(run(*asked, *with_bursts(rate)).out.split()) for rate in (1, 60))
    assert "each replica sees all bursts of the service: the plan's quietest hour does not fill two" in few
    assert "Bursts of the service are spread over the 7 replicas or more that always run in a plan." in many
    assert "bursts of the service" not in run(*asked).out.lower()


def test_a_lift_is_what_the_workload_so_changed_gets(run: Run) -> None:
    asked = ("estimate", "chat-llama-70b", "--format", "json", *AS_OF)
    lifts = json.loads(run(*asked, "--why", "p5.48xlarge").out)["lifts"]
    rates = {lift["change"]: lift["requests_per_second"] for lift in lifts}
    for change, setting in (
        ("fp8 weights", "weight_precision=fp8"),
        ("engine trtllm", "engine=trtllm"),
        ("TPOT target 60 ms", "target.tpot_ms=60"),
    ):
        (row,) = json.loads(run(*asked, "--instance-type", "p5.48xlarge", "--set", setting).out)
        assert rates[change] == pytest.approx(row["requests_per_second"]), change


@pytest.mark.parametrize(
    ("workload", "instance_type"),
    [
        ("chat-llama-70b", "p5.48xlarge"),
        ("reasoning-deepseek-r1", "p5.48xlarge"),
        ("chat-llama-70b", "g6.xlarge"),
        ("rag-qwen-72b", "Standard_ND96isr_MI300X_v5"),
    ],
)
def test_the_table_fits_and_says_what_limits_and_what_would_help(
    run: Run, workload: str, instance_type: str
) -> None:
    ran = run("estimate", workload, "--why", instance_type, *AS_OF)
    assert (ran.code, ran.err) == (0, "")
    assert max(map(len, ran.out.splitlines())) <= 100
    assert "\nWhat limits it\n" in ran.out
    assert "\nMemory of one GPU, " in ran.out
    assert "\nWhat would lift it\n" in ran.out or "\nWhat would make it serve\n" in ran.out


def test_an_unknown_instance_type_is_met_with_the_near_ones(fails: Fails) -> None:
    said = fails(2, "estimate", "chat-llama-70b", "--why", "p5.48xl", *AS_OF)
    assert said.startswith("--why: instance_type = 'p5.48xl': did you mean p5.48xlarge")


def test_a_name_that_two_providers_use_needs_the_provider(run: Run, fails: Fails, tmp_path: Path) -> None:
    (tmp_path / "instances").mkdir()
    (tmp_path / "instances" / "acme.yaml").write_text(
        "provider: acme\nchecked: 2026-11-01\ninstances:\n  p5.48xlarge: {gpu: A100-80GB, gpu_count: 8, vcpus: 96, "
        "memory_gib: 1000, gpu_link: nvlink, network_gbps: null, obtainability: elastic, quota_family: a, "
        "quota_unit: gpu}\n",
        encoding="utf-8",
    )
    asked = ("estimate", "chat-llama-70b", "--why", "p5.48xlarge", "--config", str(tmp_path), *AS_OF)
    assert fails(2, *asked) == (
        "--why: instance_type = 'p5.48xlarge': aws and acme have one of that name: choose with --provider"
    )
    assert "on acme p5.48xlarge (8×A100-80GB)" in " ".join(run(*asked, "--provider", "acme").out.split())
    assert "on AWS p5.48xlarge (8×H100)" in " ".join(run(*asked, "--provider", "aws").out.split())


def test_a_type_of_a_provider_that_is_left_out_says_whose_it_is(fails: Fails) -> None:
    said = fails(2, "estimate", "chat-llama-70b", "--why", "p5.48xlarge", "--provider", "gcp", *AS_OF)
    assert said == "--why: instance_type = 'p5.48xlarge': is of aws, which the policy's providers leave out"


def test_an_explanation_has_no_rows_for_csv(fails: Fails) -> None:
    said = fails(2, "estimate", "chat-llama-70b", "--why", "p5.48xlarge", "--format", "csv", *AS_OF)
    assert said == "--format: format = 'csv': --why is shown as table or json"


def test_requests_longer_than_the_context_are_refused_as_in_the_list(fails: Fails, tmp_path: Path) -> None:
    path = tmp_path / "long.yaml"
    path.write_text(
        "name: long\nmodel: llama-3.1-8b\ndemand: {requests_per_second: 1}\n"
        "sizes: {prompt_tokens: 200000, output_tokens: 10}\n",
        encoding="utf-8",
    )
    said = fails(2, "estimate", str(path), "--why", "p5.48xlarge", *AS_OF)
    assert said == fails(2, "estimate", str(path), *AS_OF)
    assert "longest request" in said
