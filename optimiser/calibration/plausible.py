"""Whether a calibration's file can be true: of the GPU it names, and no faster than that GPU's data sheet."""

from __future__ import annotations

from collections.abc import Mapping

from optimiser.calibration.compare import known_gpu
from optimiser.calibration.fitting import SMALLEST_CACHE_BYTES
from optimiser.calibration.points import Calibration, Point
from optimiser.errors import bad_value
from optimiser.measured.names import gpu_named
from optimiser.performance.specs import GpuSpec

# Clocks may boost beyond those that a data sheet's peak is stated at.
MOST_OF_PEAK = 1.10


def check_plausible(calibration: Calibration, gpus: Mapping[str, GpuSpec], where: str) -> None:
    """Raise UsageError, opening with the file, for a GPU that gpus.yaml lacks, a device that is another GPU, and a
    point faster than MOST_OF_PEAK × the data sheet's peak in dense TFLOPS of its format or GB/s.

    Bandwidth is checked of points that move SMALLEST_CACHE_BYTES or more: what is smaller may stay in a cache.
    """
    gpu = known_gpu(calibration.gpu, gpus, f"{where}: gpu")
    told = gpu_named(calibration.device, gpus)
    if told and told != gpu.name:
        right = f"is {told}, but gpu is {gpu.name}: the two have to be one GPU"
        raise bad_value(where, "device", calibration.device, right)
    for place, point in enumerate(calibration.points):
        _check_point(point, gpu, f"{where}: points {place}")


def _check_point(point: Point, gpu: GpuSpec, where: str) -> None:
    tflops = gpu.dense_tflops.get(point.precision)
    moved = point.bytes_moved if point.bytes_moved >= SMALLEST_CACHE_BYTES else 0.0
    for did, peak, unit, field in (
        (point.flops / 1e12, tflops, "TFLOPS", f"dense_tflops.{point.precision}"),
        (moved / 1e9, gpu.memory_bandwidth_gbs, "GB/s", "memory_bandwidth_gbs"),
    ):
        reached = did / point.seconds
        if peak is not None and reached > MOST_OF_PEAK * peak:
            at_most = f"{gpu.name} has {peak:,.10g} at most ({field} in gpus.yaml)"
            right = f"{point.section} at {reached:,.0f} {unit}, where {at_most}"
            raise bad_value(where, "seconds", point.seconds, right)
