"""The doubt of estimates under limits tighter than any fitted to, and how it fades beyond them."""

import numpy as np
import pytest
from asking import bucket, one
from hardware import LLAMA_8B, shape

from optimiser.performance.confidence import planned_share
from optimiser.workload import Target


def test_limits_tighter_than_any_fitted_to_are_in_doubt() -> None:
    for target in (Target(ttft_ms=800, tpot_ms=40), Target(ttft_ms=500, tpot_ms=60)):
        doubted = one(LLAMA_8B, shape("H100", 1), target)
        assert (doubted.relative_error, doubted.low_confidence) == (0.315, True)  # 0.21 × 1.5
        assert any("tighter than those fitted to" in note for note in doubted.notes)
    known = one(LLAMA_8B, shape("H100", 1), Target(ttft_ms=625, tpot_ms=50))
    assert (known.relative_error, known.low_confidence) == (0.21, False)
    assert not any("limits of" in note for note in known.notes)


def test_requests_shorter_than_any_measured_are_in_doubt() -> None:
    for prompt, output, doubted in ((20, 1, True), (100, 27, True), (100, 28, False)):
        found = one(LLAMA_8B, shape("H100", 1), None, buckets=[bucket(prompt, output)])
        assert found.low_confidence == doubted
        assert (
            any(f"requests of {prompt + output} tokens on average" in note for note in found.notes) == doubted
        )


@pytest.mark.parametrize(
    ("ttft_ms", "tpot_ms", "error", "share"),
    [
        (800, 42, 0.294, "80 %"),  # (50 − 42) / 10 of the half: 0.21 × 1.4
        (800, 49, 0.2205, "10 %"),
        (575, 60, 0.252, "40 %"),  # (625 − 575) / 125 of it: 0.21 × 1.2
        (575, 42, 0.294, "80 %"),  # The tighter of the two.
    ],
)
def test_the_doubt_of_tight_limits_fades_beyond_them(
    ttft_ms: float, tpot_ms: float, error: float, share: str
) -> None:
    found = one(LLAMA_8B, shape("H100", 1), Target(ttft_ms=ttft_ms, tpot_ms=tpot_ms))
    assert (found.relative_error, found.low_confidence) == (pytest.approx(error), False)
    (note,) = (note for note in found.notes if "limits of" in note)
    assert f"has {share.replace(' ', '')} of that doubt in it" in note


@pytest.mark.parametrize("field", ["ttft_ms", "tpot_ms"])
def test_a_looser_target_is_never_planned_on_less_and_no_step_of_it_jumps(field: str) -> None:
    tight = {"ttft_ms": 500.0, "tpot_ms": 40.0}[field]
    loose = {"ttft_ms": 5000.0, "tpot_ms": 200.0}
    planned = []
    for share in np.linspace(0.9, 1.35, 46):
        target = Target(**(loose | {field: tight * float(share)}))
        found = one(LLAMA_8B, shape("H100", 1), target)
        planned.append(found.requests_per_second * planned_share(found.relative_error, 0.75))
    steps = np.diff(planned) / planned[:-1]
    assert steps.min() > -1e-6
    # 1 % of a limit each: a jump of the whole doubt is 0.315 beside 0.21, 1.315 / 1.21 = 8.7 %.
    assert steps.max() < 0.01
    assert planned[-1] > 1.08 * planned[10]
