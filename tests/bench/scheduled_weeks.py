"""A week and a year with time to start up and limits on the schedule: their gap, and what their bound leaves out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from cases import hours_problem, read

from optimiser.planning.outcome import Outcome
from optimiser.planning.problem import Problem
from optimiser.planning.search import search

RAMPS = {"max_starts_per_hour": 4, "max_stops_per_hour": 4}
# Hours, limits, and the target in gap and seconds where there is one.
CASES: tuple[tuple[int, dict[str, object], tuple[float, float] | None], ...] = (
    (168, RAMPS, (0.01, 5.0)),
    (8760, RAMPS, (0.02, 60.0)),
    (168, {"min_up_hours": 2.0}, None),
    (168, {"min_up_hours": 4.0}, None),
    (168, {"max_schedule_changes_per_day": 8}, None),
    (168, {"max_schedule_changes_per_day": 4}, None),
)


def scheduled_weeks(folder: Path | None) -> Iterator[tuple[str, str, str, bool | None]]:
    """Case, measured, target and whether it is met; nothing without a folder."""
    for hours, limits, target in CASES if folder else ():
        with get_context("spawn").Pool(1) as pool:
            usd, lower, seconds, dropped = pool.apply(solve_scheduled, (folder, hours, limits))
        gap = usd / lower - 1
        without = ", ".join(dropped)
        shown = f"{lower:,.1f} … {usd:,.1f}, gap {gap:.2%}, {seconds:.1f} s; bound without {without}"
        words = ", ".join(f"{name}={value}" for name, value in limits.items())
        asked = f"gap ≤ {target[0]:.0%}, ≤ {target[1]:g} s" if target else ""
        met = gap <= target[0] and seconds <= target[1] if target else None
        yield f"time: 300 × {hours:,} h, {words}", shown, asked, met


def solve_scheduled(
    folder: Path, hours: int, limits: dict[str, object]
) -> tuple[float, float, float, tuple[str, ...]]:
    """USD and bound over the horizon, seconds, and what the bound leaves out."""
    problem = scheduled(folder, hours, limits)
    started = time.perf_counter()
    outcome: Outcome = search(problem)
    seconds = time.perf_counter() - started
    if outcome.best is None:
        raise RuntimeError("the case has no plan")
    return outcome.best.usd, outcome.lower_usd, seconds, outcome.dropped


def scheduled(folder: Path, hours: int, limits: dict[str, object]) -> Problem:
    """The case in which each hour carries the next one's demand if that is higher."""
    week: dict[str, Any] = read(folder / f"time/demand_{hours}.json")
    options = read(folder / "time/options_300.json")["options"]
    demand = week["demand"]
    ahead = [max(pair) for pair in zip(demand, demand[1:] + demand[:1], strict=True)]
    problem = hours_problem(options, ahead, week["spot_cap"], week["min_non_spot_replicas"])
    return replace(problem, policy=problem.policy.model_copy(update=limits))
