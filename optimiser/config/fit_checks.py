"""Whether the figures of performance.yaml and gpus.yaml can be, field by field, and the two files go together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path

from optimiser.errors import bad_value, did_you_mean
from optimiser.performance.physics import Fit
from optimiser.performance.specs import GpuSpec

_SHARE = "a share above 0 and at most 1"
_GENERATION_SHARES = ("compute", "bandwidth", "relative_error")
_CALIBRATED_SHARES = ("compute", "bandwidth")
_PHYSICS_SHARES = ("grouped_share", "block_scaled_share", "unpacked_share", "link_share")
_UP_TO_ONE = ("routing_spread", "pipeline_loss")
# A second a layer or sequence: far beyond what any engine takes, and small enough for products to stay finite.
_LARGEST = 1e6
_LARGEST_STEP_FACTOR = 100.0


def check_fit(fit: Fit, path: Path) -> None:
    """UsageError, naming entry and field, for the first figure that cannot be."""
    for entry, thing, shares in (
        *((name, one, _GENERATION_SHARES) for name, one in fit.generations.items()),
        *((name, one, _CALIBRATED_SHARES) for name, one in fit.gpus.items()),
        *((name, one, ("memory_share",)) for name, one in fit.engines.items()),
        ("physics", fit.physics, _PHYSICS_SHARES),
    ):
        for field in shares:
            if not 0.0 < getattr(thing, field) <= 1.0:
                raise bad_value(f"{path}: {entry}", field, getattr(thing, field), _SHARE)
    for entry, field, value, low, high in _ranges(fit):
        if not low <= value <= high:
            raise bad_value(f"{path}: {entry}", field, value, f"{low:g} or more and at most {high:,.0f}")


def _ranges(fit: Fit) -> Iterator[tuple[str, str, float, float, float]]:
    """(entry, field, value, least, most) of what is no share."""
    for name, engine in fit.engines.items():
        yield name, "step_factor", engine.step_factor, 1 / _LARGEST_STEP_FACTOR, _LARGEST_STEP_FACTOR
        yield name, "latent_prompt_layer_us", engine.latent_prompt_layer_us, 0.0, _LARGEST
        yield name, "graph_tokens", engine.graph_tokens, 0.0, _LARGEST
    for name, reach in fit.generations.items():
        least, most = 1 / _LARGEST_STEP_FACTOR, _LARGEST_STEP_FACTOR
        yield name, "moe_step_factor", reach.moe_step_factor, least, most
    for one in fields(fit.physics):
        if one.name not in _PHYSICS_SHARES:
            most = 1.0 if one.name in _UP_TO_ONE else _LARGEST
            yield "physics", one.name, getattr(fit.physics, one.name), 0.0, most


def check_gpus(gpus: Mapping[str, GpuSpec], path: Path) -> None:
    """UsageError for a GPU without memory, bandwidth or a rate."""
    for gpu in gpus.values():
        figures = {name: getattr(gpu, name) for name in ("memory_gb", "usable_mib", "memory_bandwidth_gbs")}
        figures |= {f"dense_tflops.{name}": rate for name, rate in gpu.dense_tflops.items()}
        for name, value in figures.items():
            if not value > 0:
                raise bad_value(f"{path}: {gpu.name}", name, value, "must be above 0")


def check_names(gpus: Mapping[str, GpuSpec], fit: Fit, gpus_path: Path, path: Path) -> None:
    """UsageError for a GPU of no known generation, and for a calibration of no known GPU."""
    for gpu in gpus.values():
        if gpu.generation not in fit.generations:
            known = did_you_mean(gpu.generation, fit.generations)
            right = f"not under generations in {path.name}; {known}"
            raise bad_value(f"{gpus_path}: {gpu.name}", "generation", gpu.generation, right)
    for name in fit.gpus:
        if name not in gpus:
            raise bad_value(str(path), "gpus", name, f"not in gpus.yaml; {did_you_mean(name, gpus)}")
