"""What is owned and serves nothing: which rule of the policy, or what of the workload, leaves it out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import pandas as pd

from optimiser.performance.estimate_types import Estimate, Rejection
from optimiser.performance.specs import GpuSpec
from optimiser.planning.options import place_left_out_by, region_kind_of
from optimiser.planning.owned import Owned, instances_of
from optimiser.planning.plan import Plan
from optimiser.policy import Policy
from providers.shape import InstanceShape

NEEDED_NO_MORE = "the plan needs nothing more, none found with it costs less"


def usable(
    owned: Iterable[Owned],
    as_of: date,
    results: Sequence[Estimate | Rejection],
    shapes: Mapping[tuple[str, str], InstanceShape],
    gpus: Mapping[str, GpuSpec],
    offers: pd.DataFrame,
    policy: Policy,
) -> tuple[tuple[Owned, ...], tuple[str, ...]]:
    """What of the owned may serve, with what has ended, of which another note tells; and notes on the others."""
    kept: list[Owned] = []
    left_out: list[tuple[Owned, str]] = []
    served = {(one.provider, one.instance_type): one for one in results}
    for one in owned:
        key = (one.provider, one.instance_type)
        found = served.get(key)
        why = _excluded_by(one, shapes[key], gpus, region_kind_of(offers, one), policy)
        if not why and isinstance(found, Rejection):
            why = f"it does not serve the workload, {found.reason}"
        if why and one.ends > as_of:
            left_out.append((one, why))
        else:
            kept.append(one)
    return tuple(kept), not_used(left_out)


def _excluded_by(
    one: Owned, shape: InstanceShape, gpus: Mapping[str, GpuSpec], kind: str, policy: Policy
) -> str:
    place = place_left_out_by(one.region, kind, policy)
    named = {
        "providers": (policy.providers, one.provider),
        place: ((), one.region),
        "instance_types": (policy.instance_types, one.instance_type),
        "gpus": (policy.gpus, shape.gpu),
        "gpu_vendors": (policy.gpu_vendors, gpus[shape.gpu].vendor),
    }
    fields = [
        field for field, (names, name) in named.items() if field and names is not None and name not in names
    ]
    return f"excluded by {' and '.join(fields)}" if fields else ""


def needed_no_more(plan: Plan, owned: Iterable[Owned]) -> tuple[str, ...]:
    """A note on what the plan could use and does not."""
    bought = {one.offer for one in plan.purchases}
    return not_used([(one, NEEDED_NO_MORE) for one in owned if one.offer_id not in bought])


def not_used(each: Iterable[tuple[Owned, str]]) -> tuple[str, ...]:
    """A note for each reason why something is not used."""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for one, why in each:
        by_reason[why].append(f"{instances_of(one)} (until {one.ends})")
    return tuple(f"owned and not used: {', '.join(those)}: {why}" for why, those in by_reason.items())
