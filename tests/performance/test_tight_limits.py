"""The doubt of estimates under limits tighter than any fitted to, and how it fades beyond them."""

import numpy as np
import pytest
from asking import CHAT, bucket, one
from hardware import LLAMA_8B, LLAMA_70B, hardware, shape

from optimiser.performance.confidence import planned_share
from optimiser.performance.doubts import doubts_of
from optimiser.performance.setups import single_candidates
from optimiser.performance.trial import question_of
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
    plain, *short = (
        one(LLAMA_8B, shape("H100", 1), None, buckets=sizes)
        for sizes in (
            [bucket(156, 100)],
            [bucket(100, 124)],
            [bucket(28, 100)],
            [bucket(20, 1, 0.5), bucket(400, 1, 0.5)],
            [bucket(20, 1, 0.5), bucket(30, 1, 0.5)],
        )
    )
    assert not any("measured under load" in note for note in plain.notes)
    # 224 of 256 tokens: (256 − 224) / 128 of the half.
    for found, share in zip(short, (0.25, 1.0, (256 - 211) / 128, 1.0), strict=True):
        assert found.relative_error == pytest.approx(plain.relative_error * (1 + share / 2), abs=1e-4)
        assert found.low_confidence == (share == 1.0)
        (note,) = (note for note in found.notes if "measured under load" in note)
        assert "none under 256 were" in note
        assert (f"has {share:.0%} of that doubt in it" in note) == (share < 1.0)
    assert any("requests of 26 tokens on average" in note for note in short[-1].notes)


def test_a_pipeline_is_in_doubt_under_a_target_alone() -> None:
    question, offline = (question_of(LLAMA_70B, [bucket(1000, 200)], target) for target in (CHAT, None))
    candidates = single_candidates(LLAMA_70B, hardware("L40S", 8, "pcie"))
    assert {each.stages > 1 for each in candidates} == {False, True}
    for each in candidates:
        said, said_offline = (
            any("a pipeline of" in note for note in doubts_of(asked, each, 100.0))
            for asked in (question, offline)
        )
        assert (said, said_offline) == (each.stages > 1, False)


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
