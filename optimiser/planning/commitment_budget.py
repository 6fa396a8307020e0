"""A budget for what a plan signs: it leaves out fleets of commitments, and touches nothing that follows the hour."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from optimiser.planning.caps import Cap, caps_of
from optimiser.planning.plan import HOURS_PER_MONTH
from optimiser.planning.problem import How, Option, Problem, Purchase
from optimiser.policy import Policy

if TYPE_CHECKING:
    from optimiser.planning.leaves import Bought, Solution

BUDGET_RULE = "limit_committed_spend"
# Of an hour's money: far below a nano-USD a month, well above what sums of floats are off.
TOLERANCE_USD = 1e-9


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Commitments may come to at most usd_per_hour, each at its amortised price."""

    usd_per_hour: float
    usd_per_node_hour: float
    rule: str = BUDGET_RULE

    def signs(self, option: Option, purchase: Purchase) -> float:
        """What a unit comes to, USD an hour: nothing unless it is signed for anew."""
        if purchase.how is not How.COMMITMENT:
            return 0.0
        return purchase.billed - self.usd_per_node_hour * option.estimate.setup.instances_per_unit

    def signed(self, solution: Solution) -> float:
        """What a solution's commitments come to, USD an hour."""
        units: list[int] = solution.units.max(axis=0, initial=0).tolist()
        return sum(
            n * self.signs(one.option, one.purchase) for one, n in zip(solution.columns, units, strict=True)
        )

    def broken_by(self, solution: Solution) -> bool:
        """Whether a solution signs more."""
        return self.signed(solution) > self.usd_per_hour + TOLERANCE_USD


Limit: TypeAlias = Cap | Budget


def budget_of(policy: Policy) -> Budget | None:
    """The policy's budget, where it has one."""
    monthly = policy.max_committed_monthly_usd
    if monthly is None:
        return None
    return Budget(
        usd_per_hour=monthly / HOURS_PER_MONTH, usd_per_node_hour=policy.overheads.usd_per_node_hour
    )


def limits_of(problem: Problem) -> tuple[Limit, ...]:
    """The caps under the policy, and its budget for commitments."""
    budget = budget_of(problem.policy)
    return (*caps_of(problem), *([budget] if budget else []))


def parted(limits: Sequence[Limit]) -> tuple[tuple[Cap, ...], Budget | None]:
    """The caps among limits, and the budget."""
    caps = tuple(one for one in limits if isinstance(one, Cap))
    return caps, next((one for one in limits if isinstance(one, Budget)), None)


def none_better(
    columns: Iterable[Bought], price: Callable[[Bought], tuple[float, str]], budget: Budget | None
) -> list[Bought]:
    """Of purchases that may replace each other one for one, those that no other matches in price and, under a budget,
    in what it signs; cheapest first."""
    kept: list[Bought] = []
    least = float("inf")
    for one in sorted(columns, key=price):
        signs = budget.signs(one.option, one.purchase) if budget else 0.0
        if signs < least:
            kept.append(one)
            least = signs
    return kept
