"""Predictions of measurements: by hand, against the estimates users get, and as the factors change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from measurement_rows import DOCS, at_concurrency, at_rate, offline, under_limits

from optimiser.accuracy.cases import cases_of
from optimiser.accuracy.fit import EXPECTED
from optimiser.accuracy.predict import factors_of, load_shares, predict
from optimiser.accuracy.prepare import Prepared, prepare
from optimiser.accuracy.sets import How
from optimiser.accuracy.table import Measurement
from optimiser.config import load_config
from optimiser.performance import timing
from optimiser.performance.estimate import estimate_shapes
from optimiser.performance.estimate_types import Estimate
from optimiser.performance.physics import Fit
from optimiser.workload import SizeBucket, Target
from providers.shape import GpuLink, InstanceShape, Obtainability

CONFIG = load_config()
# Factors of our own, so that a new fit leaves these tests as they are.
OWN = Fit(
    physics=EXPECTED,
    engines={
        name: replace(engine, step_factor=1.0, latent_prompt_layer_us=0.0)
        for name, engine in CONFIG.fit.engines.items()
    },
    generations={
        name: replace(one, compute=0.8, bandwidth=0.75) for name, one in CONFIG.fit.generations.items()
    },
)


def prepared(*rows: Measurement) -> Prepared:
    cases, left_out = cases_of(rows, CONFIG.models, CONFIG.gpus)
    assert not left_out
    ready, unfit = prepare(cases, CONFIG.fit.engines)
    assert not unfit
    return ready


def predicted(row: Measurement, how: How, fit: Fit = OWN) -> float:
    ready = prepared(row)
    figures = predict(ready, factors_of(ready, fit))
    return float(figures[[case.how for case in ready.cases].index(how)])


def estimate(
    model: str,
    gpu: str,
    count: int,
    prompt: float,
    output: float,
    weights: str,
    kv: str,
    target: Target | None = None,
) -> Estimate:
    """What users are told of an instance with these GPUs."""
    shape = InstanceShape(
        provider="aws",
        instance_type="some",
        gpu=gpu,
        gpu_count=count,
        vcpus=100,
        memory_gib=4000,
        gpu_link=GpuLink.NVLINK if count > 1 else GpuLink.NONE,
        network_gbps=None,
        obtainability=Obtainability.SCARCE,
        quota_family="",
        quota_unit="",
    )
    size = SizeBucket(prompt_tokens=prompt, output_tokens=output, share=1.0)
    found = estimate_shapes(
        CONFIG.models[model], [size], target, [shape], CONFIG.gpus, OWN, weights, kv, "trtllm"
    )[0]
    assert isinstance(found, Estimate)
    return found


def test_one_request_decodes_as_fast_as_its_weights_and_cache_are_read() -> None:
    row = at_concurrency(1, isl=128.0, osl=4096.0, ttft_ms=None)
    layers, head = 6_979_321_856, 525_336_576  # weights of Llama 3.1 8B
    cache = (128 + 4096 / 2) * 2 * 8 * 128 * 32 * 2
    activations = 32 * EXPECTED.activation_passes * 4096 * 2
    logits = 128_256 * 4 * timing.LOGIT_PASSES
    read = (2 * (layers + head) + cache + activations + logits) / (3.35e12 * 0.75)
    host = (32 * EXPECTED.layer_overhead_us + EXPECTED.sequence_overhead_us) * 1e-6 + timing.STEP_OVERHEAD_S
    assert predicted(row, How.CLOSED_TPOT) == pytest.approx((read + host) * 1e3, rel=2e-3)


def test_offline_throughput_is_what_users_are_told() -> None:
    told = estimate("llama-3.1-8b", "H100", 1, 1000, 1000, "bf16", "bf16")
    assert predicted(offline(), How.OFFLINE) == pytest.approx(told.requests_per_second * 1000, rel=1e-6)


def test_throughput_under_limits_is_what_users_are_told_of_the_best_layout() -> None:
    target = Target(ttft_ms=2000, tpot_ms=200, percentile=99)
    told = estimate("llama-2-70b", "H100", 8, 294, 293, "fp8", "fp8", target)
    assert told.setup.tensor_parallel > 1
    assert predicted(under_limits(), How.SERVER) == pytest.approx(told.requests_per_second * 293, rel=1e-6)


def test_four_nodes_serve_four_times_as_much_as_one() -> None:
    one, four = (predicted(under_limits(gpu_count=gpus), How.SERVER) for gpus in (8, 32))
    assert four == pytest.approx(4 * one)


def test_replicas_share_the_requests_in_flight() -> None:
    one = predicted(at_concurrency(8, ttft_ms=None), How.CLOSED_TPOT)
    assert predicted(at_concurrency(32, ttft_ms=None, gpu_count=4), How.CLOSED_TPOT) == pytest.approx(one)
    assert predicted(at_concurrency(32, ttft_ms=None), How.CLOSED_TPOT) > one


def test_a_short_run_loses_while_it_drains_but_less_than_if_every_step_stayed_long() -> None:
    told = estimate("llama-3.1-8b", "H100", 1, 128, 4096, "bf16", "bf16")
    steady = told.requests_per_second * 4096
    drained = predicted(offline(source=DOCS, isl=128.0, osl=4096.0), How.OFFLINE)
    batch = told.concurrency_per_replica
    assert steady / (1 + batch / (2 * 1500)) < drained < 0.995 * steady


def test_a_given_batch_of_one_makes_a_token_a_step() -> None:
    row = offline(isl=128.0, osl=4096.0, concurrency=1.0)
    step_ms = predicted(at_concurrency(1, isl=128.0, osl=4096.0, ttft_ms=None), How.CLOSED_TPOT)
    assert predicted(row, How.BATCH) == pytest.approx(1e3 / step_ms, rel=2e-3)


def test_requests_beyond_the_room_wait_for_their_first_token() -> None:
    """Little's law: with a full batch, each further request in flight waits 1/rate longer."""
    model = {
        "model": "Llama-3.3-70B",
        "gpu_count": 2,
        "tp": 2,
        "precision_weights": "fp8",
        "precision_kv": "fp8",
    }
    size = {"isl": 5000.0, "osl": 500.0}
    told = estimate("llama-3.3-70b", "H100", 2, 5000, 500, "fp8", "fp8")
    rate = told.requests_per_second
    places = told.concurrency_per_replica
    fewer, more = (
        predicted(at_concurrency(load, **model, **size), How.CLOSED_TTFT) / 1e3
        for load in (3 * places, 5 * places)
    )
    assert more - fewer == pytest.approx(2 * places / rate, rel=0.03)


