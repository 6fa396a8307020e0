"""What the plan is measured against, and what its caution costs: the same search under changed terms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from optimiser.planning.outcome import Found
from optimiser.planning.problem import How, Option, Problem, Purchase
from optimiser.planning.search import search


@dataclass(frozen=True)
class Variant:
    """A change of terms: keep and rewrite each purchase (None drops it), and change the policy."""

    name: str
    description: str
    purchase: Callable[[Purchase], Purchase | None] = lambda purchase: purchase
    policy: tuple[tuple[str, object], ...] = ()


# What is owned serves in the baselines too: it is no saving of the plan's.
def _on_demand(purchase: Purchase) -> Purchase | None:
    return purchase if purchase.how in (How.HOURLY, How.HELD, How.OWNED) else None


def _held(purchase: Purchase) -> Purchase | None:
    return replace(purchase, how=How.HELD) if purchase.how is How.HOURLY else _on_demand(purchase)


def _not_spot(purchase: Purchase) -> Purchase | None:
    return None if purchase.how is How.SPOT else purchase


ONE_TYPE = (("max_instance_types", 1), ("max_sites", 1))
# What the headline of a plan says that it saves against.
HEADLINE_BASELINE = "single_type_on_demand"

BASELINES: dict[str, Variant] = {
    variant.name: variant
    for variant in (
        Variant(HEADLINE_BASELINE, "best single instance type on demand, hour by hour", _on_demand, ONE_TYPE),
        Variant("mix_on_demand", "best mix on demand, hour by hour", _on_demand),
        Variant(
            "single_type_static_peak",
            "best single instance type on demand, sized for the peak all week",
            _held,
            ONE_TYPE,
        ),
        Variant("without_spot", "the same rules without spot", _not_spot),
    )
}


# Beside a plan that routes by size.
BLENDED = Variant("blended_sizes", "the same rules with every size spread alike (routing: uniform)")
ALL_VARIANTS = {**BASELINES, BLENDED.name: BLENDED}


def changed(problem: Problem, variant: Variant) -> Problem:
    """The problem under a variant's terms; options without a purchase left are gone."""
    options = []
    for option in problem.options:
        purchases = tuple(kept for one in option.purchases if (kept := variant.purchase(one)) is not None)
        if purchases:
            options.append(replace(option, purchases=purchases))
    policy = problem.policy.model_copy(update=dict(variant.policy))
    return replace(problem, options=tuple(options), policy=policy)


def solve_baseline(problem: Problem, name: str, gap: float) -> Found | None:
    """The cheapest plan under a baseline's terms; None where it has none."""
    return search(changed(problem, ALL_VARIANTS[name]), gap, alternatives=0).best


def within(problem: Problem, keep: Callable[[Option], bool]) -> Problem:
    """The problem with some of its options alone."""
    return replace(problem, options=tuple(option for option in problem.options if keep(option)))
