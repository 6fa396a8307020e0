"""The benchmark: whole cold commands, planning cases against their references, and refreshes at real size.

    python tests/bench/run.py [--cases FOLDER] [--runs N]

FOLDER holds mix/*.json with mix/reference.json, and time/options_*.json with time/demand_*.json; without it a
small mix and a generated week stand in. Times are of this machine in this run: compare ratios, not seconds.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from capped_weeks import capped_weeks
from cases import hours_problem, mix_problem, read, workload_files
from commands import seconds, taken
from limited_weeks import limited_weeks
from refresh_volume import refreshes
from scheduled_weeks import scheduled_weeks
from sized_weeks import sized_weeks
from together_weeks import together_weeks

from optimiser.config import load_config
from optimiser.performance.estimate import estimate_precisions
from optimiser.performance.parameters import KV_PRECISIONS, WEIGHT_PRECISIONS
from optimiser.performance.trial import DEFAULT_PRECISIONS
from optimiser.planning.mix import solve_mix
from optimiser.planning.search import search
from optimiser.workload import load_workload

ROOT = Path(__file__).resolve().parents[2]
SMALL_MIX = {
    "options": [
        {"name": "A10G", "usd_per_hour": 1.01, "max_requests_per_second": [[2, 1], [5, 2]]},
        {"name": "A100-80GB", "usd_per_hour": 3.67, "max_requests_per_second": [[20, 20], [40, 20]]},
    ],
    "request_share": [[0.2, 0.1], [0.5, 0.2]],
    "requests_per_second": 30.0,
}
IMPORTS = "import pandas, pulp, highspy"
ESTIMATES_SECONDS = 0.3
APART_RATIO = 1.7
MIX_SECONDS = {(100, 4): 0.05, (400, 10): 0.5, (400, 100): 3.0}
TIME_LIMITS = {168: (0.0025, 1.0, None), 8760: (0.0025, 2.0, 300)}
SCENARIOS, SCENARIOS_LIMITS = 100, (0.005, 3.0, None)


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    case: str
    measured: str
    target: str
    met: bool | None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--cases", type=Path)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--workloads", type=int, default=100, help="planned apart with 1 and 2 jobs")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        # Compiled modules, as pip leaves those that it installs, whether or not this environment keeps those of ours.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        measured(arguments)


def measured(arguments: argparse.Namespace) -> None:
    """Print the table."""
    rows = [*cold_commands(arguments.runs), *estimates(arguments.runs)]
    rows += [*mixes(arguments.cases), *weeks(arguments.cases)]
    rows += [*apart(arguments.workloads)]
    rows += [Row(*line) for line in (*capped_weeks(arguments.cases), *sized_weeks(arguments.cases))]
    rows += [Row(*line) for line in limited_weeks(arguments.cases)]
    rows += [Row(*line) for line in scheduled_weeks(arguments.cases)]
    rows += [Row(*line) for line in together_weeks()]
    rows += [Row(*line) for line in refreshes(arguments.runs)]
    width = max(len(row.case) for row in rows)
    print(f"{'case':{width}}  {'measured':52}  target")
    for row in rows:
        verdict = "" if row.met is None else ("met" if row.met else "MISSED")
        print(f"{row.case:{width}}  {row.measured:52}  {row.target}  {verdict}")


def cold_commands(runs: int) -> Iterator[Row]:
    """CPU of whole cold processes as a ratio to importing what they cannot do without, runs interleaved."""
    optimiser = str(Path(sys.executable).with_name("optimiser"))
    workload = str(ROOT / "config/workloads/chat-llama-70b.yaml")
    pairs = (
        (
            "optimiser recommend chat-llama-70b",
            [optimiser, "recommend", workload],
            IMPORTS,
            3.0,
        ),
        ("optimiser --help", [optimiser, "--help"], "import typer, rich", 1.5),
    )
    for name, command, imports, limit in pairs:
        ours, theirs = [], []
        for _ in range(runs + 1):
            ours.append(taken(command)[1])
            theirs.append(taken([sys.executable, "-c", imports])[1])
        own, other = statistics.median(ours[1:]), statistics.median(theirs[1:])
        ratio = own / other
        yield Row(
            name, f"{own:.2f} s / {other:.2f} s CPU = {ratio:.2f}", f"≤ {limit} × `{imports}`", ratio <= limit
        )


def estimates(runs: int) -> Iterator[Row]:
    """One workload on all instance types in all splits in this process, beside a cold import: as it is asked, at one
    precision, and at all there are of weights and KV cache (fp16 counts as bf16); of a mixture of experts, which
    is tried in groups of instances, too; and that with requests in bursts, and with each size of request alone, as
    routing by size wants.
    """
    config = load_config()
    workload = load_workload(config.find_workload("chat-llama-70b"))
    shapes = list(config.shapes.values())
    every = [pair for pair in product(WEIGHT_PRECISIONS, KV_PRECISIONS) if "fp16" not in pair]
    target = workload.target
    assert target is not None
    bursty = replace(target, arrival_cv=3.0)
    for name, model, to_meet, precisions, each_size in (
        (f"{len(shapes)} types, one precision", workload.model, target, [DEFAULT_PRECISIONS], False),
        (f"{len(shapes)} types, {len(every)} precisions", workload.model, target, every, False),
        ("the same, of DeepSeek-R1", "deepseek-r1", target, every, False),
        ("the same, of DeepSeek-R1 in bursts", "deepseek-r1", bursty, every, False),
        ("the same, of DeepSeek-R1, each size alone, too", "deepseek-r1", target, every, True),
    ):
        asked = config.find_model(model), workload.buckets, to_meet, shapes, config.gpus, config.fit
        ours, theirs = [], []
        for _ in range(runs + 1):
            started = time.perf_counter()
            estimate_precisions(*asked, precisions, workload.engine, each_size=each_size)
            ours.append(time.perf_counter() - started)
            theirs.append(seconds([sys.executable, "-c", IMPORTS]))
        own, other = statistics.median(ours[1:]), statistics.median(theirs[1:])
        shown = f"{own:.3f} s / {other:.2f} s = {own / other:.2f}"
        yield Row(f"estimates: {name}", shown, f"≤ {ESTIMATES_SECONDS} s", own <= ESTIMATES_SECONDS)


def apart(count: int) -> Iterator[Row]:
    """Workloads planned apart by whole commands with 1 and 2 jobs; the 1,000 themselves take --workloads 1000.

    What is serial is starting up, 3 s of CPU in all, and the last workload: few show less than 1,000 do. CPU that grows
    with the jobs is of cores that something else is on, too.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = workload_files(ROOT / "config/workloads/chat-llama-70b.yaml", Path(folder), count)
        command = [str(Path(sys.executable).with_name("optimiser")), "recommend", *map(str, files)]
        command += ["--format", "csv", "--as-of", "2026-11-21", "--jobs"]
        busy = os.getloadavg()[0]
        (one, one_cpu), (two, two_cpu) = (taken([*command, jobs]) for jobs in ("1", "2"))
    cpu = f"{one_cpu:.1f} s / {two_cpu:.1f} s CPU, load {busy:.1f} before"
    shown = f"{one:.1f} s / {two:.1f} s = {one / two:.2f} ({cpu})"
    yield Row(
        f"{count:,} workloads apart, 2 jobs", shown, f"≥ {APART_RATIO} × 1 job", one / two >= APART_RATIO
    )


