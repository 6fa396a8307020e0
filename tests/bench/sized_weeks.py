"""A week by request size: 60 sizes × 168 h × 300 options × 3 tiers, at about $100 and $370 an hour."""

from __future__ import annotations

import time
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

from cases import read, sized_hours_problem

from optimiser.planning.by_size import search_by_size

# Demand of the case times this, and the gap it is to be within.
SCALES = ((2.0, 0.03), (7.0, 0.01))
SECONDS = 60.0


def sized_weeks(folder: Path | None) -> Iterator[tuple[str, str, str, bool]]:
    """Rows of the benchmark; none without the large cases. Each in a process of its own."""
    for scale, gap_limit in SCALES if folder is not None else ():
        with get_context("spawn").Pool(1) as pool:
            usd, lower, wall_s, cpu_s = pool.apply(solve_sized_week, (folder, scale))
        gap = usd / lower - 1
        shown = f"{lower:,.2f} … {usd:,.2f}, gap {gap:.2%}, {wall_s:.1f} s ({cpu_s:.1f} s CPU)"
        met = gap <= gap_limit and wall_s <= SECONDS
        yield (
            f"by_size: 60 × 168 h × 300 at ${usd:,.0f}/h",
            shown,
            f"gap ≤ {gap_limit:.0%}, ≤ {SECONDS:g} s",
            met,
        )


def solve_sized_week(folder: Path, scale: float) -> tuple[float, float, float, float]:
    """USD an hour and its bound, seconds on the clock and of this process."""
    week = read(folder / "time/demand_168.json")
    problem = sized_hours_problem(
        read(folder / "time/options_300.json")["options"],
        [rate * scale for rate in week["demand"]],
        week["spot_cap"],
        week["min_non_spot_replicas"],
        read(folder / "mix/mixed_120ms_16rps.json"),
    )
    started, worked = time.perf_counter(), time.process_time()
    outcome = search_by_size(problem)
    taken, busy = time.perf_counter() - started, time.process_time() - worked
    if outcome.best is None:
        raise SystemExit("by_size: no plan")
    hours = float(problem.hours.sum())
    return outcome.best.usd / hours, outcome.lower_usd / hours, taken, busy
