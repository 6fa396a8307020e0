"""A night at real size: `optimiser refresh` against all three clouds on 127.0.0.1, each in a process of its own.

AWS sells 88 GPU types in 34 regions with 12 reserved terms and 12 savings plans each (3,000 products, of which
1,900 have a shape), GCP lists 32,000 SKUs in 7 pages, Azure 15,000 rows in each of 60 regions. Other programs:

    python refresh_volume.py serve                  those clouds, as tests/fakes/clouds.py serves them
    python refresh_volume.py measure COMMAND…       what a command took, as JSON on stdout
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
MOST_CPU_S = 30.0
MOST_MB = 300
# GPU types on sale that no shape knows, to make AWS's list as long as the real one.
UNKNOWN_AWS_TYPES = tuple(f"g9.{size}xlarge" for size in range(32))


class Line(NamedTuple):
    """One line of the benchmark's table."""

    case: str
    measured: str
    target: str
    met: bool | None


class Taken(NamedTuple):
    """What a command took: CPU of it and its children, its largest memory (MB of 2^20 bytes), wall-clock time."""

    exit_code: int
    cpu_s: float
    wall_s: float
    peak_mb: float


def refreshes(runs: int) -> Iterator[Line]:
    """A full refresh into an empty store, the same again, the hourly spot job, and planning on what came of it."""
    optimiser = str(Path(sys.executable).with_name("optimiser"))
    with tempfile.TemporaryDirectory() as folder, _clouds() as clouds:
        path = Path(folder) / "prices.sqlite3"
        env = {**os.environ, **clouds, "XDG_DATA_HOME": folder}
        limits = f"≤ {MOST_CPU_S:g} s CPU, ≤ {MOST_MB} MB"
        for name, tiers, target in (
            ("cold store", (), limits),
            ("again, nothing new", (), limits),
            ("--tier spot", ("--tier", "spot"), ""),
        ):
            report = Path(folder) / "report.json"
            command = [optimiser, "refresh", *tiers, "--store", f"sqlite:///{path}", "--report", str(report)]
            taken = _measured(command, env)
            met = taken.exit_code == 0 and taken.cpu_s <= MOST_CPU_S and taken.peak_mb <= MOST_MB
            offers = sum(one["offers"] for one in json.loads(report.read_text(encoding="utf-8"))["providers"])
            shown = f"{taken.cpu_s:.1f} s CPU, {taken.peak_mb:.0f} MB, {taken.wall_s:.1f} s wall"
            yield Line(f"refresh: {name}", shown, target, met if target else None)
            size_mb = sum(one.stat().st_size for one in path.parent.glob(f"{path.name}*")) / 2**20
            yield Line(f"refresh: {name}: stored", f"{offers:,} offers, file of {size_mb:.1f} MB", "", None)
        yield _planning(optimiser, path, env, runs)


def _planning(optimiser: str, path: Path, env: Mapping[str, str], runs: int) -> Line:
    """CPU of whole cold `recommend` commands on the store as a ratio to the embedded snapshot, runs interleaved."""
    command = [optimiser, "recommend", str(ROOT / "config/workloads/chat-llama-70b.yaml")]
    stored: list[float] = []
    embedded: list[float] = []
    for _ in range(runs + 1):
        for seconds, more in ((stored, ["--store", f"sqlite:///{path}"]), (embedded, [])):
            taken = _measured([*command, *more], env)
            if taken.exit_code:
                raise RuntimeError(f"recommend {' '.join(more)} ended with {taken.exit_code}")
            seconds.append(taken.cpu_s)
    own, other = statistics.median(stored[1:]), statistics.median(embedded[1:])
    shown = f"{own:.2f} s / {other:.2f} s CPU = {own / other:.2f}"
    return Line("recommend chat-llama-70b: store / embedded", shown, "", None)


def _measured(command: Sequence[str], env: Mapping[str, str]) -> Taken:
    """What a command took. A small process starts it: its memory counts from that of whoever starts it."""
    run = subprocess.run(
        [sys.executable, __file__, "measure", *command], check=True, capture_output=True, text=True, env=env
    )
    return Taken(*json.loads(run.stdout))


@contextmanager
def _clouds() -> Iterator[dict[str, str]]:
    """The environment in which the real clients find the fakes, for as long as they run."""
    server = subprocess.Popen(
        [sys.executable, __file__, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdin
    assert server.stdout
    with server:
        try:
            yield json.loads(server.stdout.readline())
        finally:
            server.stdin.close()


def serve() -> None:
    """Serve the clouds until standard input ends; the first line is the environment."""
    sys.path.insert(0, str(ROOT / "tests/fakes"))
    from clouds import Clouds

    with tempfile.TemporaryDirectory() as folder, Clouds(Path(folder), full=True) as clouds:
        listed = clouds.aws_list
        listed.usd_of = {**listed.usd_of, **dict.fromkeys(UNKNOWN_AWS_TYPES, 1.0)}
        listed.types = (*listed.types, *UNKNOWN_AWS_TYPES)
        print(json.dumps(clouds.env), flush=True)
        sys.stdin.read()


def measure(command: Sequence[str]) -> None:
    """Run a command and print a Taken."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    print(json.dumps([process.returncode, used.ru_utime + used.ru_stime, wall_s, used.ru_maxrss / 1024]))


if __name__ == "__main__":
    serve() if sys.argv[1] == "serve" else measure(sys.argv[2:])
