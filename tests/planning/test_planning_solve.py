"""What a solver says is read with care."""

from __future__ import annotations

import numpy as np
import pulp
import pytest
from planning_cases import case, committed, hourly, machine

from optimiser.planning.model import solve_compact
from optimiser.planning.rules import RULES
from optimiser.planning.solve import Programme


def partitions(size: int = 60) -> Programme:
    """Twelve equal partitions at once: found and proven only after a long search."""
    rng = np.random.default_rng(1)
    model = Programme("partition")
    pick = [model.binary(f"pick_{i}") for i in range(size)]
    over = [model.variable(f"over_{r}") for r in range(12)]
    one = model.variable("one", 1)
    model.row("one", [(one, 1)], "=", 1)
    model.minimise([(variable, 1.0) for variable in [*over, one]])
    for r, slack in enumerate(over):
        weight = rng.integers(1, 10_000, size).tolist()
        balance = list(zip(pick, weight, strict=True))
        model.row(f"above_{r}", [*balance, (slack, -1)], "<=", sum(weight) // 2)
        model.row(f"below_{r}", [*balance, (slack, 1)], ">=", sum(weight) // 2)
    return model


def small(least: float = 3) -> Programme:
    model = Programme("small")
    x = model.variable("x", 9, whole=True)
    model.minimise([(x, 1.0)])
    model.row("least", [(x, 2.0)], ">=", least)
    return model


def test_an_optimum_comes_with_its_bound() -> None:
    solved = small().solve()
    assert (solved.status, solved.solver, solved.usd) == ("optimal", "HiGHS", 2.0)
    assert solved.lower_usd == pytest.approx(2.0)


def test_an_incumbent_at_the_time_limit_is_feasible_and_not_optimal() -> None:
    solved = partitions().solve(gap=1e-9, time_limit_s=0.5)
    assert solved.status == "feasible"
    assert solved.usd is not None
    assert solved.lower_usd is not None
    assert solved.lower_usd < solved.usd


def test_an_infeasible_model_has_no_cost() -> None:
    solved = small(least=40).solve()
    assert (solved.status, solved.usd) == ("infeasible", None)


def test_without_highs_cbc_answers_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = case([machine("m", 1.3, hourly(1.0), committed(0.7))], [2.0, 5.0, 1.0])
    rows = [rule.rows for rule in RULES.values()]
    _, by_highs = solve_compact(subject.problem, rows)
    monkeypatch.setattr(pulp.HiGHS, "available", lambda _: False)
    solution, by_cbc = solve_compact(subject.problem, rows)
    assert (by_highs.solver, by_cbc.solver) == ("HiGHS", "CBC")
    assert by_cbc.status == "optimal"
    assert by_cbc.usd == pytest.approx(by_highs.usd)
    assert solution is not None
    assert solution.usd(subject.problem.hours) == pytest.approx(by_cbc.usd)


def test_cbc_reports_infeasibility(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulp.HiGHS, "available", lambda _: False)
    solved = small(least=40).solve()
    assert (solved.status, solved.solver, solved.usd) == ("infeasible", "CBC", None)
