"""Timing, and a whole calibration, on the host's processor: what fails is left out, what is interrupted is kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import ran
from tiny_models import CONFIG, cpu_bench, tiny_sizes

from optimiser.calibration import measure
from optimiser.calibration.bench import serving
from optimiser.calibration.bench.timing import (
    Timed,
    attempt,
    captured,
    median_seconds,
    ring_length,
)
from optimiser.calibration.compare import compared
from optimiser.calibration.continuous_batching import Run
from optimiser.calibration.points import SIZES, Calibration, read_calibration
from optimiser.calibration.sizes import Sizes
from optimiser.errors import OptimiserError, UsageError

BENCH = cpu_bench(runs=2)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_the_median_of_runs_is_told_and_the_ring_turns() -> None:
    turns: list[int] = []

    def work(place: int) -> None:
        turns.append(place)
        time.sleep(0.001 if len(turns) != 8 else 0.2)

    timed = median_seconds(cpu_bench(runs=5), [lambda place=place: work(place) for place in range(2)])
    assert timed.runs == 5
    assert 0.001 <= timed.seconds < 0.1
    assert turns[-5:] == [0, 1, 0, 1, 0]


def test_slow_work_has_fewer_runs_but_never_too_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optimiser.calibration.bench.timing.LONGEST_S", 0.2)
    bench = cpu_bench(runs=50)
    assert 5 < median_seconds(bench, [lambda: time.sleep(0.01)]).runs <= 20
    assert median_seconds(bench, [lambda: time.sleep(0.06)]).runs == 5


def test_what_has_no_room_is_said_and_not_raised() -> None:
    reason = attempt(BENCH, 0.0, lambda: [lambda: torch.empty(1 << 50)])
    assert isinstance(reason, str)
    assert "alloc" in reason
    assert "\n" not in reason
    assert isinstance(attempt(BENCH, 0.0, lambda: [lambda: torch.empty(1)]), Timed)


def test_more_than_is_free_is_not_even_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optimiser.calibration.bench.timing.free_bytes", lambda _: 2e9)

    def build() -> list[object]:
        raise AssertionError("must not be built")

    assert attempt(BENCH, 4e9, build) == "needs 4 GB, 2 GB are free"  # type: ignore[arg-type]


def test_a_ring_is_larger_than_the_cache_and_no_longer_than_need_be() -> None:
    bench = replace(BENCH, cache_bytes=50 << 20)
    assert ring_length(bench, 100 << 20) == 2
    assert ring_length(bench, 1 << 30) == 1
    assert ring_length(bench, 1 << 10) == 64
    assert ring_length(BENCH, 1 << 10) == 1


def test_on_the_host_captured_work_is_the_work() -> None:
    assert captured(BENCH, time.monotonic) is time.monotonic


def measured(sizes: Sizes, save: Callable[[Calibration], None], tell: Callable[[str], None]) -> Calibration:
    return measure.measured(BENCH, measure.begun_now(BENCH, "H100", quick=True), sizes, save=save, tell=tell)


def calibrated(stop_after: int = 10**6) -> tuple[list[Calibration], list[str]]:
    """All that was saved, and all that was told."""
    saved: list[Calibration] = []
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        if len(told) == stop_after:
            raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        measured(tiny_sizes(), saved.append, tell)
    return saved, told


def test_every_section_is_measured_and_saved_as_it_ends() -> None:
    saved, told = calibrated()
    assert [len({point.section for point in one.points}) for one in saved] == [1, 2, 3, 4, 5, 6, 6, 6]
    assert [len(one.serving) for one in saved] == [0] * 6 + [5, 5]
    assert [one.complete for one in saved] == [False] * 7 + [True]
    last = saved[-1]
    assert not last.left_out
    assert len(told) == len(last.points) + len(last.serving)
    assert {point.section for point in last.points} == set(SIZES)
    for point in last.points:
        assert set(point.sizes) == set(SIZES[point.section])
        assert point.seconds > 0
    assert last.torch == torch.__version__
    assert last.idle.driver is None


def test_an_interrupt_keeps_what_was_measured_also_within_a_section() -> None:
    saved, _ = calibrated(stop_after=4)
    assert len(saved[-1].points) == 4
    assert [point.section for point in saved[-1].points] == ["read", "products", "products", "products"]
    assert not saved[-1].complete


def test_an_interrupt_within_a_load_keeps_those_before(monkeypatch: pytest.MonkeyPatch) -> None:
    real, runs = serving.serve, iter(range(9))

    def interrupted(*given: Any, **named: Any) -> Run:
        if next(runs) == 3:
            raise KeyboardInterrupt
        return real(*given, **named)

    monkeypatch.setattr(serving, "serve", interrupted)
    saved, told = calibrated()
    assert [one.load for one in saved[-1].serving] == [1.0, 0.5, 0.7]
    assert told[-1].startswith("serving llama-3.1-8b bf16, load 70%, ")
    assert not saved[-1].complete


def test_a_size_that_no_kernel_takes_is_left_out_and_the_rest_goes_on() -> None:
    sizes = replace(tiny_sizes(), precisions=("bf16", "fp8"), half="bf16", read_bytes=(1 << 55, 1 << 16))
    last = measured(sizes, lambda _: None, lambda _: None)
    (left,) = last.left_out
    assert left.section == "read"
    assert "alloc" in left.reason
    assert len(last.of("read")) == 1
    assert last.complete


def test_a_device_that_fails_altogether_ends_in_one_message_with_the_points_kept() -> None:
    saved: list[Calibration] = []

    def tell(_line: str) -> None:
        if saved:
            raise RuntimeError("CUDA error: an illegal memory access\nmore")

    with pytest.raises(OptimiserError, match=r"^cpu failed: CUDA error: an illegal memory access$"):
        measured(tiny_sizes(), saved.append, tell)
    assert [point.section for point in saved[-1].points] == ["read", "products"]


def test_the_file_grows_with_the_sections_and_is_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "sizes_for", lambda *_, **__: tiny_sizes())
    path = tmp_path / "cpu.json"
    told: list[str] = []
    done = measure.kept(BENCH, CONFIG.gpus["H100"], CONFIG, path, quick=True, tell=told.append)
    assert told[-1] == f"wrote {path}"
    assert read_calibration(path) == done
    comparison = compared(done, CONFIG)
    assert comparison.own is None
    assert set(comparison.steps) == {"decode", "mixed"}
    assert [one.served for one in comparison.queues] == list(done.serving)


def test_a_file_that_cannot_be_written_is_said_before_anything_is_measured(tmp_path: Path) -> None:
    told: list[str] = []
    with pytest.raises(UsageError, match=r"--output: file = .* cannot be written"):
        measure.kept(
            BENCH, CONFIG.gpus["H100"], CONFIG, tmp_path / "no" / "x.json", quick=True, tell=told.append
        )
    assert not told


def test_without_a_gpu_one_polite_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.chdir(tmp_path)
    answer = ran(capsys, "calibrate")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == (
        f"error: no CUDA GPU here (torch {torch.__version__} sees none): calibrate measures the machine it runs on\n"
    )
    assert not list(tmp_path.iterdir())
