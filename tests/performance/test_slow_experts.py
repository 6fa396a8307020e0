"""Mixtures of experts on a generation that is known to take longer for them than all else would have it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from asking import MIX
from hardware import FIT, GPUS, LLAMA_8B, LLAMA_70B, shape

from optimiser.performance.estimate import estimate_shapes
from optimiser.performance.estimate_types import Estimate
from optimiser.performance.physics import Fit
from optimiser.performance.specs import ModelSpec, MoeSpec

MIXTRAL = replace(LLAMA_8B, name="mixtral", moe=MoeSpec(experts=8, active=2, intermediate=14336))
HOPPER = FIT.generations["Hopper"]
SLOW = replace(FIT, generations=FIT.generations | {"Hopper": replace(HOPPER, moe_step_factor=2.0)})


def offline(model: ModelSpec, fit: Fit) -> Estimate:
    (found,) = estimate_shapes(model, MIX, None, [shape("H100", 8)], GPUS, fit)
    assert isinstance(found, Estimate)
    return found


def test_steps_take_longer_and_the_estimate_says_so() -> None:
    usual, slow = offline(MIXTRAL, FIT), offline(MIXTRAL, SLOW)
    assert slow.tpot_ms == pytest.approx(2.0 * usual.tpot_ms, rel=1e-6)
    assert slow.requests_per_second == pytest.approx(usual.requests_per_second / 2.0, rel=0.02)
    assert slow.relative_error > usual.relative_error
    assert any("mixtures of experts on Hopper: steps taken 2 × as long" in note for note in slow.notes)
    assert not any("mixtures of experts on Hopper" in note for note in usual.notes)


def test_dense_models_are_what_they_were() -> None:
    assert offline(LLAMA_70B, SLOW) == offline(LLAMA_70B, FIT)
