"""What kernels reach beside what estimates use, and the shares that follow for estimates of this GPU."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from optimiser.calibration.fitting import Found, kernel_figures
from optimiser.calibration.plain_steps import modelled_step
from optimiser.calibration.points import Calibration
from optimiser.calibration.queueing_check import QueueBeside, queues_beside
from optimiser.calibration.sizes import SMALL
from optimiser.config import Config
from optimiser.errors import UsageError, bad_value, did_you_mean
from optimiser.performance.precision import HALF_PRECISIONS
from optimiser.performance.specs import Calibrated, Efficiency, GpuSpec
from optimiser.performance.timing import PREFILL_ATTENTION_SHARE, STEP_OVERHEAD_S


@dataclass(frozen=True, kw_only=True)
class Beside:
    """A figure of the kernels with the one that estimates use in its place."""

    name: str
    found: Found
    shipped: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A calibration judged. steps are measured over modelled times of plain steps, by kind: median and number.
    queues are the served loads beside what estimates say of them. own are the shares that estimates may use, None
    where too little was measured to tell.
    """

    calibration: Calibration
    generation: Efficiency
    figures: tuple[Beside, ...]
    steps: dict[str, Found]
    queues: tuple[QueueBeside, ...]
    own: Calibrated | None


def compared(calibration: Calibration, config: Config, reference: Calibration | None = None) -> Comparison:
    """Judge a calibration by what a configuration holds of its GPU, whatever was calibrated before.

    reference is one of a GPU that the shipped factors were fitted on. Raises UsageError for a GPU that is not in
    the configuration and for a reference that cannot be one.
    """
    gpu = known_gpu(calibration.gpu, config.gpus, "gpu")
    generation = config.fit.generations[gpu.generation]
    figures = kernel_figures(calibration, gpu, config.models[SMALL])
    shipped = _shipped(config, generation)
    beside = tuple(
        Beside(
            name=name, found=found, shipped=shipped[name.partition("_")[0] if name not in shipped else name]
        )
        for name, found in figures.items()
    )
    return Comparison(
        calibration=calibration,
        generation=generation,
        figures=beside,
        steps=_step_ratios(calibration, config, gpu, generation),
        queues=queues_beside(calibration, config, gpu, generation),
        own=_own_shares(calibration, figures, generation, _reference_levels(reference, config, gpu)),
    )


def known_gpu(name: str, gpus: Mapping[str, GpuSpec], where: str) -> GpuSpec:
    """The GPU of that name. Raises UsageError."""
    if name not in gpus:
        raise bad_value(where, "name", name, f"not in gpus.yaml; {did_you_mean(name, gpus)}")
    return gpus[name]


def _shipped(config: Config, generation: Efficiency) -> dict[str, float]:
    """What estimates use, by figure, or by the first word of several figures alike."""
    physics = config.fit.physics
    return {
        "compute": generation.compute,
        "bandwidth": generation.bandwidth,
        "grouped": physics.grouped_share,
        "saturation_rows": physics.saturation_rows + physics.fill_rows,
        "prompt_attention": PREFILL_ATTENTION_SHARE,
        "layer_overhead_us": physics.layer_overhead_us,
        "step_overhead_us": STEP_OVERHEAD_S * 1e6,
    }


def kernel_levels(figures: Mapping[str, Found]) -> tuple[float, float] | None:
    """What 16-bit products and plain reading of memory reach of their peaks, as far as shares go up to 1."""
    compute = next(
        (figures[f"compute_{half}"] for half in HALF_PRECISIONS if f"compute_{half}" in figures), None
    )
    reading = figures.get("bandwidth_read")
    return None if compute is None or reading is None else (min(compute.value, 1.0), min(reading.value, 1.0))


def _own_shares(
    calibration: Calibration,
    figures: Mapping[str, Found],
    generation: Efficiency,
    reference: tuple[str, tuple[float, float]] | None,
) -> Calibrated | None:
    """An engine is no faster than its kernels: the generation's shares, but no more than these reach.

    With a reference of the same generation, whose engines lose the same part of what the same kernels reach, the
    generation's × kernels here / kernels there, and again no more than these reach.
    """
    here = kernel_levels(figures)
    if here is None:
        return None
    compute, bandwidth = generation.compute, generation.bandwidth
    reached = f"kernels reach {here[0]:.1%} and {here[1]:.1%} of the peaks"
    if reference is not None:
        name, there = reference
        compute, bandwidth = compute * here[0] / there[0], bandwidth * here[1] / there[1]
        reached = f"kernels reach {here[0] / there[0]:.1%} and {here[1] / there[1]:.1%} of those on {name}"
    elif compute <= here[0] and bandwidth <= here[1]:
        reached += ", so its generation's shares stand"
    else:
        reached += ", which no engine exceeds"
    return Calibrated(
        gpu=calibration.gpu,
        compute=float(f"{min(compute, here[0]):.3g}"),
        bandwidth=float(f"{min(bandwidth, here[1]):.3g}"),
        measured_on=calibration.measured_on,
        driver=calibration.driver,
        basis=reached,
    )


def _reference_levels(
    reference: Calibration | None, config: Config, gpu: GpuSpec
) -> tuple[str, tuple[float, float]] | None:
    """The reference in words, and what its kernels reach."""
    if reference is None:
        return None
    other = known_gpu(reference.gpu, config.gpus, "--reference: gpu")
    if other.generation != gpu.generation or not (
        other.measured and config.fit.generations[other.generation].fitted
    ):
        raise UsageError(
            f"--reference: is of {other.name} ({other.generation}): what an engine loses carries over within one "
            f"generation alone, from a GPU whose serving was measured, to {gpu.name} ({gpu.generation})"
        )
    levels = kernel_levels(kernel_figures(reference, other, config.models[SMALL]))
    if levels is None:
        raise UsageError("--reference: holds too few products or readings of memory to compare with")
    return f"{reference.gpu} of {reference.measured_on}", levels


def _step_ratios(
    calibration: Calibration, config: Config, gpu: GpuSpec, generation: Efficiency
) -> dict[str, Found]:
    """Measured over modelled time of plain steps, with the generation's shares and the pace of the fastest engine."""
    ratios: dict[str, list[float]] = {"decode": [], "mixed": []}
    for point in calibration.of("steps"):
        if point.case in config.models and point.precision in gpu.dense_tflops:
            kind = "mixed" if point.sizes["prompt"] else "decode"
            ratios[kind].append(point.seconds / modelled_step(point, config, gpu, generation))
    return {
        kind: Found(value=statistics.median(some), points=len(some)) for kind, some in ratios.items() if some
    }
