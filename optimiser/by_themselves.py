"""Services by themselves: what planning them together is compared with, and falls back to where it is cheaper."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from optimiser.alike import merged
from optimiser.planning.infeasible import nothing_allowed
from optimiser.planning.leaves import Solution
from optimiser.planning.outcome import Found, Outcome
from optimiser.planning.price_basis import offers_behind
from optimiser.planning.problem import How, Option, Problem
from optimiser.planning.search import search
from optimiser.planning.together.apart_cost import ApartCost, apart_cost, sum_of_costs
from optimiser.planning.together.caps import in_turn
from optimiser.recommend import Prepared, Request, prepared
from optimiser.refusals import with_what_is_left_out
from providers.offer import Offer


@dataclass(frozen=True, kw_only=True)
class ByItself:
    """A service by itself: what is asked, what that is to planning, and its best plan without what is owned and with
    all that is granted for itself.

    instead_of are the services that it is made of where several of one kind are one; none where it is but itself.
    """

    request: Request
    known: Prepared
    outcome: Outcome
    instead_of: tuple[ByItself, ...] = ()

    @property
    def problem(self) -> Problem:
        """With what is owned, which all share."""
        return self.known.problem

    @property
    def each(self) -> tuple[ByItself, ...]:
        """The services that it stands for."""
        return self.instead_of or (self,)

    @property
    def stands_for(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(one.request.workload.name for one in self.each)

    @property
    def best(self) -> Found:
        """Its best plan."""
        assert self.outcome.best is not None  # noqa: S101 - `_planned` refuses what has no plan
        return self.outcome.best

    def offers_of(self, solution: Solution) -> Mapping[str, Offer]:
        """What it may buy where it runs so, by id."""
        options = list({column.option.id: column.option for column in solution.columns}.values())
        return offers_behind(self.request.book, options, self.known.owned, self.request.as_of)

    def cost_of(self, solution: Solution) -> ApartCost:
        """What it costs by itself where it runs so."""
        return apart_cost(self.problem, solution, self.offers_of(solution))


@dataclass(frozen=True)
class Apart:
    """All services by themselves, at once within quotas: USD over the horizon as weighed, inf where there is no such
    plan (then no solutions), and what each service costs (None: no such plan).

    in_turn says that there is too little for all of them at their cheapest, so that each has what others leave.
    """

    usd: float
    solutions: tuple[Solution, ...]
    costs: tuple[ApartCost | None, ...]
    in_turn: bool


def by_themselves(kind: Sequence[Request], gap: float) -> list[ByItself]:
    """Services of one kind by themselves: as one where that is cheaper, else each.

    What is owned is left out: there it would be counted once for each service.
    """
    alone = [_planned(one, gap) for one in kind]
    if len(alone) == 1:
        return alone
    as_one = _planned(merged(kind), gap)
    if as_one.best.usd > sum(one.best.usd for one in alone):
        return alone
    return [replace(as_one, instead_of=tuple(alone))]


def apart_at_once(services: Sequence[ByItself], gap: float) -> Apart:
    """The services by themselves, all at once within quotas and GPUs in all."""
    found = _at_once(services, gap)
    each = [one for service in services for one in service.each]
    shown = found if len(each) == len(services) else _at_once(each, gap)
    costs: list[ApartCost | None] = [None] * len(services)
    if shown is not None:
        paid = iter(shown)
        costs = [sum_of_costs([of.cost_of(next(paid).solution) for of in one.each]) for one in services]
    turns = _otherwise(found, services) or _otherwise(shown, each)
    plans = found or []
    usd = math.inf if found is None else sum(plan.usd for plan in plans)
    return Apart(usd, tuple(plan.solution for plan in plans), tuple(costs), turns)


def _otherwise(plans: Sequence[Found] | None, services: Sequence[ByItself]) -> bool:
    """Whether some service cannot have its best plan."""
    return plans is None or any(plan is not one.best for plan, one in zip(plans, services, strict=True))


def _at_once(services: Sequence[ByItself], gap: float) -> list[Found] | None:
    return in_turn([_without_owned(one.problem) for one in services], [one.best for one in services], gap)


def _planned(request: Request, gap: float) -> ByItself:
    known = prepared(request)
    problem = _without_owned(known.problem)
    outcome = search(problem, gap, alternatives=1)
    if outcome.best is None:
        raise with_what_is_left_out(nothing_allowed(problem, gap), known.left_out)
    return ByItself(request=request, known=known, outcome=outcome)


def _without_owned(problem: Problem) -> Problem:
    options = tuple(map(_not_owned, problem.options))
    return replace(problem, options=tuple(option for option in options if option.purchases))


def _not_owned(option: Option) -> Option:
    kept = tuple(one for one in option.purchases if one.how is not How.OWNED)
    return option if len(kept) == len(option.purchases) else replace(option, purchases=kept)