def test_at_a_low_rate_latencies_are_those_of_a_request_alone() -> None:
    for how, alone in ((How.OPEN_TPOT, How.CLOSED_TPOT), (How.OPEN_TTFT, How.CLOSED_TTFT)):
        assert predicted(at_rate(0.01), how) == pytest.approx(predicted(at_concurrency(1), alone), rel=0.05)


def test_at_a_rate_an_unknown_layout_is_the_one_that_serves_most_not_the_quickest() -> None:
    model = {"model": "LLaMA-2-70B", "gpu": "H200", "gpu_count": 8, "precision_weights": "fp8"}
    most = max(
        (1, 2, 4, 8),
        key=lambda tp: 8 / tp * predicted(offline(**{**model, "gpu_count": tp, "tp": tp}), How.OFFLINE),
    )
    for how in (How.OPEN_TPOT, How.OPEN_TTFT):
        unknown, split, quickest = (predicted(at_rate(4.0, **model, tp=tp), how) for tp in (None, most, 8))
        assert unknown == pytest.approx(split)
        assert quickest < 0.9 * unknown


def test_inside_the_engine_a_first_token_comes_without_the_way_there() -> None:
    at_once = replace(OWN, physics=replace(EXPECTED, prompt_layer_us=0.0))
    inside = predicted(at_concurrency(1, source=DOCS, tpot_ms=None), How.ENGINE_TTFT, at_once)
    around = predicted(at_concurrency(1), How.CLOSED_TTFT, at_once)
    assert around - inside == pytest.approx(EXPECTED.request_overhead_ms, rel=1e-6)
    mlperf = predicted(at_rate(2.0, source="MLPerf Inference"), How.OPEN_ENGINE_TTFT)
    assert predicted(at_rate(2.0), How.OPEN_TTFT) - mlperf == pytest.approx(EXPECTED.request_overhead_ms)