def mixes(folder: Path | None) -> Iterator[Row]:
    """Static mixes by request size: cost against the proven optimum, and seconds by size of case."""
    if folder is None:
        cases = {"example 2x2x2": (SMALL_MIX, 4.68)}
    else:
        reference = read(folder / "mix/reference.json")
        cases = {
            path.stem: (
                read(path),
                reference[path.name]["optimal_usd_per_hour"] if path.name in reference else 4.68,
            )
            for path in sorted((folder / "mix").glob("*.json"))
            if path.name != "reference.json"
        }
    sizes: dict[tuple[int, int], list[float]] = {}
    wrong = []
    for name, (case, optimum) in cases.items():
        problem = mix_problem(case)
        started = time.perf_counter()
        _, _, solved = solve_mix(problem)
        taken = time.perf_counter() - started
        size = (len(problem.bucket_shares), len(problem.options))
        size = (100, 4) if size[0] <= 100 else size
        sizes.setdefault(size, []).append(taken)
        if solved.usd is None or abs(solved.usd - optimum) > 1e-4 * optimum:
            wrong.append(name)
    yield Row(
        "mix: cases at the reference optimum", f"{len(cases) - len(wrong)} of {len(cases)}", "all", not wrong
    )
    for (buckets, options), taken_list in sorted(sizes.items()):
        limit = MIX_SECONDS[buckets, options]
        shown = f"median {statistics.median(taken_list):.3f} s, longest {max(taken_list):.3f} s"
        yield Row(
            f"mix: {buckets} buckets × {options} options", shown, f"≤ {limit} s", max(taken_list) <= limit
        )


