"""What a solver says is read with care."""

from __future__ import annotations

import highspy
import numpy as np
import pulp
import pytest
from planning_cases import case, committed, hourly, machine

from optimiser.planning import solve
from optimiser.planning.model import solve_compact
from optimiser.planning.rules import RULES
from optimiser.planning.solve import Programme, value


def partitions(size: int = 60) -> Programme:
    """Halve twelve sets of weights at once, as nearly as can be: a plan at once, its proof only after hours."""
    rng = np.random.default_rng(1)
    programme = Programme("partitions")
    pick = [programme.binary(f"pick_{i}") for i in range(size)]
    over = [programme.variable(f"over_{r}") for r in range(12)]
    programme.minimise([(one, 1.0) for one in over])
    for r, one in enumerate(over):
        weight = rng.integers(1, 10_000, size).astype(float)
        terms = list(zip(pick, weight.tolist(), strict=True))
        half = float(weight.sum() // 2)
        programme.row(f"above_{r}", [*terms, (one, -1.0)], "<=", half)
        programme.row(f"below_{r}", [*terms, (one, 1.0)], ">=", half)
    return programme


def small(at_least: float = 3.0, *, whole: bool = True) -> Programme:
    """min x with 2 x ≥ at_least and x ≤ 9."""
    programme = Programme("small")
    x = programme.variable("x", 9, whole=whole)
    programme.minimise([(x, 1.0)])
    programme.row("enough", [(x, 2.0)], ">=", at_least)
    return programme


def test_an_optimum_comes_with_its_bound() -> None:
    solved = small().solve()
    assert (solved.status, solved.solver, solved.usd) == ("optimal", "HiGHS", 2.0)
    assert solved.lower_usd == pytest.approx(2.0)
    relaxed = small(whole=False).solve()
    assert (relaxed.status, relaxed.usd, relaxed.lower_usd) == ("optimal", 1.5, 1.5)


def test_an_incumbent_at_the_time_limit_is_feasible_and_not_optimal() -> None:
    solved = partitions().solve(gap=1e-9, time_limit_s=0.5)
    assert solved.status == "feasible"
    assert solved.usd is not None
    assert solved.lower_usd is not None
    assert solved.lower_usd < solved.usd


def test_an_incumbent_at_a_limit_of_nodes_is_feasible_and_none_is_told_apart() -> None:
    solved = partitions().solve(gap=1e-9, nodes=2)
    assert (solved.status, solved.timed_out) == ("feasible", False)
    assert solved.usd is not None
    assert solved.lower_usd is not None
    assert solved.lower_usd < solved.usd
    stopped = _covering().solve(gap=1e-9, nodes=0, sub_mips=False)
    assert (stopped.status, stopped.usd) == ("stopped", None)


def _covering() -> Programme:
    """Thirty knapsacks to fill from sixty items: the first node finds nothing."""
    rng = np.random.default_rng(1)
    programme = Programme("covering")
    items = [programme.binary(f"item_{i}") for i in range(60)]
    for r in range(30):
        weights = rng.integers(1, 31, 60).astype(float)
        programme.row(f"fill_{r}", list(zip(items, weights.tolist(), strict=True)), ">=", 300.0)
    programme.minimise(list(zip(items, rng.integers(5, 31, 60).astype(float).tolist(), strict=True)))
    return programme


def test_an_infeasible_programme_has_no_cost() -> None:
    solved = small(at_least=40).solve()
    assert (solved.status, solved.usd, solved.lower_usd) == ("infeasible", None, None)


def test_an_unbounded_programme_is_told_apart() -> None:
    programme = Programme("unbounded")
    x = programme.variable("x")
    programme.minimise([(x, -1.0)])
    programme.row("above", [(x, 1.0)], ">=", 1.0)
    assert programme.solve().status == "unbounded"


def test_each_sense_of_a_row_holds() -> None:
    programme = Programme("senses")
    x, y = programme.variable("x"), programme.variable("y", 4)
    programme.minimise([(x, 3.0), (y, 1.0)])
    programme.row("sum", [(x, 1.0), (y, 1.0)], "=", 6.0)
    programme.row("cap", [(y, 1.0)], "<=", 3.5)
    programme.row("base", [(x, 1.0)], ">=", 1.0)
    assert programme.solve().usd == pytest.approx(3 * 2.5 + 3.5)
    assert (value(x), value(y)) == pytest.approx((2.5, 3.5))


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


def test_cbc_claims_no_bound_for_whole_numbers_and_sees_what_cannot_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pulp.HiGHS, "available", lambda _: False)
    solved = small().solve()
    assert (solved.solver, solved.usd, solved.lower_usd) == ("CBC", 2.0, None)
    assert small(at_least=40).solve().status == "infeasible"


