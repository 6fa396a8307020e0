"""`optimiser calibrate`: what kernels reach on this machine's own GPU, beside what estimates use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from optimiser.cli.options import Config

if TYPE_CHECKING:
    from optimiser.calibration.points import Calibration
    from optimiser.config import Config as Configuration
    from optimiser.performance.specs import Calibrated

INSTALL = "pip install 'cloud-pricing-optimiser[calibrate]'"


def calibrate(
    gpu: Annotated[
        str | None, typer.Option("--gpu", metavar="NAME", help="The GPU, where its name is not known.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Few sizes, for a first look.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where points are kept (default: calibration-GPU-DATE.json)."),
    ] = None,
    earlier: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="Measure nothing: an earlier calibration.")
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A calibration of a GPU of the same generation, to scale by."),
    ] = None,
    write: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Put the GPU's own shares into this config directory.")
    ] = None,
    config: Config = None,
) -> None:
    """Measure kernels, steps and requests under load on this machine's GPU and set them beside the estimates.

    Nothing that estimates use is changed unless --write says where.
    """
    from optimiser.calibration.compare import compared
    from optimiser.cli.output import emit, wants_colour
    from optimiser.config import load_config
    from optimiser.report.calibration_report import calibration_document
    from optimiser.report.text_layout import text_of

    known = load_config(config)
    there = None if reference is None else _earlier(reference, known)
    calibration = _chosen(known, earlier, gpu, output, quick=quick)
    comparison = compared(calibration, known, there)
    emit(text_of(calibration_document(comparison), colour=wants_colour(None)))
    if write is not None:
        _write(comparison.own, write)


def _chosen(
    known: Configuration, earlier: Path | None, gpu: str | None, output: Path | None, *, quick: bool
) -> Calibration:
    """The earlier calibration, or one made here. Raises OptimiserError for one without any points."""
    from optimiser.calibration.compare import known_gpu
    from optimiser.errors import OptimiserError, UsageError

    if earlier is not None:
        for option, typed in (("--gpu", gpu), ("--quick", quick), ("--output", output)):
            if typed:
                raise UsageError(f"{option}: has no meaning with --from, which measures nothing")
        calibration = _earlier(earlier, known)
    else:
        if gpu is not None:
            known_gpu(gpu, known.gpus, "--gpu")
        calibration = _measured(known, gpu, output, quick=quick)
    if not calibration.points:
        first = calibration.left_out[0].reason if calibration.left_out else "it was interrupted"
        raise OptimiserError(f"nothing was measured: {first}")
    return calibration


def _earlier(path: Path, known: Configuration) -> Calibration:
    """The calibration in a file. Raises UsageError for one that is none, or cannot be true."""
    from optimiser.calibration.plausible import check_plausible
    from optimiser.calibration.points import read_calibration

    calibration = read_calibration(path)
    check_plausible(calibration, known.gpus, str(path))
    return calibration


def _write(own: Calibrated | None, directory: Path) -> None:
    """Put the shares into the directory. Raises UsageError without any."""
    from optimiser.calibration.own_config import write_own_shares
    from optimiser.cli.output import note
    from optimiser.config import PERFORMANCE_FILE
    from optimiser.errors import UsageError

    if own is None:
        raise UsageError("--write: too little was measured for shares of the GPU's own; nothing is written")
    write_own_shares(own, directory / PERFORMANCE_FILE)
    note(f"wrote {directory / PERFORMANCE_FILE}")


def _measured(known: Configuration, asked: str | None, output: Path | None, *, quick: bool) -> Calibration:
    """Measure here. Raises UsageError where torch is not installed or cannot be loaded."""
    from optimiser.cli.output import note
    from optimiser.errors import UsageError

    try:
        from optimiser.calibration.measure import calibrated_here
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise UsageError(f"calibrate needs torch: {INSTALL}") from None
    except (ImportError, OSError) as error:
        raise UsageError(f"torch cannot be loaded: {' '.join(str(error).split())}: {INSTALL}") from None
    return calibrated_here(known, asked, output, quick=quick, tell=note)
