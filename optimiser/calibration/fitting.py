"""What kernels reach, from their timings: shares of the data sheet's peaks, rows of saturation, what is beyond them.

A kernel is taken to need a fixed time and then its operations or its memory traffic, whichever is longer, in the form
that estimates use (performance.timing.gemm). Least squares over the logarithm of modelled over measured time.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from optimiser.accuracy.least_squares import minimise
from optimiser.calibration.points import Calibration, Point
from optimiser.calibration.sizes import ROUTINGS, layer_products
from optimiser.performance.layouts import Array
from optimiser.performance.precision import HALF_PRECISIONS
from optimiser.performance.specs import GpuSpec, ModelSpec
from optimiser.performance.timing import smooth_maximum

# Where every fit begins: a kernel near its peak, a tile's worth of rows, a launch.
_SHARE, _ROWS, _FIXED_US = 0.8, 64.0, 4.0
# So weak a pull decides what no point tells, and nothing else.
_PULL = 1e-4
_ROUNDS = 60
FEWEST_POINTS = 3
# Saturation and both shares show where some products have few rows and some many.
FEW_ROWS, MANY_ROWS = 16, 1024
# Prompts below this, and caches below this many bytes, are mostly launches.
SHORTEST_PROMPT = 512
SMALLEST_CACHE_BYTES = 32 << 20


@dataclass(frozen=True, kw_only=True)
class Found:
    """One figure and what it rests on: error is the median of |modelled / measured − 1|, None for plain medians."""

    value: float
    points: int
    error: float | None = None


def kernel_figures(calibration: Calibration, gpu: GpuSpec, model: ModelSpec) -> dict[str, Found]:
    """Every figure that the points tell, by name; `model` is the one whose steps were measured.

    compute_<format>, saturation_rows, bandwidth_weights: products. bandwidth_read, bandwidth_kv_cache: memory.
    prompt_attention: share of the 16-bit product's rate. grouped_uniform, grouped_zipf: likewise, of one kernel for
    all experts. layer_overhead_us, step_overhead_us: what layers and steps take beyond their products and attention.
    """
    fits = {precision: fit for precision in calibration.precisions
            if (fit := _products_in(calibration, gpu, precision))}  # fmt: skip
    figures = {f"compute_{precision}": fit["compute"] for precision, fit in fits.items()}
    figures |= _memory(calibration, gpu)
    half = next((precision for precision in HALF_PRECISIONS if precision in fits), None)
    if half is not None:
        figures["saturation_rows"] = fits[half]["saturation_rows"]
        figures["bandwidth_weights"] = fits[half]["bandwidth"]
        figures |= _beside_products(calibration, gpu, half, fits[half])
    return figures | overheads(calibration, model)


def _products_in(calibration: Calibration, gpu: GpuSpec, precision: str) -> dict[str, Found]:
    points = [one for one in calibration.of("products") if one.precision == precision]
    peak = gpu.dense_tflops.get(precision)
    return fit_products(points, peak * 1e12, _peak_bytes(gpu)) if peak else {}


def fit_products(points: Sequence[Point], peak_flops: float, peak_bytes_per_s: float) -> dict[str, Found]:
    """What explains products of one format: compute and bandwidth, shares of the peaks, and saturation_rows; nothing
    where they are too alike to tell.
    """
    rows = np.array([point.sizes["rows"] for point in points], dtype=np.float64)
    if len(points) < 2 * FEWEST_POINTS or rows.min() > FEW_ROWS or rows.max() < MANY_ROWS:
        return {}
    flops, moved, measured = _columns(points)

    def modelled(at: Array) -> Array:
        compute, saturation, bandwidth, fixed_us = np.exp(at)
        operations = flops * (1.0 + saturation / rows) / (peak_flops * compute)
        memory = moved / (peak_bytes_per_s * bandwidth)
        return np.asarray(fixed_us * 1e-6 + smooth_maximum(operations, memory))

    start = np.log([_SHARE, _ROWS, _SHARE, _FIXED_US])
    at, error = _fitted(modelled, measured, start)
    names = ("compute", "saturation_rows", "bandwidth")
    return {
        name: Found(value=value, points=len(points), error=error)
        for name, value in zip(names, np.exp(at).tolist(), strict=False)
    }


def fit_share(points: Sequence[Point], at_peak_s: Array, least_s: Array | float = 0.0) -> Found | None:
    """The share of a peak, where work takes at_peak_s, that it reaches beside a fixed time and overlapping what takes
    least_s; None for too few points.
    """
    if len(points) < FEWEST_POINTS:
        return None
    measured = _columns(points)[2]

    def modelled(at: Array) -> Array:
        share, fixed_us = np.exp(at)
        return np.asarray(fixed_us * 1e-6 + smooth_maximum(at_peak_s / share, np.asarray(least_s)))

    at, error = _fitted(modelled, measured, np.log([_SHARE, _FIXED_US]))
    return Found(value=float(np.exp(at[0])), points=len(points), error=error)


def _memory(calibration: Calibration, gpu: GpuSpec) -> dict[str, Found]:
    """Shares of peak bandwidth by what is read."""
    caches = calibration.of("decode_attention")
    points = {
        "bandwidth_read": calibration.of("read"),
        "bandwidth_kv_cache": [one for one in caches if one.bytes_moved >= SMALLEST_CACHE_BYTES],
    }
    found = {name: fit_share(some, _columns(some)[1] / _peak_bytes(gpu)) for name, some in points.items()}
    return {name: one for name, one in found.items() if one is not None}


def _beside_products(
    calibration: Calibration, gpu: GpuSpec, precision: str, half: Mapping[str, Found]
) -> dict[str, Found]:
    """What is told in units of the 16-bit product's rate."""
    rate = gpu.dense_tflops[precision] * 1e12 * half["compute"].value
    prompts = [one for one in calibration.of("prefill_attention") if one.sizes["tokens"] >= SHORTEST_PROMPT]
    found = {"prompt_attention": fit_share(prompts, _columns(prompts)[0] / rate)}
    for routing in ROUTINGS:
        found[f"grouped_{routing}"] = _grouped_share(calibration, routing, half, rate, _peak_bytes(gpu))
    return {name: one for name, one in found.items() if one is not None}


