"""Measuring section by section; what is measured is kept, whatever happens next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

from optimiser.calibration.bench.attention import decodes, prefills
from optimiser.calibration.bench.experts import mixtures
from optimiser.calibration.bench.products import half_product, products, reads
from optimiser.calibration.bench.serving import serving
from optimiser.calibration.bench.steps import steps
from optimiser.calibration.bench.timing import Bench, first_line, release, versions, while_busy
from optimiser.calibration.nvidia_smi import gpu_state
from optimiser.calibration.points import Calibration, GpuState, LeftOut, Point, ServedLoad
from optimiser.calibration.sizes import Sizes
from optimiser.errors import OptimiserError

Finding = Point | LeftOut | ServedLoad
Section = Callable[[Bench, Sizes], Iterator[Finding]]
# What shares follow from comes first: an interrupt leaves the rest out.
SECTIONS: tuple[Section, ...] = (reads, products, decodes, prefills, steps, mixtures, serving)
# Rows and width of the product that keeps a GPU busy, and for how long before its state is asked.
_BUSY_SIZE, _BUSY_S = 4096, 1.5


def measured(
    bench: Bench,
    gpu: str,
    sizes: Sizes,
    *,
    quick: bool,
    save: Callable[[Calibration], None],
    tell: Callable[[str], None],
) -> Calibration:
    """Everything at the sizes. save is called before the first section, and after each with all there is so far,
    also where it was interrupted half way or the GPU failed (OptimiserError).
    """
    torch, cuda = versions()
    done = Calibration(
        gpu=gpu,
        device=bench.name,
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        torch=torch,
        cuda=cuda,
        quick=quick,
        idle=_state(bench),
    )
    save(done)
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
    return state if isinstance(state, GpuState) else None


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
