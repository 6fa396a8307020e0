"""The static mix: each request size goes, in continuous shares, to the options that serve it cheapest.

    min Σ usd[i] · n[i]     Σ_i share[b, i] = 1 ∀ b     Σ_b demand[b] / rate[b, i] · share[b, i] ≤ ceiling · n[i] ∀ i

n whole, share ≥ 0 and only where the option meets the target for that size. Continuous shares and whole
units need no slicing of buckets (the sliced form: Griggs et al., Mélange, arXiv 2404.14527, 2024).
"""

from __future__ import annotations

import numpy as np

from optimiser.planning.problem import Floats, How, Option, Problem
from optimiser.planning.solve import Programme, Solved, Terms, Variable, value

Shares = Floats


def undominated_mix(usd: Floats, rates: Floats) -> list[int]:
    """Options that copies of no other replace: k = ⌊usd_g / usd_h⌋ of h reach g's rate in every bucket.

    usd shape (options,), rates shape (buckets, options). Exact while h is unlimited.
    """
    kept: list[int] = []
    for g in np.lexsort((-rates.sum(axis=0), usd)):
        copies = np.floor(usd[g] / np.maximum(usd[kept], 1e-12) + 1e-12)
        if not np.any(np.all(copies * rates[:, kept] >= rates[:, [g]] - 1e-12, axis=0)):
            kept.append(int(g))
    return sorted(kept)


def solve_mix(
    problem: Problem, gap: float = 1e-4, time_limit_s: float = 60
) -> tuple[dict[str, int], Shares, Solved]:
    """Units per option id, share[bucket, option] of each size's requests, and the solver's report.

    One period; every option at its cheapest purchase that is paid by the hour. Buckets without demand are free.
    """
    demand = problem.planned_rps[0] * np.array(problem.bucket_shares)
    rates = np.array([option.bucket_rates_rps for option in problem.options]).T
    usd = np.array([_hourly_usd(option) for option in problem.options])
    active = np.flatnonzero(demand > 0)
    priced = np.flatnonzero(np.isfinite(usd))
    kept = [int(priced[i]) for i in undominated_mix(usd[priced], rates[active][:, priced])]
    model, units, share = _mix_model(
        demand[active], rates[active][:, kept], usd[kept], problem.policy.utilisation_ceiling
    )
    solved = model.solve(gap, time_limit_s, sub_mips=False)
    shares = np.zeros((len(demand), len(problem.options)))
    counts: dict[str, int] = {}
    if solved.usd is not None:
        for (b, i), variable in share.items():
            shares[active[b], kept[i]] = value(variable)
        counts = {problem.options[kept[i]].id: round(value(n)) for i, n in enumerate(units)}
    return {name: count for name, count in counts.items() if count}, shares, solved


def _hourly_usd(option: Option) -> float:
    paid_by_the_hour = [p.usd_per_unit_hour for p in option.purchases if p.how in (How.HOURLY, How.HELD)]
    return min(paid_by_the_hour, default=np.inf)


def _mix_model(
    demand: Floats, rates: Floats, usd: Floats, ceiling: float
) -> tuple[Programme, list[Variable], dict[tuple[int, int], Variable]]:
    model = Programme("mix")
    units = [model.variable(f"units_{i}", whole=True) for i in range(len(usd))]
    share = {(b, i): model.variable(f"share_{b}_{i}") for b, i in np.argwhere(rates > 0).tolist()}
    model.minimise(list(zip(units, usd.tolist(), strict=True)))
    served: list[Terms] = [[] for _ in demand]
    load: list[Terms] = [[(n, -ceiling)] for n in units]
    for (b, i), variable in share.items():
        served[b].append((variable, 1.0))
        load[i].append((variable, float(demand[b] / rates[b, i])))
    for b, terms in enumerate(served):
        model.row(f"serve_{b}", terms, "=", 1)
    for i, terms in enumerate(load):
        model.row(f"load_{i}", terms, "<=", 0)
    return model, units, share
