"""Several services planned together: what is paid all along serves whichever of them needs it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from optimiser import __version__
from optimiser.alike import merged, of_one_kind, refuse_what_differs
from optimiser.errors import OptimiserError
from optimiser.planning.answer import NOT_INCLUDED, service_of
from optimiser.planning.assemble import plan_option
from optimiser.planning.comparison import monthly_usd
from optimiser.planning.infeasible import nothing_allowed
from optimiser.planning.leaves import Solution
from optimiser.planning.plan import to_jsonable
from optimiser.planning.plan_parts import PlanBound, PlanPeriod, PlanService
from optimiser.planning.price_basis import offers_behind, price_dates, price_sources
from optimiser.planning.problem import How, Option, Problem
from optimiser.planning.search import Outcome, search
from optimiser.planning.spot_notes import mixed_sources_note
from optimiser.planning.together.assemble import Ran, parts_of
from optimiser.planning.together.plan import TogetherPlan
from optimiser.planning.together.search import Together, TogetherOutcome, search_together
from optimiser.planning.together.verify import verify_together
from optimiser.planning.totals import all_in_monthly_usd
from optimiser.recommend import Prepared, Request, prepared, with_what_is_left_out
from providers.offer import Offer

# Nothing was looked into: there is but one service.
ALONE = TogetherOutcome(best=None, lower_usd=math.inf, looked_into=0, sites=0)


@dataclass(frozen=True, kw_only=True)
class _Apart:
    """A service by itself: what is asked, what that is to planning, and its best plan without what is owned."""

    request: Request
    stands_for: tuple[str, ...]
    known: Prepared
    outcome: Outcome
    monthly_usd: Decimal

    @property
    def problem(self) -> Problem:
        """With what is owned, which all share."""
        return self.known.problem

    @property
    def usd(self) -> float:
        """What its best plan costs as weighed, USD over the horizon."""
        return self.outcome.best.usd if self.outcome.best else math.inf


def recommend_together(requests: Sequence[Request]) -> TogetherPlan:
    """The services of several requests (of one config and one price book) in one plan.

    Raises UsageError for horizons or policies that differ where all share them, and for what is not planned together
    yet; NoFeasiblePlan and StalePrices as recommend does for any service by itself.
    """
    refuse_what_differs(requests)
    gap = requests[0].config.settings.solver.relative_gap
    apart = [one for kind in of_one_kind(requests) for one in _apart(kind, gap)]
    apart_usd = sum(one.usd for one in apart)
    apart_lower = sum(one.outcome.lower_usd for one in apart)
    if len(apart) == 1 and not _owns(apart[0].problem):
        found = ALONE
    else:
        found = search_together([one.problem for one in apart], apart_usd)
    plan = _plan_of(apart, found, apart_usd, min(found.lower_usd, apart_lower))
    faults = verify_together(to_jsonable(plan))
    if faults:
        raise OptimiserError(f"internal error, no plan is given: {'; '.join(faults)}")
    return plan


def _owns(problem: Problem) -> bool:
    """Whether there is something owned, which planning apart leaves out."""
    return any(one.how is How.OWNED for option in problem.options for one in option.purchases)


def _apart(kind: Sequence[Request], gap: float) -> list[_Apart]:
    """Services of one kind by themselves: as one where that is cheaper, else each.

    What is owned is left out of planning apart: there it would be counted once for each service.
    """
    alone = [_planned(one, (one.workload.name,), gap) for one in kind]
    if len(alone) == 1:
        return alone
    as_one = _planned(merged(kind), tuple(one.workload.name for one in kind), gap)
    if as_one.usd > sum(one.usd for one in alone):
        return alone
    return [replace(as_one, monthly_usd=sum((one.monthly_usd for one in alone), Decimal(0)))]


def _planned(request: Request, names: tuple[str, ...], gap: float) -> _Apart:
    known = prepared(request)
    outcome = _searched(known, gap)
    assert outcome.best is not None  # noqa: S101 - _searched refuses what has no plan
    cost = all_in_monthly_usd(known.problem, outcome.best.solution)
    return _Apart(request=request, stands_for=names, known=known, outcome=outcome, monthly_usd=cost)


def _searched(known: Prepared, gap: float) -> Outcome:
    """The best plan without what is owned. Raises NoFeasiblePlan or StalePrices where there is none."""
    problem = replace(known.problem, options=tuple(map(_not_owned, known.problem.options)))
    problem = replace(problem, options=tuple(option for option in problem.options if option.purchases))
    outcome = search(problem, gap, alternatives=1)
    if outcome.best is None:
        raise with_what_is_left_out(nothing_allowed(problem, gap), known.left_out)
    return outcome


def _not_owned(option: Option) -> Option:
    kept = tuple(one for one in option.purchases if one.how is not How.OWNED)
    return option if len(kept) == len(option.purchases) else replace(option, purchases=kept)


def _plan_of(
    apart: Sequence[_Apart], found: TogetherOutcome, apart_usd: float, lower_usd: float
) -> TogetherPlan:
    """The cheaper of together and apart."""
    first, best = apart[0].request, found.best
    problem = replace(apart[0].problem, options=tuple(o for one in apart for o in one.problem.options))
    solutions = _solutions(apart, best)
    offers = _offers(apart, solutions)
    bought = {} if best is None else _bought(best)
    ran = [
        Ran(
            problem=one.problem,
            solution=solution,
            service=_service(one, solution),
            stands_for=one.stands_for,
            apart_monthly_usd=one.monthly_usd,
        )
        for one, solution in zip(apart, solutions, strict=True)
    ]
    parts = parts_of(ran, bought, offers)
    used = [
        offers[c.purchase.offer_id] for s in solutions for c in s.columns if c.purchase.how is not How.OWNED
    ]
    usd = apart_usd if best is None else best.usd
    return TogetherPlan(
        tool_version=__version__,
        planned_on=first.as_of,
        together=best is not None,
        periods=tuple(PlanPeriod(start=p.start, hours=p.hours) for p in problem.periods),
        services=parts.services,
        shared=parts.shared,
        totals=parts.totals,
        bound=_bound(problem, found, usd, lower_usd),
        price_dates=price_dates(first.book, problem, used),
        price_sources=price_sources(
            first.book, first.config.directories[0], {offer.offer_id for offer in used}
        ),
        providers_left_out=tuple(dict.fromkeys(out for one in apart for out in one.known.left_out)),
        estimate_relative_error=max(
            o.estimate_relative_error for part in parts.services for o in part.options
        ),
        deterministic=True,
        not_included=NOT_INCLUDED,
        notes=_notes(apart, best),
    )


def _bound(problem: Problem, found: TogetherOutcome, usd: float, lower_usd: float) -> PlanBound:
    gap = max(usd / lower_usd - 1, 0.0) if lower_usd > 0 else 0.0
    return PlanBound(
        value_usd=monthly_usd(problem, lower_usd),
        gap=round(gap, 9),
        method=_method(found),
        unit_rps=0.0,
        dropped_rules=(),
        plan_usd=monthly_usd(problem, usd),
    )


def _method(found: TogetherOutcome) -> str:
    if found is ALONE:
        return "all services are one, with nobody to share with: its own bound"
    return (
        "all sharing in one site, or each apart: Lagrangian relaxation of what is shared in "
        f"{found.looked_into} of {found.sites} sites, in the others at machines' prices as if shared without a gap; "
        "apart, each service's own bound"
    )


def _notes(apart: Sequence[_Apart], best: Together | None) -> tuple[str, ...]:
    """What a reader must know of how it was planned, then each service's own notes."""
    said: list[str] = []
    if best is None and len(apart) > 1:
        said.append(
            "no plan that shares machines in one site was found to cost less: each service is planned alone"
        )
    elif best is not None:
        said.append("what is shared is charged to services by the instance-hours that they use of it")
    said += [
        f"{' and '.join(one.stands_for)} are one service here: the same model under the same rules, so replicas are "
        "shared, with their demands added and their sizes blended"
        for one in apart
        if len(one.stands_for) > 1
    ]
    own = [
        note
        for one in apart
        for note in (*one.request.workload.notes, *one.known.notes, *mixed_sources_note(one.problem.options))
    ]
    return tuple(dict.fromkeys([*said, *own]))


def _solutions(apart: Sequence[_Apart], best: Together | None) -> list[Solution]:
    if best is not None:
        return list(best.solutions)
    return [found.solution for one in apart if (found := one.outcome.best) is not None]


def _offers(apart: Sequence[_Apart], solutions: Sequence[Solution]) -> Mapping[str, Offer]:
    known: dict[str, Offer] = {}
    for one, solution in zip(apart, solutions, strict=True):
        options = list({c.option.id: c.option for c in solution.columns}.values())
        known |= offers_behind(one.request.book, options, one.known.owned, one.request.as_of)
    return known


def _bought(best: Together) -> dict[str, tuple[How, int]]:
    return {one.offer_id: (one.how, best.bought[one.offer_id]) for one in best.place.constants}


def _service(one: _Apart, solution: Solution) -> PlanService:
    workload = one.request.workload
    served_on = plan_option(solution.columns[0].option)
    return service_of(workload, one.request.config.find_model(workload.model), one.problem.routing, served_on)
