"""The only place that knows PuLP, its version and its solvers' habits."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pulp

Variable: TypeAlias = pulp.LpVariable
Terms: TypeAlias = list[tuple[Variable, float]]

_SENSES = {"<=": pulp.LpConstraintLE, "=": pulp.LpConstraintEQ, ">=": pulp.LpConstraintGE}
_WITHOUT_SOLUTION = {pulp.LpSolutionNoSolutionFound: "stopped", pulp.LpSolutionUnbounded: "unbounded"}
# HiGHS's heuristics that solve whole programmes inside the programme.
_SUB_MIPS = ("mip_heuristic_run_rins", "mip_heuristic_run_rens", "mip_heuristic_run_root_reduced_cost")
_GOOD = {pulp.LpSolutionOptimal, pulp.LpSolutionIntegerFeasible}


@dataclass(frozen=True, kw_only=True)
class Solved:
    """status is "optimal", "feasible" (a limit stopped it), "stopped" (a limit stopped it with nothing found),
    "infeasible" or "unbounded"; usd is the cost of what was found.

    lower_usd is the solver's own proven bound where it gives one (HiGHS), else None. timed_out: the clock stopped it,
    so that another run may end elsewhere.
    """

    status: str
    usd: float | None
    lower_usd: float | None
    solver: str
    timed_out: bool = False


class Programme:
    """A linear or whole-number programme: variables, named rows, a cost to minimise.

    Rows are built from lists of (variable, coefficient): adding up expressions term by term takes four times
    as long.
    """

    def __init__(self, name: str) -> None:
        self.lp = pulp.LpProblem(name, pulp.LpMinimize)

    def variable(self, name: str, most: float | None = None, *, whole: bool = False) -> Variable:
        """A variable from 0 to `most` (None: unlimited)."""
        return self.lp.add_variable(name, 0, most, cat=pulp.LpInteger if whole else pulp.LpContinuous)

    def binary(self, name: str) -> Variable:
        """A variable that is 0 or 1."""
        return self.variable(name, 1, whole=True)

    def row(self, name: str, terms: Sequence[tuple[Variable, float]], sense: str, right: float) -> None:
        """Σ coefficient · variable  (sense "<=", "=" or ">=")  right."""
        self.lp.addConstraint(
            pulp.LpConstraint(pulp.LpAffineExpression(list(terms)), _SENSES[sense], name, right)
        )

    def minimise(self, terms: Sequence[tuple[Variable, float]]) -> None:
        """Set the cost."""
        self.lp.setObjective(pulp.LpAffineExpression(list(terms)))

    def solve(
        self,
        gap: float = 1e-4,
        time_limit_s: float = 60,
        nodes: int | None = None,
        *,
        sub_mips: bool = True,
    ) -> Solved:
        """Minimise with HiGHS, or with CBC where HiGHS cannot be loaded; of whole-number programmes look at so many
        nodes at most. Without sub_mips HiGHS leaves out heuristics that do not pay where there are few whole numbers.

        Reads sol_status: PuLP's status calls a time-limited incumbent optimal. threads stays 1 in every call,
        since HiGHS quietly solves nothing when it changes within a process.
        """
        options: dict[str, int] = {} if nodes is None else {"mip_max_nodes": nodes}
        options |= {} if sub_mips else dict.fromkeys(_SUB_MIPS, False)
        highs = _Highs(msg=False, threads=1, gapRel=gap, timeLimit=time_limit_s, **options)
        name = "HiGHS" if highs.available() else "CBC"
        started = time.monotonic()
        try:
            self.lp.solve(highs if name == "HiGHS" else _cbc(gap, time_limit_s, nodes))
        except KeyError:
            # PuLP 3.3 knows no name for what HiGHS ends with at a limit of nodes, by when it has read all values.
            found = math.isfinite(self.lp.solverModel.getInfo().objective_function_value)
            self.lp.sol_status = pulp.LpSolutionIntegerFeasible if found else pulp.LpSolutionNoSolutionFound
        timed_out = time.monotonic() - started >= time_limit_s
        if self.lp.sol_status not in _GOOD:
            status = _WITHOUT_SOLUTION.get(self.lp.sol_status, "infeasible")
            return Solved(status=status, usd=None, lower_usd=None, solver=name, timed_out=timed_out)
        usd = float(pulp.value(self.lp.objective) or 0.0)
        whole = bool(self.lp.isMIP())
        lower = usd if not whole else (self._highs_bound() if name == "HiGHS" else None)
        optimal = self.lp.sol_status == pulp.LpSolutionOptimal
        proven = lower is None or usd - lower <= gap * abs(usd) + 1e-6
        return Solved(
            status="optimal" if optimal and proven else "feasible",
            usd=usd,
            lower_usd=lower,
            solver=name,
            timed_out=timed_out,
        )

    def solve_again(self, most: Mapping[Variable, float], read: Iterable[Variable] = ()) -> float | None:
        """The least cost of a linear programme solved before, where some variables may from now on be no more than so
        much; None without an answer. HiGHS goes on from its last answer; until `read`, only what to read has new
        values."""
        model = self.lp.solverModel
        for variable, limit in most.items():
            variable.upBound = limit
            if _is_highs(model):
                model.changeColBounds(variable.index, 0.0, limit)
        if not _is_highs(model):
            return self.solve().usd
        model.run()
        if model.getModelStatus().name != "kOptimal":
            return None
        if wanted := list(read):
            values = model.getSolution().col_value
            for variable in wanted:
                variable.varValue = values[variable.index]
        return float(model.getInfo().objective_function_value)

    def read(self) -> None:
        """Read all values and prices of what was solved again."""
        if _is_highs(self.lp.solverModel):
            pulp.HiGHS(msg=False).findSolutionValues(self.lp)

    def price(self, row: str) -> float:
        """What one more on the right of a row would add to the least cost of a linear programme that is solved."""
        found = self.lp.get_constraint_by_name(row)
        return float(found.pi or 0.0) if found is not None else 0.0

    def _highs_bound(self) -> float | None:
        bound = float(self.lp.solverModel.getInfo().mip_dual_bound)
        return bound if math.isfinite(bound) and abs(bound) < 1e20 else None


class _Highs(pulp.HiGHS):  # type: ignore[misc]
    """PuLP's HiGHS, given the programme at once: PuLP hands over one column and row after the other, which takes as
    long as solving a small one."""

    def buildSolverModel(self, lp: pulp.LpProblem) -> None:  # noqa: N802  PuLP's name
        """Hand the programme over, and number its variables and rows as PuLP does."""
        # It is not there where CBC stands in.
        import highspy

        variables, rows = lp.variables(), lp.constraints()
        for number, one in enumerate(variables):
            one.index = number
        for number, row in enumerate(rows):
            row.index = number
        terms = [[(one.index, each) for one, each in row.items() if each != 0] for row in rows]
        model = highspy.HighsLp()
        model.num_col_, model.num_row_ = len(variables), len(rows)
        model.col_cost_ = np.array([lp.objective.get(one, 0.0) for one in variables], dtype=np.float64)
        model.col_lower_ = _limits((one.lowBound for one in variables), -np.inf)
        model.col_upper_ = _limits((one.upBound for one in variables), np.inf)
        model.row_lower_ = _limits((row.getLb() for row in rows), -np.inf)
        model.row_upper_ = _limits((row.getUb() for row in rows), np.inf)
        matrix = model.a_matrix_
        matrix.format_ = highspy.MatrixFormat.kRowwise
        matrix.num_col_, matrix.num_row_ = len(variables), len(rows)
        matrix.start_ = np.cumsum([0, *map(len, terms)], dtype=np.int32)
        matrix.index_ = np.array([index for some in terms for index, _ in some], dtype=np.int32)
        matrix.value_ = np.array([each for some in terms for _, each in some], dtype=np.float64)
        kinds = highspy.HighsVarType
        whole = [one.cat == pulp.LpInteger for one in variables]
        if any(whole):
            model.integrality_ = [kinds.kInteger if one else kinds.kContinuous for one in whole]
        lp.solverModel.passModel(model)


def _limits(limits: Iterable[float | None], none: float) -> npt.NDArray[np.float64]:
    return np.array([none if one is None else one for one in limits], dtype=np.float64)


def _is_highs(model: object) -> bool:
    """Whether PuLP solved with HiGHS, whose model it keeps."""
    return hasattr(model, "changeColBounds")


def value(variable: Variable) -> float:
    """What a variable came to; 0 where the solver left it out."""
    return float(variable.value() or 0.0)


def _cbc(gap: float, time_limit_s: float, nodes: int | None) -> pulp.LpSolver:
    with warnings.catch_warnings():
        # The bundled CBC goes away with PuLP 4, which this file does not support yet.
        warnings.simplefilter("ignore", DeprecationWarning)
        return pulp.PULP_CBC_CMD(msg=False, threads=1, gapRel=gap, timeLimit=time_limit_s, maxNodes=nodes)
