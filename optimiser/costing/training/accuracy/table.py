"""A table of published training runs as typed rows, and which of them a clean comparison leaves out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from optimiser.accuracy.table import read_rows

_SEQUENCE = re.compile(r"seqlen (\d+)")
_HARDWARE_FLOPS = re.compile(r"HFU ([\d.]+)")


@dataclass(frozen=True, kw_only=True)
class Run:
    """One row; a field per column, None where the cell is empty, `line` in the file.

    params_b and active_params_b in 1e9 weights, tokens_t in 1e12 tokens, gpu_hours of all GPUs together, mfu as a share
    of the 16-bit dense peak (8-bit peak for fp8 rows), tdp_w per GPU.
    """

    line: int
    model: str
    params_b: float | None
    active_params_b: float | None
    tokens_t: float | None
    hardware: str
    gpu_count: float | None
    gpu_hours: float | None
    mfu: float | None
    mfu_source: str | None
    tdp_w: float | None
    energy_mwh: float | None
    tco2e: float | None
    source: str
    verified: str
    notes: str | None

    @property
    def sequence_tokens(self) -> int | None:
        """Length of a sequence, where the notes have it."""
        found = _SEQUENCE.search(self.notes or "")
        return int(found[1]) if found else None

    @property
    def recomputed(self) -> bool:
        """Whether GPUs did more than the model asks: hardware FLOPs well above model FLOPs."""
        found = _HARDWARE_FLOPS.search(self.notes or "")
        return bool(found and self.mfu and float(found[1]) / 100 > 1.1 * self.mfu)

    @property
    def eight_bit(self) -> bool:
        """Whether products are of 8-bit floats."""
        return "fp8" in f"{self.hardware} {self.notes}".lower()

    @property
    def whole(self) -> bool:
        """Whether the row is a run from its first token to its last, with all that came between."""
        return self.gpu_hours is not None and "throughput" not in self.model


def read_runs(path: Path) -> tuple[Run, ...]:
    """Every row of a table of training runs. Raises UsageError as optimiser.accuracy.table.read_rows does."""
    return read_rows(path, Run)


def left_out(run: Run) -> str | None:
    """Why a row is no clean run, by its own columns; None where it is one."""
    notes = run.notes or ""
    if run.gpu_hours is None and (run.mfu is None or run.gpu_count is None):
        return "neither the GPU-hours of a run nor the MFU of a cluster of known size"
    if run.gpu_hours is not None and run.tokens_t is None:
        return "GPU-hours without the tokens they bought"
    if notes.startswith("15T+"):
        return "tokens are a lower bound and hours cumulative: more than one clean run is in them"
    if run.model.endswith(" total"):
        return "further stages are in it; its pre-training is a row of its own"
    if run.verified.startswith("memory") and "consistent with" not in run.verified:
        return "figures from memory, not read at their source"
    return None
