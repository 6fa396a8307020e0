"""What would lift an estimate that is anchored: like is compared with like."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from benchmarks import MODEL, OUTPUT, PROMPT, estimate, measurement, shape, shipped

from optimiser.measured.anchoring import anchors_of
from optimiser.measured.measurement import Measurement
from optimiser.performance.lifts import Asked, Lift
from optimiser.performance.why import explain
from optimiser.workload import SizeBucket, Target

SLOW = measurement(concurrency=None, tpot_ms=None, requests_per_second=5.0)
BASIS = " (by the model, without your measurements, against "


def lifts(measurements: Sequence[Measurement], target: Target | None = None) -> dict[str, Lift]:
    config = shipped()
    asked = Asked(
        model=config.models[MODEL],
        buckets=[SizeBucket(prompt_tokens=PROMPT, output_tokens=OUTPUT, share=1.0)],
        target=target,
        shape=shape(),
        gpus=config.gpus,
        fit=config.fit,
        anchors_of=anchors_of(measurements),
    )
    return {lift.change: lift for lift in explain(asked).lifts}


def test_a_change_without_a_measurement_is_compared_by_the_model_alone_and_says_so() -> None:
    plain, model = lifts([]), estimate().requests_per_second
    assert {"fp8 weights", "engine trtllm"} <= set(plain)
    found = lifts([SLOW])
    for name in ("fp8 weights", "fp8 KV cache", "engine trtllm"):
        lift = found[f"{name}{BASIS}{model:.3g} req/s)"]
        assert (lift.gain, lift.requests_per_second) == (plain[name].gain, plain[name].requests_per_second)


def test_a_change_that_keeps_its_measurement_is_compared_with_it() -> None:
    target = Target(ttft_ms=60_000, tpot_ms=20, percentile=50)
    longer = lifts([SLOW], target)["TPOT target 30 ms"]
    now = estimate([SLOW], target=target).requests_per_second
    assert now < 0.9 * estimate(target=target).requests_per_second
    then = estimate([SLOW], target=replace(target, tpot_ms=30)).requests_per_second
    assert (longer.requests_per_second, longer.gain) == pytest.approx((then, then / now - 1))


def test_a_change_that_was_measured_too_is_compared_as_measured() -> None:
    quick = measurement(weight_precision="fp8", concurrency=None, tpot_ms=None, requests_per_second=8.0)
    found = lifts([SLOW, quick])["fp8 weights"]
    assert found.requests_per_second == pytest.approx(8.0, rel=0.02)
    assert found.gain == pytest.approx(8.0 / 5.0 - 1, rel=0.05)
