"""The only place that knows PuLP's version and its solvers' habits."""

from __future__ import annotations

from dataclasses import dataclass

import pulp

_GOOD = {pulp.LpSolutionOptimal, pulp.LpSolutionIntegerFeasible}


@dataclass(frozen=True, kw_only=True, slots=True)
class Solved:
    """status is "optimal", "feasible" (a limit stopped it), "infeasible" or "unbounded"; usd of the incumbent.

    lower_usd is the solver's own proven bound where it gives one (HiGHS), else None.
    """

    status: str
    usd: float | None
    lower_usd: float | None
    solver: str


def solve(model: pulp.LpProblem, gap: float = 1e-4, time_limit_s: float = 60) -> Solved:
    """Minimise with HiGHS, or with CBC where HiGHS cannot be loaded.

    Reads sol_status: PuLP's status calls a time-limited incumbent optimal. threads stays 1 in every call, since
    HiGHS quietly solves nothing when it changes within a process.
    """
    try:
        solver: pulp.LpSolver = pulp.HiGHS(msg=False, threads=1, gapRel=gap, timeLimit=time_limit_s)
        name = "HiGHS"
        if not solver.available():
            raise pulp.PulpSolverError("HiGHS is not available")
        model.solve(solver)
    except pulp.PulpSolverError:
        name = "CBC"
        model.solve(pulp.PULP_CBC_CMD(msg=False, threads=1, gapRel=gap, timeLimit=time_limit_s))
    status, found = model.status, model.sol_status
    if found not in _GOOD:
        infeasible = status in (pulp.LpStatusInfeasible, pulp.LpStatusUndefined)
        return Solved(
            status="infeasible" if infeasible else "unbounded", usd=None, lower_usd=None, solver=name
        )
    usd = float(pulp.value(model.objective) or 0.0)
    lower = _highs_bound(model) if name == "HiGHS" and model.isMIP() else usd
    optimal = found == pulp.LpSolutionOptimal and (lower is None or usd - lower <= gap * abs(usd) + 1e-6)
    return Solved(status="optimal" if optimal else "feasible", usd=usd, lower_usd=lower, solver=name)


def _highs_bound(model: pulp.LpProblem) -> float | None:
    info = model.solverModel.getInfo()
    bound = float(info.mip_dual_bound)
    return bound if bound == bound and abs(bound) < 1e20 else None
