"""What a whole command takes."""

from __future__ import annotations

import os
import resource
import subprocess
import time


def seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)
    return time.perf_counter() - started


def taken(command: list[str]) -> tuple[float, float]:
    """Seconds on the clock, and of CPU of a command and its children, which are less of whatever else runs."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    clock = seconds(command)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return clock, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
