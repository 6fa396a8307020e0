"""The state of a GPU as nvidia-smi tells it: driver, clocks, power, temperature."""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Sequence

from optimiser.calibration.points import GpuState

# Field of GpuState to nvidia-smi's name for it (`nvidia-smi --help-query-gpu`); MHz, W and °C without units.
_QUERIES = {
    "driver": "driver_version",
    "sm_clock_mhz": "clocks.sm",
    "sm_clock_max_mhz": "clocks.max.sm",
    "memory_clock_mhz": "clocks.mem",
    "power_limit_w": "power.limit",
    "power_draw_w": "power.draw",
    "temperature_c": "temperature.gpu",
}
_TIMEOUT_S = 20.0


def gpu_state(identity: str | None) -> GpuState:
    """The state of the GPU of that identity (its UUID, or PCI bus id), all None where there is no nvidia-smi, it
    fails, or it names several GPUs for want of an identity.
    """
    asked = ["--id", identity] if identity else []
    output = _asked([*asked, f"--query-gpu={','.join(_QUERIES.values())}", "--format=csv,noheader,nounits"])
    return state_of(output) if output is not None else GpuState()


def state_of(output: str) -> GpuState:
    """The state of the one GPU in nvidia-smi's CSV; nothing of it where there are several, or other columns."""
    rows = [[cell.strip() for cell in row] for row in csv.reader(output.splitlines()) if row]
    if len(rows) != 1 or len(rows[0]) != len(_QUERIES):
        return GpuState()
    cells = dict(zip(_QUERIES, rows[0], strict=True))
    driver = cells.pop("driver")
    numbers = {name: _number(cell) for name, cell in cells.items()}
    return GpuState(driver=None if driver.startswith("[") else driver or None, **numbers)


def _number(cell: str) -> float | None:
    """None for what a card does not tell: "[N/A]", "[Not Supported]", "[Unknown Error]"."""
    try:
        return float(cell)
    except ValueError:
        return None


def _asked(arguments: Sequence[str]) -> str | None:
    command = ["nvidia-smi", *arguments]
    try:
        ran = subprocess.run(  # noqa: S603 (a fixed program, no shell)
            command, capture_output=True, text=True, check=True, timeout=_TIMEOUT_S
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return ran.stdout