def test_a_prompt_takes_as_long_as_its_launches_but_not_in_a_tensorrt_engine() -> None:
    slow = replace(OWN, physics=replace(EXPECTED, prompt_layer_us=10_000.0))
    launched = predicted(at_concurrency(1, isl=128.0), How.CLOSED_TTFT, slow)
    outside = EXPECTED.engine_first_token_ms + EXPECTED.request_overhead_ms
    assert launched == pytest.approx(32 * 10.0 + outside, rel=1e-3)
    planned = at_concurrency(1, source=DOCS, source_version="0.9.0", tpot_ms=None)
    assert predicted(planned, How.ENGINE_TTFT, slow) == predicted(planned, How.ENGINE_TTFT)


def test_launches_cost_nothing_in_a_captured_graph_nor_in_a_plan() -> None:
    slow = replace(OWN, physics=replace(EXPECTED, prompt_layer_us=10_000.0))

    def first_token(tokens: float, engine: str, notes: str = "") -> float:
        return predicted(
            at_concurrency(1, isl=tokens, engine=engine, notes=notes, tpot_ms=None), How.CLOSED_TTFT, slow
        )

    # A step has a sequence that decodes beside the prompt.
    captured = CONFIG.fit.engines["vllm"].graph_tokens - 1
    assert first_token(captured, "vLLM 0.15.1") < 50 < 320 < first_token(captured + 1, "vLLM 0.15.1")
    assert first_token(captured, "TensorRT-LLM 1.0.0") > 320
    assert first_token(4000.0, "NIM (TensorRT-LLM)") < 320 < first_token(4000.0, "TensorRT-LLM 1.0.0")
    assert first_token(4000.0, "vLLM 0.15.1", "prefix 3900 tokens shared") < 50


def test_a_cached_prefix_is_held_and_looked_back_at_but_not_computed() -> None:
    rows = (
        at_rate(0.01, isl=tokens, notes=notes, engine="vLLM 0.15.1", tpot_ms=None)
        for tokens, notes in ((4000.0, "prefix 3900 tokens shared"), (4000.0, ""), (100.0, ""))
    )
    shared, computed, tail = rows
    assert prepared(shared).groups[0].places == prepared(computed).groups[0].places
    looked_back, alone = predicted(shared, How.OPEN_TTFT), predicted(tail, How.OPEN_TTFT)
    assert 1.0 < looked_back / alone < 1.1
    assert looked_back < 0.5 * predicted(computed, How.OPEN_TTFT)


def test_the_requests_that_a_closed_loop_begins_with_count_by_their_share() -> None:
    """64 prompts of 900 tokens at once wait longer than those that come as others end."""
    (first_token,) = prepared(at_concurrency(64, isl=900.0, tpot_ms=None)).cases
    runs = [replace(first_token, run_requests=number) for number in (None, 1280.0, 640.0)]
    ready, _ = prepare(runs, CONFIG.fit.engines)
    endless, long, short = predict(ready, factors_of(ready, OWN))
    assert short > 1.2 * endless
    assert short - endless == pytest.approx(2 * (long - endless))


