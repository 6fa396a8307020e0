"""Estimates on the steps of measured operators: what changes, what stays, what they say."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from silicon_cases import shape, shipped

from optimiser.performance.anchor import Anchors, Factors, Operators, Uncovered
from optimiser.performance.doubts import OPERATORS_ERROR, SERVER_ERROR
from optimiser.performance.estimate import estimate_shapes
from optimiser.performance.estimate_types import Estimate
from optimiser.performance.setups import Candidate
from optimiser.performance.trial import Question
from optimiser.workload import SizeBucket, Target
from providers.shape import GpuLink

CHAT = Target(ttft_ms=2000, tpot_ms=50)


def same(factor: float) -> Factors:
    """The factor everywhere."""
    return Factors(contexts=(1000.0,), loads=((1.0,),), logs=((math.log(factor),),))


def operators(decode: float = 1.0, mixed: float = 1.0) -> Operators:
    return Operators(
        steps=same(decode),
        mixed_steps=same(mixed),
        engine="vllm 9.9",
        basis="measured operators",
        notes=("counted so",),
    )


def estimate(
    anchor: Operators | Uncovered | None = None, target: Target | None = None, model: str = "llama-3.1-8b"
) -> Estimate:
    """One H100, requests of 1,024 + 512 tokens."""

    def anchors_of(_: Question, candidates: Sequence[Candidate]) -> Anchors:
        return tuple(anchor for _ in candidates)

    config = shipped()
    sizes = [SizeBucket(prompt_tokens=1024, output_tokens=512, share=1.0)]
    args = (config.models[model], sizes, target, [shape("H100", 1, GpuLink.NONE)], config.gpus, config.fit)
    (found,) = estimate_shapes(*args, anchors_of=anchors_of)
    assert isinstance(found, Estimate), found
    return found


def test_operators_like_the_roofline_change_nothing_but_what_is_said() -> None:
    plain, found = estimate(), estimate(operators())
    assert found.requests_per_second == pytest.approx(plain.requests_per_second)
    assert (found.engine, found.notes) == ("vllm 9.9", (*plain.notes, "counted so"))
    assert found.method == "measured operators, with the roofline's batching, queueing and memory"


def test_steps_twice_as_long_halve_the_offline_rate() -> None:
    halved = estimate(operators(2.0, 2.0))
    assert halved.requests_per_second == pytest.approx(estimate().requests_per_second / 2, rel=1e-6)


def test_longer_steps_with_prompt_tokens_leave_the_others_alone() -> None:
    plain, found = estimate(target=CHAT), estimate(operators(1.0, 1.5), target=CHAT)
    own = shipped().fit.physics.first_token_overhead_ms
    # A lone prompt's pass is one step with prompt tokens; what lies outside the engine is no step.
    assert found.unloaded_ttft_ms - own == pytest.approx(1.5 * (plain.unloaded_ttft_ms - own), rel=0.1)
    assert found.prefill_time_share > plain.prefill_time_share
    assert found.requests_per_second < plain.requests_per_second


def test_an_estimate_on_operators_carries_their_error() -> None:
    assert estimate(operators()).relative_error == OPERATORS_ERROR
    assert estimate(operators(), target=CHAT).relative_error == SERVER_ERROR


def test_operators_far_from_the_roofline_are_told_and_in_doubt() -> None:
    near, far = estimate(operators(1.25, 1.25)), estimate(operators(1 / 1.4, 1 / 1.4))
    assert (near.low_confidence, far.low_confidence) == (False, True)
    assert far.relative_error == pytest.approx(1.5 * near.relative_error)
    rate = f"{estimate().requests_per_second:.3g}"
    assert f"{rate} requests/s on the roofline, +40% on measured operators" in far.notes[-1]
    assert near.notes == (*estimate().notes, "counted so")


def test_a_target_that_the_roofline_misses_is_told() -> None:
    found = estimate(operators(0.5, 0.5), target=Target(ttft_ms=2000, tpot_ms=6, percentile=50))
    assert found.low_confidence
    assert "on the roofline it misses the target" in found.notes[-1]


def test_a_set_up_without_operators_is_the_rooflines_and_says_why() -> None:
    plain, found = estimate(), estimate(Uncovered(reason="no such card"))
    assert found == replace(plain, notes=(*plain.notes, found.notes[-1]))
    assert found.notes[-1].endswith("do not cover this set-up: no such card")
