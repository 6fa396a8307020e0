"""Hours × options × tiers under a budget for commitments, at a share of what the free plan signs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from cases import hours_problem, read

from optimiser.planning.problem import Problem
from optimiser.planning.rules.committed_spend import signed_monthly_usd
from optimiser.planning.search import search

BUDGET_SHARE = 0.5
BUDGET_LIMITS = (0.01, 1.0)


def limited_weeks(folder: Path | None) -> Iterator[tuple[str, str, str, bool | None]]:
    """Case, measured, target and whether it is met, of the largest case of a week in the folder."""
    if folder is None:
        return
    week = read(folder / "time/demand_168.json")
    options = read(folder / "time/options_2000.json")["options"]
    problem = hours_problem(options, week["demand"], week["spot_cap"], week["min_non_spot_replicas"])
    free = search(problem).best
    if free is None:
        raise RuntimeError("the case has no plan")
    most = BUDGET_SHARE * signed_monthly_usd(problem, free.solution)
    budget = replace(
        problem, policy=problem.policy.model_copy(update={"max_committed_monthly_usd": round(most, 2)})
    )
    name = f"time: {len(options):,} × {len(week['demand']):,} h, "
    yield _row(f"{name}commitments ≤ {BUDGET_SHARE:.0%}", budget, BUDGET_LIMITS)


def _row(name: str, problem: Problem, limits: tuple[float, float]) -> tuple[str, str, str, bool | None]:
    started = time.perf_counter()
    outcome = search(problem)
    seconds = time.perf_counter() - started
    if outcome.best is None:
        raise RuntimeError(f"{name} has no plan")
    gap = outcome.best.usd / outcome.lower_usd - 1
    bracket = f"{outcome.lower_usd:,.1f} … {outcome.best.usd:,.1f}"
    without = f"; bound without {', '.join(outcome.dropped)}" if outcome.dropped else ""
    shown = f"{bracket}, gap {gap:.3%}, {seconds:.2f} s{without}"
    target = f"gap ≤ {limits[0]:.0%}, ≤ {limits[1]:g} s"
    return name, shown, target, gap <= limits[0] and seconds <= limits[1]
