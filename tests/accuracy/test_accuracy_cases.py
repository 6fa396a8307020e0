"""Which rows are judged in which set, and which are left out for which reason."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from measurement_rows import (
    DOCS,
    GAP_ANALYSIS,
    INFERENCEX,
    LIMITS,
    at_concurrency,
    at_rate,
    offline,
    under_limits,
)

from optimiser.accuracy.cases import cases_of
from optimiser.accuracy.sets import Case, How, LeftOut, Split
from optimiser.accuracy.table import Measurement
from optimiser.config import load_config

CONFIG = load_config()


def sorted_out(*rows: Measurement) -> tuple[Sequence[Case], Sequence[LeftOut]]:
    return cases_of(rows, CONFIG.models, CONFIG.gpus)


def only_case(row: Measurement, how: How | None = None) -> Case:
    cases = [case for case in sorted_out(row)[0] if how in (None, case.how)]
    assert len(cases) == 1
    return cases[0]


def sets_of(row: Measurement) -> list[tuple[str, How]]:
    return [(case.judged_in.name, case.how) for case in sorted_out(row)[0]]


MIXTRAL = {"model": "Mixtral-8x7B", "gpu_count": 2, "tp": 2}
DEEPSEEK = {
    "model": "DeepSeek-R1",
    "gpu": "H200",
    "gpu_count": 8,
    "precision_weights": "fp8",
    "precision_kv": None,
}
SPREAD = DEEPSEEK | {"attn": "dep8", "tp": 1, "source": INFERENCEX, "notes": "moe_tp=1.0 moe_ep=8.0 bs=4.0"}


@pytest.mark.parametrize(
    ("row", "sets"),
    [
        (offline(), [("offline, dense", How.OFFLINE)]),
        (offline(**MIXTRAL), [("offline, MoE", How.OFFLINE)]),
        (offline(concurrency=64.0), [("offline, dense", How.BATCH)]),
        (under_limits(), [("server", How.SERVER)]),
        (under_limits(constraint="TTFT p99<=450 ms, TPOT p99<=40 ms"), [("interactive", How.SERVER)]),
        (under_limits(constraint=LIMITS, notes="llama2-70b-interactive"), [("interactive", How.SERVER)]),
        (at_concurrency(1, osl=500.0), [("TPOT, dense", How.CLOSED_TPOT), ("TTFT unloaded", How.CLOSED_TTFT)]),
        (at_concurrency(2, tpot_ms=None), [("TTFT, few at once", How.CLOSED_TTFT)]),
        (at_concurrency(4, tpot_ms=None), [("TTFT, few at once", How.CLOSED_TTFT)]),
        (at_concurrency(1, isl=100.0, tpot_ms=None), [("TTFT otherwise", How.CLOSED_TTFT)]),
        (at_concurrency(5), [("TPOT, dense", How.CLOSED_TPOT), ("TTFT otherwise", How.CLOSED_TTFT)]),
        (at_concurrency(4, isl=8192.0), [("TPOT, dense", How.CLOSED_TPOT), ("TTFT otherwise", How.CLOSED_TTFT)]),
        (at_concurrency(8, ttft_ms=None, **MIXTRAL), [("TPOT, MoE", How.CLOSED_TPOT)]),
        (at_concurrency(8, latency_stat="p50"), [("TPOT, dense", How.CLOSED_TPOT)]),
        (at_concurrency(1, source=DOCS, tpot_ms=None), [("TTFT unloaded", How.ENGINE_TTFT)]),
        (at_rate(0.5), [("TPOT open loop", How.OPEN_TPOT), ("TTFT open loop", How.OPEN_TTFT)]),
        (at_rate(0.5, source="MLPerf Inference", tpot_ms=None), [("TTFT open loop", How.OPEN_ENGINE_TTFT)]),
    ],
)  # fmt: skip
def test_a_row_is_judged_in_its_set(row: Measurement, sets: list[tuple[str, How]]) -> None:
    assert sets_of(row) == sets


@pytest.mark.parametrize(
    ("engine", "source", "version", "from_plan"),
    [
        ("NIM (TensorRT-LLM)", "a page", "2024", True),
        ("TensorRT-LLM 0.18.2", "a page", "2025", True),
        ("TensorRT-LLM 0.19.0", "a page", "2025", False),
        ("TensorRT-LLM 0.20.0rc3", "a page", "2025", False),
        ("TensorRT-LLM 1.0.0", "a page", "2025", False),
        ("trtllm 1.1.0rc2", INFERENCEX, "2026_03_25", False),
        ("vLLM 0.5.3", "a page", "0.5.3", False),
        ("TensorRT-LLM", DOCS, "0.9.0", True),
        ("TensorRT-LLM", DOCS, "0.20 rc", False),
        (None, "a page", None, False),
    ],
)
def test_tensorrt_llm_ran_plans_before_its_pytorch_back_end(
    engine: str | None, source: str, version: str | None, from_plan: bool
) -> None:
    row = at_concurrency(1, engine=engine, source=source, source_version=version, tpot_ms=None)
    assert only_case(row).from_plan == from_plan


@pytest.mark.parametrize(
    ("notes", "cached"),
    [("ShareGPT; prefix 540 tokens shared", 540.0), ("prefix 1000 tokens shared", 999.0), ("prefix caching on", 0.0)],
)  # fmt: skip
def test_a_shared_prefix_in_the_notes_is_not_computed_but_for_its_last_token(
    notes: str, cached: float
) -> None:
    assert only_case(at_rate(2.0, isl=1000.0, tpot_ms=None, notes=notes)).cached == cached


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (offline(notes="AMBIGUOUS: same config differs >1.25x"), "AMBIGUOUS"),
        (offline(notes="NON-STANDARD MODEL (pruned)"), "NON-STANDARD"),
        (offline(model="Llama-4-Scout"), "Llama 4"),
        (offline(model="GPT-J-6B", gpu="L40S", isl=2048.0, osl=128.0), "GPT-J on L40S"),
        (at_concurrency(16, gpu="H200", source=GAP_ANALYSIS, engine="vllm 0.12.0"), "Llama 3.1 8B on H200"),
        (under_limits(model="Mixtral-8x7B"), "MLPerf Mixtral"),
        (under_limits(model="GPT-J-6B"), "beam search"),
        (under_limits(notes="closed/NVIDIA/H200-SXM-141GBx8_TRT_MaxQ/llama2-70b"), "power limit"),
        (under_limits(notes="open/NeuralMagic/4xH100_vLLM_FP8-reference-cpu-pytorch/llama2-70b"), "reference harness"),
        (under_limits(gpu="MI300X", precision_weights="fp16"), "as fast as fp8"),
        (under_limits(gpu="MI300X", precision_weights="fp16", model="Llama2-70B"), "as fast as fp8"),
        (at_concurrency(4, tpot_ms=None, gpu_count=8, tp=8, source=GAP_ANALYSIS), "how many requests"),
        (at_concurrency(4, **SPREAD | {"gpu_count": 64, "notes": "moe_tp=8.0 moe_ep=8.0"}), "counted twice"),
        (at_concurrency(4, **SPREAD | {"gpu_count": 16, "attn": "dep4", "tp": 4}), "counted twice"),
        (offline(model="GPT-2"), "sizes are not known"),
        (offline(gpu="RTX4090"), "not in config/gpus.yaml"),
        (offline(precision_weights=None), "weight precision is not in the row"),
        (offline(precision_weights="fp32"), "precision is not one that"),
        (offline(gpu="V100-32GB", precision_weights="fp8"), "V100-32GB is not"),
        (offline(gpu_count=8, tp=16), "cannot be told"),
        (offline(tp=3, gpu_count=3), "cannot be told"),
        (offline(gpu_count=12, tp=None), "cannot be told"),
        (offline(attn="dep8", gpu_count=8, tp=8), "cannot be told"),
        (offline(**DEEPSEEK | {"attn": "dep16", "gpu_count": 16, "tp": 16}), "more than 8 GPUs"),
        (offline(isl=None), "length is not in the row"),
        (offline(throughput_tok_s_total_output=None), "no figure that is predicted"),
        (under_limits(constraint="p99 total<=20 s"), "no figure that is predicted"),
        (at_concurrency(4, latency_stat="p99"), "no figure that is predicted"),
    ],
)  # fmt: skip
def test_a_row_is_left_out_with_its_reason(row: Measurement, reason: str) -> None:
    cases, left_out = sorted_out(row)
    assert not cases
    assert len(left_out) == 1
    assert reason in left_out[0].reason


def test_a_measurement_listed_twice_counts_once_and_a_repeated_one_twice() -> None:
    first = at_concurrency(4, 2, ttft_ms=None)
    again = at_concurrency(4, 3, ttft_ms=None, source_version="another name")
    repeated = at_concurrency(4, 4, ttft_ms=None, tpot_ms=10.1)
    cases, left_out = sorted_out(first, again, repeated)
    assert [case.row.line for case in cases] == [2, 4]
    assert [(item.row.line, item.reason) for item in left_out] == [
        (3, "the same measurement is listed before")
    ]


def test_prompts_held_back_leave_the_tpot_to_judge() -> None:
    fp8 = {"model": "LLaMA-3.1-70B", "precision_weights": "fp8", "engine": "trtllm 1.0", "source": INFERENCEX}
    held_back = at_concurrency(4, isl=1024.0, osl=1024.0, gpu_count=2, tp=2, **fp8)
    cases, left_out = sorted_out(held_back)
    assert [case.how for case in cases] == [How.CLOSED_TPOT]
    assert "hold prompts back" in left_out[0].reason
    free = at_concurrency(4, isl=1024.0, osl=1024.0, gpu_count=8, tp=8, **fp8)
    assert [case.how for case in sorted_out(free)[0]] == [How.CLOSED_TPOT, How.CLOSED_TTFT]


@pytest.mark.parametrize(
    ("row", "split"),
    [
        (offline(gpu_count=8, tp=2), Split(shards=2, ranks=1, stages=1, replicas=4)),
        (offline(gpu_count=4, tp=1, pp=4), Split(shards=1, ranks=1, stages=4, replicas=1)),
        (offline(**DEEPSEEK | {"attn": "dep", "tp": 8}), Split(shards=1, ranks=8, stages=1, replicas=1)),
        (at_concurrency(4, ttft_ms=None, **SPREAD), Split(shards=1, ranks=8, stages=1, replicas=1)),
        (under_limits(), None),
        (under_limits(gpu_count=32), None),
    ],
)
def test_a_row_says_how_the_model_lies_on_its_gpus(row: Measurement, split: Split | None) -> None:
    assert only_case(row).split == split


@pytest.mark.parametrize(
    ("row", "weights", "kv"),
    [
        (offline(), "bf16", "bf16"),
        (offline(precision_weights="fp8", precision_kv="fp16"), "fp8", "fp16"),
        (offline(precision_weights="fp8", precision_kv=None), "fp8", "fp8"),
        (offline(precision_weights="int4", precision_kv=None), "int4", "bf16"),
        (offline(gpu="A100-SXM", precision_weights="int8", precision_kv=None), "int8", "bf16"),
        (offline(model="gpt-oss-120b", gpu="B200", precision_weights="fp4", precision_kv=None), "fp4", "fp8"),
        # Hopper has no fp4 tensor cores, so it computes these weights in 16 bit.
        (offline(model="gpt-oss-20b", precision_weights="fp8", precision_kv=None), "fp4", "bf16"),
    ],
)
def test_precisions_are_the_rows_or_what_is_usual(row: Measurement, weights: str, kv: str) -> None:
    served = only_case(row).served
    assert (served.weight_precision, served.kv_precision) == (weights, kv)


def test_lengths_follow_the_habits_of_the_source() -> None:
    drawn = only_case(at_concurrency(4, isl=1024.0, osl=8192.0, ttft_ms=None, source=INFERENCEX))
    assert (drawn.prompt, drawn.output) == pytest.approx((921.6, 7372.8))
    logged = only_case(under_limits(osl=291.2))
    assert (logged.prompt, logged.output) == (294.0, 291.2)


def test_runs_are_as_long_as_their_source_has_them() -> None:
    short = only_case(offline(source=DOCS, isl=128.0, osl=4096.0))
    assert (short.run_requests, short.run_s) == (1500, None)
    at_once = only_case(at_concurrency(16, source=INFERENCEX, ttft_ms=None))
    assert (at_once.run_requests, at_once.run_s) == (160, None)
    assert (only_case(under_limits()).run_requests, only_case(under_limits()).run_s) == (None, 600.0)
    assert (only_case(offline()).run_requests, only_case(offline()).run_s) == (None, None)
    noted = only_case(offline(notes="bench serve, 500 requests in the run, all at once"))
    assert (noted.run_requests, noted.run_s) == (500, None)


def test_each_wave_of_requests_of_equal_lengths_is_a_run() -> None:
    waves = only_case(
        at_concurrency(
            16, ttft_ms=None, notes="GenAI-Perf, closed loop of equal lengths, 500 requests in the run"
        )
    )
    assert (waves.run_requests, waves.run_s) == (16, None)


def test_requests_finished_stand_for_tokens_where_those_are_not_given() -> None:
    assert (
        only_case(under_limits(throughput_tok_s_total_output=None, samples_s=80.0)).measured == 80.0 * 293.0
    )


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "llama-3.1-8b"),
        ("LLaMA-7B", "llama-2-7b"),
        ("Mistral-Nemo-Instruct-2407", "mistral-nemo-12b"),
        ("nvidia/Llama-3.1-70B-Instruct-FP8", "llama-3.1-70b"),
        ("Qwen3-30B-A3B", "qwen3-30b-a3b"),
        ("Falcon-180B", "falcon-180b"),
    ],
)
def test_models_are_known_however_they_are_written(written: str, name: str) -> None:
    assert (
        only_case(
            offline(model=written, gpu="B200", gpu_count=8, tp=8 if "180B" in written else 4)
        ).model.name
        == name
    )


@pytest.mark.parametrize("written", ["A100-SXM", "a100 sxm", "A100-80GB"])
def test_gpus_are_known_however_they_are_written(written: str) -> None:
    assert only_case(offline(gpu=written)).gpu.name == "A100-80GB"


def test_limits_are_read_at_their_percentile() -> None:
    target = only_case(under_limits(constraint=LIMITS.replace("p99", "p95"))).target
    assert target is not None
    assert (target.ttft_ms, target.tpot_ms, target.percentile) == (2000.0, 200.0, 95.0)