def weeks(folder: Path | None) -> Iterator[Row]:
    """Hours × options × tiers, each in a process of its own so that its peak memory is its own."""
    if folder is None:
        cases = [("generated 200 × 168 h", _generated(200, 168))]
    else:
        cases = []
        for demand_path in sorted(
            (folder / "time").glob("demand_*.json"), key=lambda path: path.stat().st_size
        ):
            demand = read(demand_path)
            for path in sorted(
                (folder / "time").glob("options_*.json"), key=lambda path: path.stat().st_size
            ):
                options = read(path)["options"]
                name = f"{len(options):,} × {len(demand['demand']):,} h"
                cases.append(
                    (name, (options, demand["demand"], demand["spot_cap"], demand["min_non_spot_replicas"]))
                )
    uncertain = [
        (f"{name} × {SCENARIOS} scenarios", (*case, SCENARIOS)) for name, case in cases if len(case[1]) == 168
    ]
    for name, case in [*cases, *uncertain]:
        with get_context("spawn").Pool(1) as pool:
            usd, lower, seconds, megabytes = pool.apply(solve_week, case)
        limits = TIME_LIMITS[len(case[1])] if len(case) == 4 else SCENARIOS_LIMITS
        gap_limit, second_limit, memory_limit = limits
        gap = usd / lower - 1
        met = (
            gap <= gap_limit
            and seconds <= second_limit
            and (memory_limit is None or megabytes <= memory_limit)
        )
        target = f"gap ≤ {gap_limit:.2%}, ≤ {second_limit:g} s" + (
            f", ≤ {memory_limit} MB" if memory_limit else ""
        )
        shown = f"{lower:,.1f} … {usd:,.1f}, gap {gap:.3%}, {seconds:.2f} s, {megabytes} MB"
        yield Row(f"time: {name}", shown, target, met)


def solve_week(
    options: list[dict[str, Any]], demand: list[float], spot: float, floor: int, scenarios: int = 1
) -> tuple[float, float, float, int]:
    """Expected USD and bound over the horizon, seconds, peak MB of this process."""
    problem = hours_problem(options, demand, spot, floor, scenarios)
    started = time.perf_counter()
    outcome = search(problem)
    seconds = time.perf_counter() - started
    if outcome.best is None:
        raise RuntimeError("the case has no plan")
    units = outcome.best.solution
    return (
        units.usd(problem.hours),
        outcome.lower_usd,
        seconds,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    )


def _generated(count: int, hours: int) -> tuple[list[dict[str, Any]], list[float], float, int]:
    draw = random.Random(20260105)
    options = []
    for number in range(count):
        capacity = round(
            draw.choice([0.12, 0.5, 0.84, 1.7, 3.6, 6.6, 14.0])
            * draw.choice([1, 2, 4, 8])
            * draw.uniform(0.9, 1),
            3,
        )
        on_demand = round(capacity * draw.uniform(0.8, 3.0) + 0.2, 4)
        reserved, spot = (
            round(on_demand * draw.uniform(0.55, 0.7), 4),
            round(on_demand * draw.uniform(0.3, 0.7), 4),
        )
        options.append(
            {"name": f"option_{number}", "cap": capacity, "od": on_demand, "res": reserved, "spot": spot}
        )
    demand = [
        round(180 + 110 * (1 if 8 <= h % 24 < 20 else -1) * draw.uniform(0.6, 1), 3) for h in range(hours)
    ]
    return options, demand, 0.5, 3


if __name__ == "__main__":
    main()