def test_cbc_at_its_time_limit_does_not_claim_the_optimum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulp.HiGHS, "available", lambda _: False)
    solved = partitions().solve(gap=1e-9, time_limit_s=0.5)
    assert solved.status != "optimal"


@pytest.mark.parametrize("highs", [True, False])
def test_a_programme_solved_again_answers_as_one_that_was_limited_at_first(
    highs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulp.HiGHS, "available", lambda _: highs)
    programme = Programme("again")
    cheap, dear = programme.variable("cheap"), programme.variable("dear")
    programme.row("enough", [(cheap, 1.0), (dear, 1.0)], ">=", 10)
    programme.minimise([(cheap, 1.0), (dear, 3.0)])
    assert programme.solve().usd == pytest.approx(10)
    # 4 of the cheap one and 6 of the dear one; then none; then too few of both; then as at first.
    assert programme.solve_again({cheap: 4.0}, [dear]) == pytest.approx(4 + 18)
    assert value(dear) == pytest.approx(6)
    assert programme.solve_again({cheap: 0.0}) == pytest.approx(30)
    programme.read()
    assert (value(cheap), value(dear), programme.price("enough")) == pytest.approx((0, 10, 3))
    assert programme.solve_again({dear: 9.0}) is None
    assert programme.solve_again({cheap: 100.0}) == pytest.approx(10)


def test_a_programme_handed_over_at_once_is_the_one_that_pulp_hands_over_piece_by_piece() -> None:
    programme = Programme("both")
    x, y = programme.variable("x", 4.5), programme.variable("y", 7, whole=True)
    z = programme.variable("z")
    programme.row("floor", [(x, 1.0), (y, 2.0), (z, 0.0)], ">=", 3.0)
    programme.row("ceiling", [(z, 1.5), (y, -1.0)], "<=", 8.0)
    programme.row("same", [(x, 1.0), (z, 1.0)], "=", 5.0)
    programme.minimise([(x, 2.0), (y, 0.5), (z, 1.0)])
    models = []
    for highs in (solve._Highs(msg=False), pulp.HiGHS(msg=False)):
        highs.createAndConfigureSolver(programme.lp)
        highs.buildSolverModel(programme.lp)
        models.append(programme.lp.solverModel)
    ours, theirs = (model.getLp() for model in models)
    for name in ("col_cost_", "col_lower_", "col_upper_", "row_lower_", "row_upper_"):
        assert list(getattr(ours, name)) == list(getattr(theirs, name))
    assert list(ours.integrality_) == list(theirs.integrality_)
    matrices = [_entries(model) for model in models]
    assert matrices[0] == matrices[1]
    assert len(matrices[0]) == 6


def _entries(model: highspy.Highs) -> dict[tuple[int, int], float]:
    """The coefficients that a solver holds, by row and column."""
    found = {}
    for row in range(model.getNumRow()):
        _, index, value = model.getRowEntries(row)
        found |= {(row, int(column)): float(each) for column, each in zip(index, value, strict=True)}
    return found
