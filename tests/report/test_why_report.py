"""An explanation in words: percentages that sum to 100, a sentence on the limit, lines that fit, JSON that is whole."""

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimiser.errors import UsageError
from optimiser.performance.budgets import FirstTokenBudget, MemoryBudget, PartTime, PerTokenBudget, StepBudget
from optimiser.performance.estimate_types import Setup
from optimiser.performance.lifts import Lift
from optimiser.performance.why import OtherSetup, RateBudget, Why
from optimiser.report.why import render_why
from optimiser.workload import Target, Workload

SETUP = Setup(
    weight_precision="bf16", kv_precision="bf16",
    tensor_parallel=4, pipeline_parallel=1, instances_per_unit=1, replicas_per_unit=2,
)  # fmt: skip
TARGET = Target(ttft_ms=2000, tpot_ms=50, percentile=95)
WORKLOAD = Workload(name="chat", model="./llama/config.json", target=TARGET, buckets=(), periods=())


def part(name: str, ms: float, share: float, limited_by: str, of_peak: float | None) -> PartTime:
    return PartTime(name=name, ms=ms, share=share, limited_by=limited_by, of_peak=of_peak)


DECODE = StepBudget(
    sequences=13.4, tokens_per_step=1, context_tokens=1779.1, prompt_tokens=0, share_of_steps=0.87, ms=12.0,
    parts=(
        part("feed_forward", 4.0, 1 / 3, "memory", 0.75),
        part("kv_cache", 4.0, 1 / 3, "memory", 0.74),
        part("communication", 4.0, 1 / 3, "links", None),
    ),
)  # fmt: skip
MIXED = StepBudget(
    sequences=13.4, tokens_per_step=1, context_tokens=1779.1, prompt_tokens=1617.0, share_of_steps=0.13, ms=100.0,
    parts=(
        part("feed_forward", 90.0, 0.9, "compute", 0.57),
        part("prompt_attention", 10.0, 0.1, "compute", 0.47),
    ),
)  # fmt: skip
WHY = Why(
    provider="aws",
    instance_type="p5.48xlarge",
    gpu="H100",
    gpus_per_instance=8,
    model="llama-3.1-70b",
    engine="vllm 0.19",
    percentile=95,
    method="by hand",
    relative_error=0.15,
    notes=("so it is",),
    limited_by="tpot",
    setup=SETUP,
    decode_step=DECODE,
    mixed_step=MIXED,
    memory=MemoryBudget(
        gpu_gib=80, engine_gib=72, weights_gib=33, working_gib=2, kv_room_gib=37, request_gib=0.15,
        longest_request_gib=0.6, requests_that_fit=246, engine_requests=1024,
    ),
    rate=RateBudget(
        replicas=2, concurrency_per_replica=13.4, output_tokens=107, tokens_per_step=1, mean_step_ms=23.4,
        requests_per_second=10.7, largest_part="feed_forward", largest_part_share=0.6,
    ),
    first_token=FirstTokenBudget(
        request_overhead_ms=30, own_prompt_ms=200, step_under_way_ms=50, prefill_queue_ms=300, wait_for_place_ms=0,
        total_ms=580, target_ms=2000, longest_prompts_ms=900, longest_prompts_limit_ms=6000,
    ),
    per_token=PerTokenBudget(decode_step_ms=12, prompts_ms=11.4, spread_ms=26.5, total_ms=49.9, target_ms=50),
    other_setups=(OtherSetup(setup=replace(SETUP, tensor_parallel=8, replicas_per_unit=1), requests_per_second=8.2),),
    lifts=(
        Lift(change="fp8 weights", setup=SETUP, requests_per_second=21.4, gain=1.0),
        Lift(change="engine trtllm", setup=SETUP, requests_per_second=11.77, gain=0.1),
    ),
)  # fmt: skip


def table(why: Why, workload: Workload = WORKLOAD) -> str:
    return render_why("table", workload, why)


def said(why: Why, workload: Workload = WORKLOAD) -> str:
    return " ".join(table(why, workload).split())


def section(why: Why, title: str) -> list[str]:
    """The lines under a title."""
    lines = table(why).splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith(title)) + 1
    return lines[start : lines.index("", start) if "" in lines[start:] else None]


def test_the_first_line_is_the_answer_and_every_budget_has_its_place() -> None:
    text = said(WHY)
    assert text.startswith(
        "chat on AWS p5.48xlarge (8×H100): serves 10.7 req/s ±15 % as TP4×2 (llama-3.1-70b on vllm 0.19, "
        "p95 TTFT 2,000 ms, TPOT 50 ms) What limits it The TPOT target: at 13.4 sequences per replica, a mean step "
        "of 23.4 ms and its spread reach 49.9 of 50 ms. The largest part of that step is feed-forward: 60 %."
    )
    assert "2 replicas × 13.4 sequences / (107 output tokens × 23.4 ms mean step) = 10.7 req/s." in text
    assert "Other set-ups, req/s: TP8 8.2." in text
    assert "246 requests fit per replica (the engine runs 1,024)" in text
    assert "fp8 weights TP4×2 21.4 +100 % engine trtllm TP4×2 11.8 +10 %" in text
    assert "By hand. Median error ±15 %. So it is." in text
    assert [line.split()[-1] for line in section(WHY, "Latency, p95")] == [
        "ms", "30.0", "200.0", "50.0", "300.0", "0.0", "580.0", "ms", "12.0", "11.4", "26.5", "49.9",
    ]  # fmt: skip
    assert [line.split()[-1] for line in section(WHY, "Memory of one GPU, TP4×2")[:6]] == [
        "GiB", "33.0", "2.0", "37.0", "8.0", "80.0",
    ]  # fmt: skip


