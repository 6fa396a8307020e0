"""When nothing works: say what stands in the way, how near the best came, and what would change it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from optimiser.errors import NoFeasiblePlan
from optimiser.performance.estimate_types import Estimate, Rejection
from optimiser.planning.options import allowed_offers
from optimiser.planning.problem import How, Option
from optimiser.policy import Policy
from optimiser.workload import Workload


def nothing_fits(workload: Workload, results: Sequence[Estimate | Rejection]) -> NoFeasiblePlan:
    """No shape serves the workload: memory, or a target no GPU meets, with the nearest one."""
    rejections = [result for result in results if isinstance(result, Rejection)]
    if not rejections:
        return NoFeasiblePlan(f"{workload.name}: the policy leaves no instance type to consider (gpu_vendors, gpus, providers, instance_types)")
    near = [r for r in rejections if r.best_ttft_ms is not None and r.best_tpot_ms is not None]
    if near and workload.target:
        best = min(near, key=lambda r: _excess(r, workload))
        return NoFeasiblePlan(
            f"{workload.name}: no GPU meets the target TTFT {workload.target.ttft_ms:g} ms and TPOT {workload.target.tpot_ms:g} ms "
            f"at p{workload.target.percentile:g}; the nearest is {best.provider} {best.instance_type} ({best.gpu}) with "
            f"TTFT {best.best_ttft_ms:.0f} ms and TPOT {best.best_tpot_ms:.1f} ms: {best.reason}"
        )
    reasons = Counter(r.code for r in rejections).most_common(1)[0][0]
    example = next(r for r in reversed(rejections) if r.code == reasons)
    return NoFeasiblePlan(
        f"{workload.name}: none of {len(rejections)} instance types can serve {workload.model}; "
        f"for example {example.provider} {example.instance_type} ({example.gpu}): {example.reason}"
    )


def nothing_priced(
    workload: Workload, estimates: Sequence[Estimate], offers: pd.DataFrame, missing: pd.DataFrame, policy: Policy
) -> NoFeasiblePlan:
    """Shapes fit, but none has a price the policy allows."""
    types = sorted({estimate.instance_type for estimate in estimates})
    known = offers[offers["instance_type"].isin(types)]
    shown = ", ".join(types[:5]) + (f" and {len(types) - 5} more" if len(types) > 5 else "")
    if known.empty:
        why = missing[missing["instance_type"].isin(types)]
        reason = f" ({why['tier'].iloc[0]}: {why['reason'].iloc[0]})" if len(why) else ""
        return NoFeasiblePlan(f"{workload.name}: {shown} would serve it, but there is no price for any of them{reason}; import one with `optimiser prices import`")
    if allowed_offers(known, policy).empty:
        tiers, regions = sorted(set(known["tier"])), sorted(set(known["region"]))
        return NoFeasiblePlan(
            f"{workload.name}: {shown} would serve it and have {len(known)} prices (tiers {', '.join(tiers)}; regions {', '.join(regions[:4])}"
            f"{' …' if len(regions) > 4 else ''}), but the policy allows none of them: check tiers, regions, markets, max_commitment_months, allow_upfront"
        )
    return NoFeasiblePlan(
        f"{workload.name}: {shown} would serve it, but they are sold by reservation or spot alone: set assume_obtainable: true if you hold such capacity"
    )


def nothing_allowed(workload: Workload, options: Sequence[Option], policy: Policy) -> NoFeasiblePlan:
    """Options exist, but no allowed set of them carries the demand."""
    firm = [option for option in options if any(p.how is not How.SPOT for p in option.purchases)]
    if not firm:
        return NoFeasiblePlan(
            f"{workload.name}: only spot can be bought of what would serve it, and spot may carry at most "
            f"{policy.max_spot_share:.0%} (max_spot_share): allow on demand or reserved, or assume_obtainable: true"
        )
    limited = all(p.max_units is not None or p.how is How.SPOT for option in firm for p in option.purchases)
    if limited:
        return NoFeasiblePlan(f"{workload.name}: the offers that would serve it are limited in number (max_instances) and together too few for the peak")
    return NoFeasiblePlan(
        f"{workload.name}: commitments alone cannot carry the peak, since they may not exceed what the lowest "
        f"{policy.commitment_hours_share:.0%} of hours fill: allow the on_demand tier, or raise commitment_hours_share"
    )


def _excess(rejection: Rejection, workload: Workload) -> float:
    if workload.target is None:
        return 0.0
    ttft, tpot = rejection.best_ttft_ms or 0.0, rejection.best_tpot_ms or 0.0
    return max(ttft / workload.target.ttft_ms, tpot / workload.target.tpot_ms)