def test_load_is_a_share_of_the_highest_rate() -> None:
    highest = estimate("llama-3.1-8b", "H100", 1, 1000, 1000, "bf16", "bf16").requests_per_second
    ready = prepared(at_rate(0.6 * highest), at_concurrency(4, 3, ttft_ms=None))
    shares = load_shares(ready, factors_of(ready, OWN))
    assert shares[:2] == pytest.approx([0.6, 0.6])
    assert np.isnan(shares[2])


def test_what_the_memory_has_no_room_for_is_handed_back() -> None:
    small, large = offline(2), offline(3, model="LLaMA-3.1-70B")
    cases, _ = cases_of([large, small], CONFIG.models, CONFIG.gpus)
    ready, unfit = prepare(cases, CONFIG.fit.engines)
    assert [case.row for case in ready.cases] == [small]
    assert [case.row for case in unfit] == [large]


def test_figures_stand_in_the_order_of_the_cases() -> None:
    """Rows of several models, kinds and precisions together give what each gives alone."""
    rows = [
        offline(2, model="Mistral-7B"),
        at_concurrency(4, 3, ttft_ms=None),
        offline(4, precision_weights="fp8"),
        under_limits(line=5),
        at_concurrency(64, 6, ttft_ms=None),
        offline(7),
    ]
    ready = prepared(*rows)
    together = predict(ready, factors_of(ready, OWN))
    assert [case.row for case in ready.cases] == rows
    alone = [predicted(row, case.how) for row, case in zip(rows, ready.cases, strict=True)]
    assert together == pytest.approx(alone)


def test_rates_under_limits_are_those_of_each_alone_where_limits_hold_some_layouts_back_and_rule_others_out() -> (
    None
):
    tight = "TTFT p99<=450 ms, TPOT p99<=40 ms"
    each: list[dict[str, Any]] = [{}, {"gpu": "L40S", "osl": 250.0}, {"osl": 1000.0}]
    rows = [under_limits(line=line, constraint=tight, **changes) for line, changes in enumerate(each, 2)]
    ready = prepared(*rows)
    together = predict(ready, factors_of(ready, OWN))
    assert together == pytest.approx([predicted(row, ready.cases[0].how) for row in rows])


@pytest.mark.parametrize(
    ("row", "how", "factor"),
    [
        (offline(isl=4000.0, osl=100.0), How.OFFLINE, "compute"),
        (offline(isl=100.0, osl=1000.0, concurrency=1.0), How.BATCH, "bandwidth"),
    ],
)
def test_twice_the_factor_that_limits_it_all_but_doubles_throughput(
    row: Measurement, how: How, factor: str
) -> None:
    hopper = OWN.generations["Hopper"]
    doubled: dict[str, Any] = {factor: 2 * getattr(hopper, factor)}
    twice = replace(OWN, generations={**OWN.generations, "Hopper": replace(hopper, **doubled)})
    faster = predicted(row, how, twice)
    assert 1.5 < faster / predicted(row, how) < 2.0


def test_each_case_can_have_factors_of_its_own() -> None:
    ready = prepared(offline(2), offline(3, isl=1000.5))
    shipped = factors_of(ready, OWN)
    compute, bandwidth = np.array([0.8, 0.4]), np.array([0.75, 0.75])
    first, second = predict(ready, replace(shipped, compute=compute, bandwidth=bandwidth))
    swapped = predict(ready, replace(shipped, compute=compute[::-1], bandwidth=bandwidth))
    assert first > 1.2 * second
    assert swapped == pytest.approx([second, first], rel=1e-3)


def test_a_published_result_is_met() -> None:
    """Llama 3.1 8B in fp8 on one H100, 1000/1000: 15,244.78 tokens/s in NVIDIA's table for TensorRT-LLM 0.17
    (NVIDIA/TensorRT-LLM, docs/source/performance/perf-overview.md), with the factors as shipped.
    """
    row = offline(source=DOCS, precision_weights="fp8", precision_kv="fp8")
    assert predicted(row, How.OFFLINE, CONFIG.fit) == pytest.approx(15_244.78, rel=0.28)
