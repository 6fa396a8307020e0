"""What estimates say of steps as they are measured: one GPU, 16 bit, no engine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optimiser.calibration.points import Point
from optimiser.config import Config
from optimiser.performance.layouts import Layouts, Load
from optimiser.performance.model_work import ModelWork, model_work
from optimiser.performance.precision import served_on
from optimiser.performance.setups import Hardware, layouts_of, single_candidates
from optimiser.performance.specs import Efficiency, GpuSpec
from optimiser.performance.timing import step_seconds

# Steps are measured without an engine; the fastest one sets the pace of the shipped factors.
PACE = "trtllm"


def modelled_step(point: Point, config: Config, gpu: GpuSpec, generation: Efficiency) -> float:
    """Seconds of a measured step in estimates."""
    work, layouts = plain_set_up(point.case, point.sizes["layers"], point.precision, config, gpu, generation)
    batch, context, prompt = (np.array([float(point.sizes[name])]) for name in ("batch", "context", "prompt"))
    load = Load(decode=batch, context=context, prefill=prompt, prefill_context=prompt / 2)
    return step_seconds(work, layouts, load).item()


def plain_set_up(
    name: str, layers: int, precision: str, config: Config, gpu: GpuSpec, generation: Efficiency
) -> tuple[ModelWork, Layouts]:
    """So many layers of a model on one GPU with the generation's shares; nothing but steps before a first token."""
    model = replace(config.models[name], layers=layers)
    served = served_on(gpu, model, precision, precision)
    assert not isinstance(served, str)  # noqa: S101 - every GPU serves 16 bit
    hardware = Hardware(
        gpu=gpu,
        efficiency=generation,
        served=served,
        engine=config.fit.engines[PACE],
        physics=replace(
            config.fit.physics, prompt_layer_us=0.0, engine_first_token_ms=0.0, request_overhead_ms=0.0
        ),
        gpu_count=1,
        gpu_link="none",
        network_gbps=None,
    )
    return model_work(model, [(precision, precision)]), layouts_of(single_candidates(model, hardware)[:1])
