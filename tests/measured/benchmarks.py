"""Measurements written for the tests, and the model's own answers at their loads. Figures are made up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from optimiser.config import Config, load_config
from optimiser.measured.anchoring import anchors_of
from optimiser.measured.measurement import Catalogue, Measurement, Said, measurement_of
from optimiser.measured.reading import Reading
from optimiser.performance.at_load import Point, evaluate
from optimiser.performance.estimate import estimate_shapes, hardware_of
from optimiser.performance.estimate_types import Estimate
from optimiser.performance.setups import Candidate, Hardware, single_candidates
from optimiser.performance.trial import Trial, question_of, trial_of
from optimiser.workload import SizeBucket, Target, Techniques
from providers.shape import GpuLink, InstanceShape, Obtainability, QuotaUnit

FIXTURES = Path(__file__).parent / "fixtures"
MODEL, GPU = "llama-3.1-8b", "H100"
PROMPT, OUTPUT = 1024.0, 512.0


@cache
def shipped() -> Config:
    """The embedded config, without any of the user's own."""
    return load_config(Path(__file__).parents[2] / "config")


def catalogue() -> Catalogue:
    config = shipped()
    return Catalogue(
        gpus=config.gpus,
        models=config.models,
        engines=tuple(config.fit.engines),
        routing_spread=config.fit.physics.routing_spread,
    )


def measurement(**changes: Any) -> Measurement:
    """Llama 3.1 8B in bf16 on one H100 with 64 requests in flight, and the changes."""
    whole = Measurement(
        measurement_id="00000000-1",
        file="run.json",
        file_sha256="0" * 64,
        format="vllm bench serve",
        measured_on=date(2026, 6, 1),
        imported_on=date(2026, 6, 2),
        gpu=GPU,
        gpu_count=1,
        model=MODEL,
        weight_precision="bf16",
        kv_precision="bf16",
        tensor_parallel=1,
        pipeline_parallel=1,
        attention_data_parallel=False,
        engine="vllm",
        engine_version="0.12.0",
        prompt_tokens=PROMPT,
        output_tokens=OUTPUT,
        concurrency=64.0,
        request_rate=None,
        requests=100_000,
        requests_per_second=7.5,
        ttft_ms=None,
        ttft_p99_ms=None,
        tpot_ms=15.5,
        tpot_p99_ms=None,
        first_token_at_client=True,
        evenly_spaced=False,
    )
    return replace(whole, **changes)


def shape(gpu: str = GPU, count: int = 1, link: GpuLink = GpuLink.NVLINK) -> InstanceShape:
    """An instance of so many GPUs, joined by the link where there are several."""
    return InstanceShape(
        provider="test",
        instance_type=f"{count}x{gpu}",
        gpu=gpu,
        gpu_count=count,
        vcpus=8,
        memory_gib=4000,
        gpu_link=link if count > 1 else GpuLink.NONE,
        network_gbps=None,
        obtainability=Obtainability.ELASTIC,
        quota_family="",
        quota_unit=QuotaUnit.GPU,
    )


def estimate(
    measurements: Sequence[Measurement] = (),
    *,
    target: Target | None = None,
    prompt: float = PROMPT,
    output: float = OUTPUT,
    on: InstanceShape | None = None,
    model: str = MODEL,
    engine: str = "vllm",
    weight_precision: str | None = None,
    techniques: Techniques | None = None,
) -> Estimate:
    """The estimate of one shape for requests of one size, anchored on the measurements."""
    config = shipped()
    (found,) = estimate_shapes(
        config.models[model],
        [SizeBucket(prompt_tokens=prompt, output_tokens=output, share=1.0)],
        target,
        [on or shape()],
        config.gpus,
        config.fit,
        weight_precision,
        None,
        engine,
        anchors_of(measurements),
        techniques,
    )
    assert isinstance(found, Estimate), found
    return found


def tried(measurements: Sequence[Measurement] = (), prompt: float = PROMPT, output: float = OUTPUT) -> Trial:
    """One H100 with the model on it, as an estimate tries it."""
    config = shipped()
    sizes = [SizeBucket(prompt_tokens=prompt, output_tokens=output, share=1.0)]
    question = question_of(config.models[MODEL], sizes, None)
    hardware = hardware_of(shape(), config.gpus, config.fit, config.fit.engines["vllm"], question)
    assert isinstance(hardware, Hardware)
    candidates: list[Candidate] = single_candidates(question.model, hardware)
    trial = trial_of(question, candidates, anchors_of(measurements)(question, candidates))
    assert trial is not None
    return trial


def at_batch(
    batch: float, measurements: Sequence[Measurement] = (), prompt: float = PROMPT, output: float = OUTPUT
) -> Point:
    """One replica with so many sequences decoding, arrivals of their own accord."""
    config = shipped()
    sizes = [SizeBucket(prompt_tokens=prompt, output_tokens=output, share=1.0)]
    question = question_of(config.models[MODEL], sizes, None)
    trial = tried(measurements, prompt, output)
    return evaluate(question.work, trial.layouts, np.array([[batch]]), trial.places, question.mix)


def mean_first_token_ms(point: Point) -> float:
    wait = point.wait
    waited = wait.residual_s + wait.queued * wait.queue_s + wait.blocked * wait.place_s
    return float((waited + point.own_s[..., 0])[0, 0]) * 1e3


def as_predicted(batch: float, prompt: float = PROMPT, output: float = OUTPUT, **changes: Any) -> Measurement:
    """What a benchmark that offers the rate of so many decoding sequences measures if the model is right."""
    point = at_batch(batch, (), prompt, output)
    rate, step_s = float(point.rate[0, 0]), float(point.steady.step_s[0, 0])
    figures = {
        "prompt_tokens": prompt,
        "output_tokens": output,
        "concurrency": None,
        "request_rate": rate,
        "requests_per_second": rate,
        "tpot_ms": step_s * 1e3,
        "ttft_ms": mean_first_token_ms(point),
    }
    return measurement(**figures | changes)


def completed(reading: Reading, said: Said, on: date, **changes: Any) -> Measurement:
    """What is stored of a reading with the changes, imported on a day."""
    return measurement_of(
        replace(reading, **changes),
        said,
        catalogue(),
        "run.csv",
        measurement_id="a-1",
        file="run.csv",
        file_sha256="a",
        imported_on=on,
    )