def _grouped_share(
    calibration: Calibration, routing: str, half: Mapping[str, Found], rate: float, peak_bytes_per_s: float
) -> Found | None:
    """What products of all experts in one kernel reach of a dense one's rate; expert by expert tells nothing of it."""
    points = [
        point for point in calibration.of("experts") if point.case.split()[1:] == [routing, "grouped_mm"]
    ]
    flops, moved, _ = _columns(points)
    rows, touched = (
        np.array([point.sizes[name] for point in points], dtype=np.float64) for name in ("rows", "touched")
    )
    operations = flops * (1.0 + half["saturation_rows"].value * touched / rows) / rate
    return fit_share(points, operations, moved / (peak_bytes_per_s * half["bandwidth"].value))


def overheads(calibration: Calibration, model: ModelSpec) -> dict[str, Found]:
    """What a layer and a step take beyond their products and attention measured alone, µs, medians over batches.

    Step time is linear in depth: its slope is a layer, the rest the output head and the step's own.
    """
    alone = {(point.case, point.sizes.get("rows")): point.seconds for point in calibration.of("products")
             if point.precision in HALF_PRECISIONS}  # fmt: skip
    caches = {(point.case, point.sizes["batch"], point.sizes["context"]): point.seconds
              for point in calibration.of("decode_attention")}  # fmt: skip
    layer_us, step_us = [], []
    for batch, context, slope, rest in _depth_lines(calibration):
        parts = [alone.get((f"{model.name} {name}", batch)) for name in layer_products(model)]
        parts.append(caches.get((model.name, batch, context)))
        known = [part for part in parts if part is not None]
        if len(known) == len(parts):
            layer_us.append((slope - sum(known)) * 1e6)
        head = alone.get((f"{model.name} head", batch))
        if head is not None:
            step_us.append((rest - head) * 1e6)
    named = {"layer_overhead_us": layer_us, "step_overhead_us": step_us}
    return {
        name: Found(value=statistics.median(some), points=len(some)) for name, some in named.items() if some
    }


def _depth_lines(calibration: Calibration) -> Iterator[tuple[int, int, float, float]]:
    """(batch, context, seconds a layer, seconds without layers) of every batch with two depths or more."""
    lines: dict[tuple[int, int], list[tuple[int, float]]] = {}
    for point in calibration.of("steps"):
        if not point.sizes["prompt"]:
            key = point.sizes["batch"], point.sizes["context"]
            lines.setdefault(key, []).append((point.sizes["layers"], point.seconds))
    for (batch, context), line in lines.items():
        depths, seconds = np.array(line).T
        if len(set(depths.tolist())) > 1:
            # Each point's relative error counts alike.
            slope, rest = np.polyfit(depths, seconds, 1, w=1.0 / seconds).tolist()
            yield batch, context, slope, rest


def _fitted(modelled: Callable[[Array], Array], measured: Array, start: Array) -> tuple[Array, float]:
    """The logarithms that explain the times best, and the median of |modelled / measured − 1|."""

    def errors(at: Array) -> Array:
        return np.asarray(np.log(modelled(at) / measured))

    everywhere = np.ones(len(measured), dtype=np.bool_)
    blocks = [[(index, everywhere)] for index in range(len(start))]
    weights = np.full(len(measured), len(measured) ** -0.5)
    at = minimise(errors, weights, start, start, _PULL, blocks, _ROUNDS)
    return at, float(np.median(np.abs(modelled(at) / measured - 1.0)))


def _columns(points: Sequence[Point]) -> tuple[Array, Array, Array]:
    """Operations, bytes and seconds, each (points,)."""
    table = np.array([(point.flops, point.bytes_moved, point.seconds) for point in points], dtype=np.float64)
    flops, moved, seconds = table.reshape(-1, 3).T
    return flops, moved, seconds


def _peak_bytes(gpu: GpuSpec) -> float:
    return gpu.memory_bandwidth_gbs * 1e9
