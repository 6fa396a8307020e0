"""Measuring this machine's GPU section by section; what is measured is kept in a file, whatever happens next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from optimiser.calibration.bench.attention import decodes, prefills
from optimiser.calibration.bench.experts import mixtures
from optimiser.calibration.bench.products import half_product, products, reads
from optimiser.calibration.bench.serving import serving
from optimiser.calibration.bench.steps import steps
from optimiser.calibration.bench.timing import (
    Bench,
    first_line,
    gpu_bench,
    release,
    taken_bytes,
    versions,
    while_busy,
)
from optimiser.calibration.fitting import kernel_figures
from optimiser.calibration.nvidia_smi import gpu_state
from optimiser.calibration.points import (
    Calibration,
    GpuState,
    LeftOut,
    Point,
    ServedLoad,
    calibration_json,
)
from optimiser.calibration.sizes import SMALL, Sizes, sizes_for
from optimiser.config import Config
from optimiser.errors import OptimiserError, UsageError, bad_value
from optimiser.files import write_whole
from optimiser.measured.names import own_gpu
from optimiser.performance.specs import GpuSpec

Finding = Point | LeftOut | ServedLoad
Section = Callable[[Bench, Sizes], Iterator[Finding]]
# What shares follow from comes first: an interrupt leaves the rest out.
SECTIONS: tuple[Section, ...] = (reads, products, decodes, prefills, steps, mixtures, serving)
# Rows and width of the product that keeps a GPU busy, and for how long before its state is asked.
_BUSY_SIZE, _BUSY_S = 4096, 1.5
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
    gpu = known.gpus[own_gpu(bench.name, asked, known.gpus)]
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
    """Measure the bench as that GPU, writing all there is before the first section and after each."""
    sizes = sizes_for(gpu, known.models, quick=quick)
    begun = begun_now(bench, gpu.name, quick=quick)
    path = output or Path(f"calibration-{begun.gpu}-{begun.measured_on}.json")

    def save(calibration: Calibration) -> None:
        figures = kernel_figures(calibration, gpu, known.models[SMALL])
        derived = {name: asdict(found) for name, found in figures.items()}
        peaks = {"memory_bandwidth_gbs": gpu.memory_bandwidth_gbs, "dense_tflops": gpu.dense_tflops}
        try:
            write_whole(path, calibration_json(calibration, {"peaks": peaks, "kernels": derived}))
        except OSError as error:
            raise bad_value("--output", "file", str(path), f"cannot be written: {error.strerror}") from None

    save(begun)
    try:
        return measured(bench, begun, sizes, save=save, tell=tell)
    finally:
        tell(f"wrote {path}")


def begun_now(bench: Bench, gpu: str, *, quick: bool) -> Calibration:
    """A calibration of that GPU without any points yet."""
    torch, cuda = versions()
    return Calibration(
        gpu=gpu,
        device=bench.name,
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        torch=torch,
        cuda=cuda,
        quick=quick,
        idle=_state(bench),
    )


def measured(
    bench: Bench,
    done: Calibration,
    sizes: Sizes,
    *,
    save: Callable[[Calibration], None],
    tell: Callable[[str], None],
) -> Calibration:
    """Everything at the sizes. save is called after each section with all there is so far, also where it was
    interrupted half way or the GPU failed (OptimiserError).
    """
    try:
        done = replace(done, under_load=_state_under_load(bench, sizes))
        for section in SECTIONS:
            found: list[Finding] = []
            try:
                for one in section(bench, sizes):
                    found.append(one)
                    tell(_line(one))
            finally:
                done = _with(done, found)
                save(done)
    except RuntimeError as error:
        # One size that fails is left out as it comes; here the device itself does no more.
        raise OptimiserError(f"{bench.name} failed: {first_line(error)}") from None
    done = replace(done, complete=True)
    save(done)
    return done


def _with(done: Calibration, found: list[Finding]) -> Calibration:
    return replace(
        done,
        points=done.points + tuple(one for one in found if isinstance(one, Point)),
        left_out=done.left_out + tuple(one for one in found if isinstance(one, LeftOut)),
        serving=done.serving + tuple(one for one in found if isinstance(one, ServedLoad)),
    )


def _state(bench: Bench) -> GpuState:
    """What the driver tells; nothing where the work is on the host."""
    return gpu_state(bench.identity) if bench.on_gpu else GpuState()


def _state_under_load(bench: Bench, sizes: Sizes) -> GpuState | None:
    """Clocks and power while the GPU multiplies matrices without a break."""
    if not bench.on_gpu:
        return None
    work = half_product(bench, _BUSY_SIZE, _BUSY_SIZE, _BUSY_SIZE, sizes.half)
    state = while_busy(bench, work, _BUSY_S, lambda: _state(bench))
    del work
    release(bench)
    return state


def _line(one: Finding) -> str:
    if isinstance(one, ServedLoad):
        waited = "".join(f", p{name} {seconds * 1e3:,.1f} ms" for name, seconds in one.ttft_s.items())
        return (
            f"serving {one.case} {one.precision}, load {one.load:.0%}, {one.rate_rps:,.3g} requests/s{waited}"
        )
    sizes = ", ".join(f"{name} {value:,}" for name, value in one.sizes.items())
    what = f"{one.section} {one.case} {one.precision}, {sizes}"
    if isinstance(one, LeftOut):
        return f"{what}: left out: {one.reason}"
    return f"{what}: {one.seconds * 1e6:,.1f} µs"
