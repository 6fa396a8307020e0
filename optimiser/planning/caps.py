"""What may run at once, counted otherwise than in requests per second: granted quotas, and GPUs in all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from optimiser.planning.problem import Floats, How, Option, Problem, QuotaKey

if TYPE_CHECKING:
    from optimiser.planning.leaves import Solution

QUOTA_RULE = "respect_quotas"
GPU_RULE = "limit_gpus"


@dataclass(frozen=True, kw_only=True)
class Cap:
    """At most `amount` of what units take, in every period: of one quota, or of GPUs in all where key is None."""

    amount: int
    key: QuotaKey | None = None

    @property
    def rule(self) -> str:
        """The rule that the cap belongs to."""
        return QUOTA_RULE if self.key else GPU_RULE

    def taken_by(self, option: Option, how: How) -> int:
        """What one unit takes, paid in this way."""
        if self.key is None:
            return option.gpus_per_unit
        return option.quota_per_unit if option.quota(how) == self.key else 0

    def taken(self, solution: Solution) -> Floats:
        """What a solution takes, shape (periods,)."""
        each = [self.taken_by(one.option, one.purchase.how) for one in solution.columns]
        return np.asarray(solution.units @ np.array(each, dtype=np.int64), dtype=np.float64)

    def broken_by(self, solution: Solution) -> bool:
        """Whether a solution takes more."""
        return bool(self.taken(solution).max(initial=0.0) > self.amount)


def caps_of(problem: Problem) -> tuple[Cap, ...]:
    """The caps under the policy: known quotas where it keeps within them, and its most GPUs."""
    return (*quota_caps(problem), *gpu_caps(problem))


def quota_caps(problem: Problem) -> tuple[Cap, ...]:
    """A cap for each known quota that any purchase counts in, none unless the policy keeps within quotas."""
    if not problem.policy.within_quotas:
        return ()
    counted = {option.quota(purchase.how) for option in problem.options for purchase in option.purchases}
    return tuple(
        Cap(key=quota.key, amount=int(quota.amount)) for quota in problem.quotas if quota.key in counted
    )


def gpu_caps(problem: Problem) -> tuple[Cap, ...]:
    """The cap on GPUs, where the policy has one."""
    most = problem.policy.max_gpus
    return () if most is None else (Cap(amount=most),)


def within_reach(problem: Problem, caps: Iterable[Cap]) -> Problem:
    """The problem without purchases of which a cap lets not one unit run: no plan uses them."""
    caps = tuple(caps)
    if not caps:
        return problem
    options = []
    for option in problem.options:
        kept = tuple(
            purchase
            for purchase in option.purchases
            if all(cap.taken_by(option, purchase.how) <= cap.amount for cap in caps)
        )
        if kept:
            options.append(replace(option, purchases=kept) if len(kept) < len(option.purchases) else option)
    return replace(problem, options=tuple(options))


def most_capacity_rps(options: Iterable[Option], caps: Iterable[Cap]) -> tuple[float, float]:
    """The most that may run of some options, req/s: of firm capacity, and in all; inf where nothing limits it.

    Each cap filled with what holds most of what it counts: no fleet within the caps holds more.
    """
    amount = {cap.key: cap.amount for cap in caps}
    per_quota: dict[QuotaKey, float] = {}
    per_gpu = 0.0
    for option in options:
        per_gpu = max(per_gpu, option.rate_rps / option.gpus_per_unit)
        for key in {option.quota(purchase.how) for purchase in option.purchases}:
            per_quota[key] = max(per_quota.get(key, 0.0), option.rate_rps / option.quota_per_unit)
    firm, spot = (
        sum(amount.get(key, np.inf) * rate for key, rate in per_quota.items() if key.spot is on_spot)
        for on_spot in (False, True)
    )
    of_gpus = amount.get(None, np.inf) * per_gpu
    return min(firm, of_gpus), min(firm + spot, of_gpus)
