"""Measured times to first token beside those of estimates whose steps take as long as the measured ones did.

What is left between them is how requests queue, and chance. As many requests again, served in simulation by steps of
the same lengths, show how far runs alike are apart.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, replace

import numpy as np

from optimiser.calibration import continuous_batching as engine
from optimiser.calibration.plain_steps import plain_set_up
from optimiser.calibration.points import PERCENTILES, Calibration, ServedLoad
from optimiser.config import Config
from optimiser.performance.at_load import evaluate, first_token_s, request_rate
from optimiser.performance.layouts import Array, Layouts, Load
from optimiser.performance.mix import Mix
from optimiser.performance.model_work import ModelWork
from optimiser.performance.operating import batch_at_rate
from optimiser.performance.specs import Efficiency, GpuSpec
from optimiser.performance.timing import step_seconds

SIMULATED_RUNS = 20
# The percentile that simulated runs are told by.
JUDGED = 95
_BISECTIONS = 50
# Compute slower or faster than shipped by more than this is not looked for.
_FARTHEST = 1e3


@dataclass(frozen=True, kw_only=True)
class QueueBeside:
    """A served load with what estimates say of it: rate_rps at the highest rate alone, else ttft_s by percentile, inf
    where they see more load than can be served. alike_s is the least, median and greatest time at the percentile JUDGED
    of the simulated runs.
    """

    served: ServedLoad
    rate_rps: float | None = None
    ttft_s: dict[str, float]
    alike_s: tuple[float, float, float] | None = None


def queues_beside(
    calibration: Calibration, config: Config, gpu: GpuSpec, generation: Efficiency
) -> tuple[QueueBeside, ...]:
    """Every load that was served, of the models and precisions that the configuration knows."""
    return tuple(
        _beside(served, *plain_set_up(served.case, served.layers, served.precision, config, gpu, generation))
        for served in calibration.serving
        if served.case in config.models and served.precision in gpu.dense_tflops
    )


def _beside(served: ServedLoad, work: ModelWork, shipped: Layouts) -> QueueBeside:
    prompts, outputs = (np.full((1, 1, 1), float(tokens)) for tokens in (served.prompt, served.output))
    mix = Mix.of(prompts, outputs, np.ones((1, 1, 1)))
    at = as_measured(work, shipped, mix, served)
    if served.load == 1:
        rate, _ = request_rate(work, at, np.full((1, 1), served.decoding), mix)
        return QueueBeside(served=served, rate_rps=rate.item(), ttft_s={})
    rate, places = np.full((1, 1), served.rate_rps), np.full((1, 1), float(served.places))
    point = evaluate(work, at, batch_at_rate(work, at, rate, places, mix), places, mix)
    return QueueBeside(
        served=served,
        ttft_s={f"{one}": first_token_s(point, mix, one / 100).item() for one in PERCENTILES},
        alike_s=_simulated(served, _step_table(work, at, mix, served)),
    )


def as_measured(work: ModelWork, at: Layouts, mix: Mix, served: ServedLoad) -> Layouts:
    """The set-up with compute and pace such that steps with and without prompts take as long as they did.

    Their ratio falls as compute gets faster, so bisection finds it; the pace does the rest. Without a step that decoded
    alone it is the pace alone.
    """
    if served.decode_step_s is None:
        return _scaled(at, 1.0, served.mixed_step_s / _step_s(work, at, mix, served, served.mixed_prompts))
    low, high = 1 / _FARTHEST, _FARTHEST
    for _ in range(_BISECTIONS):
        compute = (low * high) ** 0.5
        changed = _scaled(at, compute, 1.0)
        mixed, alone = (_step_s(work, changed, mix, served, prompts) for prompts in (served.mixed_prompts, 0))
        slower = mixed / alone > served.mixed_step_s / served.decode_step_s
        low, high = (compute, high) if slower else (low, compute)
    return _scaled(at, compute, served.mixed_step_s / mixed)


def _scaled(at: Layouts, compute: float, pace: float) -> Layouts:
    return replace(
        at,
        weight_flops=at.weight_flops * compute,
        half_flops=at.half_flops * compute,
        step_factor=at.step_factor * pace,
    )


def _step_s(work: ModelWork, at: Layouts, mix: Mix, served: ServedLoad, prompts: float) -> float:
    decoding = np.array([served.decoding])
    return step_seconds(work, at, _load(mix, served, decoding, np.array([prompts]))).item()


def _load(mix: Mix, served: ServedLoad, decoding: Array, prompts: Array) -> Load:
    """A step's load in whole prompts, which broadcast against the sequences that decode."""
    return Load(
        decode=decoding,
        context=mix.traffic.context[0],
        prefill=prompts * served.prompt,
        prefill_context=mix.traffic.prefill_context[0],
    )


def _step_table(work: ModelWork, at: Layouts, mix: Mix, served: ServedLoad) -> list[list[float]]:
    """Seconds of a step by sequences that decode and whole prompts."""
    decoding = np.arange(served.places + 1.0)[:, None]
    prompts = np.arange(engine.prompts_a_step(served.prompt, served.places) + 1.0)[None, :]
    table: list[list[float]] = step_seconds(work, at, _load(mix, served, decoding, prompts)).tolist()
    return table


def _simulated(served: ServedLoad, table: list[list[float]]) -> tuple[float, float, float]:
    """The least, median and greatest of the runs."""
    found = [_simulated_s(served, table, seed) for seed in range(SIMULATED_RUNS)]
    return min(found), statistics.median(found), max(found)


def _simulated_s(served: ServedLoad, table: list[list[float]], seed: int) -> float:
    """Time to first token at JUDGED where time passes as the table says."""
    passed = 0.0

    def sleep(seconds: float) -> None:
        nonlocal passed
        passed += seconds

    requests = round(served.requests / (1 - engine.WARM_UP_SHARE))
    run = engine.serve(
        lambda decoding, prompts: sleep(table[decoding][prompts]),
        engine.poisson_arrivals(requests, served.rate_rps, seed),
        (served.output,) * requests,
        prompt=served.prompt,
        places=served.places,
        clock=engine.Clock(now=lambda: passed, sleep=sleep),
    )
    return engine.first_token_s(run, requests - served.requests, [JUDGED])[0]
