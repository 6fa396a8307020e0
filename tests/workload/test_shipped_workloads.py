"""The five workloads in config/workloads against the published figures of their sources."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from optimiser.policy import Policy
from optimiser.workload import Target, Workload, load_workload

FOLDER = Path(__file__).parents[2] / "config" / "workloads"

TARGETS = {
    "chat-llama-70b": ("llama-3.1-70b", Target(ttft_ms=2000, tpot_ms=50, percentile=95)),
    "code-llama-8b": ("llama-3.1-8b", Target(ttft_ms=500, tpot_ms=25, percentile=95)),
    "rag-qwen-72b": ("qwen2.5-72b", Target(ttft_ms=10_000, tpot_ms=50, percentile=95)),
    "reasoning-deepseek-r1": ("deepseek-r1", Target(ttft_ms=5000, tpot_ms=50, percentile=95)),
    "nightly-batch-qwen-32b": ("qwen2.5-32b", None),
}


def read(name: str) -> Workload:
    return load_workload(FOLDER / f"{name}.yaml")


def mean_tokens(workload: Workload) -> tuple[float, float]:
    prompt = sum(b.share * b.prompt_tokens for b in workload.buckets)
    return prompt, sum(b.share * b.output_tokens for b in workload.buckets)


def mean_rps(workload: Workload) -> float:
    requests = sum(p.mean_rps * p.hours for p in workload.periods)
    return requests / sum(p.hours for p in workload.periods)


def test_no_workload_is_left_untested():
    assert {path.stem for path in FOLDER.glob("*.yaml")} == TARGETS.keys()


@pytest.mark.parametrize("name", TARGETS)
def test_a_shipped_workload_is_a_sound_week(name):
    workload = read(name)
    assert (workload.model, workload.target) == TARGETS[name]
    assert len(workload.periods) == 168
    assert sum(b.share for b in workload.buckets) == pytest.approx(1, abs=1e-9)
    assert workload.source
    assert workload.description
    Policy.model_validate(workload.policy)


def test_chat_is_the_azure_week_of_2024():
    workload = read("chat-llama-70b")
    # 27,303,999 requests in 7 days; the busiest hour holds 75.0 a second, the quietest 21.4.
    assert sum(p.mean_rps * 3600 for p in workload.periods) == pytest.approx(27_303_999, rel=1e-4)
    assert mean_rps(workload) == pytest.approx(45.1, abs=0.06)
    assert max(p.mean_rps for p in workload.periods) == pytest.approx(75.0, abs=0.05)
    assert min(p.mean_rps for p in workload.periods) == pytest.approx(21.4, abs=0.05)
    assert max(p.peak_10min_rps for p in workload.periods) == pytest.approx(78.1, abs=0.05)
    assert workload.periods[0].start == datetime(2024, 5, 12, tzinfo=UTC)
    # Digitised quantiles: the published means within 2 %.
    assert mean_tokens(workload) == pytest.approx((1632, 105.5), rel=0.02)
    # Weekdays carry 185,431 requests an hour, the weekend (the first and the last day) 105,255: exact counts.
    by_day = [sum(p.mean_rps * 3600 for p in workload.periods[24 * d : 24 * d + 24]) / 24 for d in range(7)]
    assert sum(by_day[1:6]) / 5 == pytest.approx(185_431, rel=0.005)
    assert (by_day[0] + by_day[6]) / 2 == pytest.approx(105_255, rel=0.005)


def test_code_has_the_lengths_of_the_azure_code_trace():
    workload = read("code-llama-8b")
    assert len(workload.buckets) <= 12
    assert mean_tokens(workload) == pytest.approx((2048, 28), rel=0.01)
    assert mean_rps(workload) == pytest.approx(45.1 / 4, rel=0.005)


def test_rag_has_the_lengths_and_the_mean_rate_of_mooncake():
    workload = read("rag-qwen-72b")
    assert mean_tokens(workload) == pytest.approx((12_035, 343), rel=0.005)
    assert mean_rps(workload) == pytest.approx(3.40, abs=0.01)
    assert all(p.peak_10min_rps >= p.mean_rps for p in workload.periods)


def test_reasoning_answers_are_longer_than_its_questions():
    workload = read("reasoning-deepseek-r1")
    prompt, output = mean_tokens(workload)
    assert prompt == pytest.approx(1155, rel=0.01)  # the mean prompt of the Azure conversation trace of 2023
    assert output == pytest.approx(0.55 * 1000 + 0.30 * 2500 + 0.12 * 5500 + 0.03 * 12_000)


def test_the_nightly_batch_runs_by_night_in_berlin():
    workload = read("nightly-batch-qwen-32b")
    running = [p for p in workload.periods if p.mean_rps > 0]
    assert sorted({p.start.hour for p in running}) == [0, 1, 2, 3, 4, 21, 22, 23]  # 22:00 to 06:00 at UTC+1
    assert len(running) == 7 * 8
    tokens = sum(p.mean_rps * 3600 for p in running) * mean_tokens(workload)[0]
    assert tokens == pytest.approx(7 * 600e6)
