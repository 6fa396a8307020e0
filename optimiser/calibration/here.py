"""A calibration of the GPU in this machine, kept in a file as it grows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from optimiser.calibration.bench.timing import Bench, gpu_bench, taken_bytes, versions
from optimiser.calibration.fitting import kernel_figures
from optimiser.calibration.measure import measured
from optimiser.calibration.points import Calibration, calibration_json
from optimiser.calibration.sizes import SMALL, sizes_for
from optimiser.config import Config
from optimiser.errors import UsageError, bad_value
from optimiser.files import write_whole
from optimiser.measured.names import gpu_named
from optimiser.performance.specs import GpuSpec

# What a driver and an idle display hold of a GPU, at most.
_USUAL_BYTES = 2e9


def calibrated_here(
    known: Config, asked: str | None, output: Path | None, *, quick: bool, tell: Callable[[str], None]
) -> Calibration:
    """Measure this machine's GPU. `asked` is its name in gpus.yaml where the driver's is not known; output where the
    calibration is kept, by default calibration-GPU-DATE.json in the working directory.

    Raises UsageError without a GPU, for one whose name is not known and for a file that cannot be written.
    """
    bench = gpu_bench()
    if bench is None:
        raise UsageError(
            f"no CUDA GPU here (torch {versions()[0]} sees none): calibrate measures the machine it runs on"
        )
    gpu = known.gpus[named(bench.name, asked, known.gpus)]
    taken = taken_bytes(bench)
    if taken > _USUAL_BYTES:
        tell(
            f"warning: {taken / 1e9:.0f} GB of the GPU are taken already: what else runs there slows kernels down"
        )
    return kept(bench, gpu, known, output, quick=quick, tell=tell)


def kept(
    bench: Bench,
    gpu: GpuSpec,
    known: Config,
    output: Path | None,
    *,
    quick: bool,
    tell: Callable[[str], None],
) -> Calibration:
    """Measure the bench as that GPU, writing all there is after each section."""
    written: list[Path] = []

    def save(calibration: Calibration) -> None:
        path = output or Path(f"calibration-{calibration.gpu}-{calibration.measured_on}.json")
        figures = kernel_figures(calibration, gpu, known.models[SMALL])
        derived = {name: asdict(found) for name, found in figures.items()}
        peaks = {"memory_bandwidth_gbs": gpu.memory_bandwidth_gbs, "dense_tflops": gpu.dense_tflops}
        try:
            write_whole(path, calibration_json(calibration, {"peaks": peaks, "kernels": derived}))
        except OSError as error:
            raise bad_value("--output", "file", str(path), f"cannot be written: {error.strerror}") from None
        written[:] = [path]

    sizes = sizes_for(gpu, known.models, quick=quick)
    try:
        return measured(bench, gpu.name, sizes, quick=quick, save=save, tell=tell)
    finally:
        for path in written:
            tell(f"wrote {path}")


def named(device: str, asked: str | None, gpus: Mapping[str, GpuSpec]) -> str:
    """The name in gpus.yaml of a GPU as the driver names it, else the one that was asked for. Raises UsageError."""
    if " MIG " in device:
        raise UsageError(f"{device}: is a slice of a GPU: shares of its peaks are those of a whole one")
    told = gpu_named(device, gpus)
    if not told and asked is None:
        raise UsageError(
            f"{device}: no such GPU in gpus.yaml, where there are {', '.join(sorted(gpus))}: "
            "name the one it is by --gpu NAME, or add it"
        )
    if told and asked not in (None, told):
        raise bad_value("--gpu", "name", asked, f"the GPU of this machine is {device}, which is {told}")
    return asked or told