def test_each_part_stands_beside_itself_in_both_steps_and_a_missing_one_is_a_dash() -> None:
    rows = {line.split("  ")[0]: line.split() for line in section(WHY, "One step")}
    assert rows["feed-forward"][1:] == ["4", "33.4", "memory", "75", "%", "90", "90.0", "compute", "57", "%"]
    assert rows["prompt attention"][2:] == ["—", "—", "10", "10.0", "compute", "47", "%"]
    assert rows["communication"][1:] == ["4", "33.3", "links", "—", "—"]
    assert rows["step"][1:] == ["12", "100.0", "100", "100.0"]


@given(weights=st.lists(st.floats(1e-6, 1), min_size=1, max_size=11))
def test_printed_percentages_sum_to_100_whatever_the_shares(weights: list[float]) -> None:
    names = (
        "attention_projections", "feed_forward", "routed_experts", "output_head", "kv_cache", "prompt_attention",
        "activations", "stage_waits", "communication", "launches", "host",
    )  # fmt: skip
    parts = tuple(
        part(name, weight, weight / sum(weights), "memory", 0.5)
        for name, weight in zip(names, weights, strict=False)
    )
    why = replace(WHY, decode_step=replace(DECODE, parts=parts), mixed_step=replace(MIXED, parts=parts))
    lines = section(why, "One step")[1 : len(parts) + 1]
    printed = [cells[cells.index("memory") - 1] for cells in (line.split() for line in lines)]
    assert sum(round(float(cell) * 10) for cell in printed) == 1000


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"limited_by": "ttft", "first_token": {"total_ms": 1990.0}},
            "The TTFT target: at 13.4 sequences per replica and a mean step of 23.4 ms, TTFT reaches 1,990 of "
            "2,000 ms.",
        ),
        (
            {"limited_by": "ttft", "first_token": {"longest_prompts_ms": 5990.0}},
            "TTFT of the longest prompts reaches 5,990 of 6,000 ms (3 × the target).",
        ),
        (
            {"limited_by": "kv_room", "memory": {"requests_that_fit": 1}},
            "KV-cache room: it holds 1 request per replica; 13.4 sequences per replica take a mean step of 23.4 ms.",
        ),
        ({"limited_by": "batch"}, "The engine: it runs 1,024 requests per replica at once;"),
        (
            {"limited_by": "compute", "rate": {"concurrency_per_replica": 1.0}},
            "Compute: beyond 1 sequence per replica and a mean step of 23.4 ms the rate falls.",
        ),
    ],
)
def test_what_limits_it_is_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    made = {
        name: replace(getattr(WHY, name), **value) if isinstance(value, dict) else value
        for name, value in changes.items()
    }
    assert sentence in said(replace(WHY, **made))


def test_without_a_target_latencies_are_medians_and_nothing_is_called_a_target() -> None:
    assert WHY.first_token is not None
    assert WHY.per_token is not None
    why = replace(
        WHY,
        percentile=50,
        limited_by="kv_room",
        first_token=replace(WHY.first_token, target_ms=None, longest_prompts_limit_ms=None),
        per_token=replace(WHY.per_token, target_ms=None),
    )
    text = said(why, replace(WORKLOAD, target=None))
    assert "no latency target" in text
    assert "Latency, median TTFT ms" in text
    assert text.count("target") == 1


def test_what_does_not_serve_says_why_and_what_would_make_it() -> None:
    out = replace(
        WHY, rejected="ttft", reason="too slow", limited_by="", rate=None, relative_error=None,
        lifts=(replace(WHY.lifts[0], gain=None),), other_setups=(),
    )  # fmt: skip
    text = said(out)
    assert "(8×H100): does not serve it (" in text
    assert "What limits it Too slow. One step, TP4×2 where requests do not meet" in text
    assert "What would make it serve change set-up req/s gain fp8 weights TP4×2 21.4 —" in text
    assert "Rate" not in text
    nothing = replace(out, setup=None, decode_step=None, mixed_step=None, memory=None, lifts=())
    bare = said(replace(nothing, first_token=None, per_token=None))
    assert bare.endswith("Too slow. What would make it serve No single change that was tried makes it serve.")


def test_host_ram_alone_in_the_way_is_supposed_to_suffice() -> None:
    text = said(replace(WHY, rejected="host_ram", reason="needs 100 GiB"))
    assert "does not serve it" in text
    assert "Rate, TP4×2 if host RAM sufficed" in text


def test_groups_are_named_and_lifts_are_of_as_many_instances() -> None:
    text = said(replace(WHY, setup=replace(SETUP, instances_per_unit=2, replicas_per_unit=1)))
    assert "on AWS 2 × p5.48xlarge (8×H100)" in text
    assert "req/s of 2 instances." in text


def test_large_figures_still_fit() -> None:
    wide = tuple(
        part(name, 12345.6, 1 / 11, "compute", 0.99)
        for name in ("attention_projections", "activations", "stage_waits", "routed_experts")
    )
    why = replace(WHY, decode_step=replace(DECODE, parts=wide), mixed_step=replace(MIXED, parts=wide))
    assert max(map(len, table(why).splitlines())) <= 100


def test_json_holds_every_field_unrounded() -> None:
    content = json.loads(render_why("json", WORKLOAD, WHY))
    assert set(content) == {field.name for field in fields(Why)}
    assert content["decode_step"]["parts"][0] == {
        "name": "feed_forward", "ms": 4.0, "share": 1 / 3, "limited_by": "memory", "of_peak": 0.75,
    }  # fmt: skip
    assert content["lifts"][1]["requests_per_second"] == 11.77


def test_another_format_is_refused() -> None:
    with pytest.raises(UsageError, match="--format: format = 'csv': --why is shown as table or json"):
        render_why("csv", WORKLOAD, WHY)
