"""Several services planned together: what is paid all along serves whichever of them needs it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from optimiser import __version__
from optimiser.alike import of_one_kind, refuse_what_differs
from optimiser.by_themselves import Apart, ByItself, apart_at_once, by_themselves
from optimiser.carbon.grids import footing
from optimiser.config.carbon import load_carbon
from optimiser.errors import NoFeasiblePlan, OptimiserError
from optimiser.planning.answer import NOT_INCLUDED, quota_notes, service_of
from optimiser.planning.assemble import plan_option
from optimiser.planning.comparison import monthly_usd
from optimiser.planning.leaves import Solution
from optimiser.planning.plan import to_jsonable
from optimiser.planning.plan_parts import PlanBound, PlanPeriod, PlanService
from optimiser.planning.price_basis import own_prices, price_dates, price_sources
from optimiser.planning.problem import How, Problem
from optimiser.planning.spot_notes import mixed_sources_note
from optimiser.planning.together.assemble import Parts, Ran, parts_of
from optimiser.planning.together.caps import caps_of_all, excess_in_words, least_in_words, rules_of
from optimiser.planning.together.limited import limits_of, overdrawn_in_words
from optimiser.planning.together.plan import TogetherPlan, uses_owned
from optimiser.planning.together.search import Together, TogetherOutcome, search_together
from optimiser.planning.together.verify import verify_together
from optimiser.planning.totals import monthly_tokens
from optimiser.prices.doubts import own_price_doubts
from optimiser.recommend import Request
from providers.offer import Offer

# Nothing was looked into: there is but one service.
ALONE = TogetherOutcome(best=None, lower_usd=math.inf, looked_into=0, sites=0)


def recommend_together(requests: Sequence[Request]) -> TogetherPlan:
    """The services of several requests (of one config and one price book) in one plan.

    Raises UsageError for horizons or policies that differ where all share them, and for what is not planned together
    yet; NoFeasiblePlan and StalePrices as recommend does for any service by itself, NoFeasiblePlan also where no plan
    was found for all of them within what is granted.
    """
    refuse_what_differs(requests)
    gap = requests[0].config.settings.solver.relative_gap
    services, method = _by_themselves(requests, gap)
    apart = apart_at_once(services, gap)
    if len(services) == 1 and not _owns(services[0].problem):
        found = ALONE
    else:
        found = search_together([one.problem for one in services], apart.usd)
    if found.best is None and not apart.solutions:
        raise _nothing_at_once(services, found)
    plan = _plan_of(services, apart, found, method)
    _refuse_over_budget(plan)
    faults = verify_together(to_jsonable(plan))
    if faults:
        raise OptimiserError(f"internal error, no plan is given: {'; '.join(faults)}")
    return plan


def _by_themselves(requests: Sequence[Request], gap: float) -> tuple[list[ByItself], str | None]:
    """The services by themselves, grids told by one method for all, and that: what would have another is planned
    again."""
    kinds = of_one_kind(requests)
    found = [by_themselves(kind, gap) for kind in kinds]
    carbon = load_carbon(requests[0].config.directories)
    method = footing(carbon, (o.site for some in found for one in some for o in one.problem.options))
    services: list[ByItself] = []
    for kind, some in zip(kinds, found, strict=True):
        told = {o.footprint.method for one in some for o in one.problem.options if o.footprint}
        again = [replace(request, grids_by=method) for request in kind]
        services += by_themselves(again, gap) if told - {method} else some
    return services, method


def _refuse_over_budget(plan: TogetherPlan) -> None:
    """Raise NoFeasiblePlan for a plan that costs more than max_monthly_usd, which is for all services."""
    budget, total = plan.services[0].policy["max_monthly_usd"], plan.totals.total_monthly_usd
    if budget is not None and total > budget:
        names = ", ".join(part.service.name for part in plan.services)
        raise NoFeasiblePlan(
            f"{names}: max_monthly_usd = {budget:,.0f} is too small for all of them: the cheapest plan found costs "
            f"{total:,.0f} USD a month, {float(total) - budget:,.0f} too much"
        )


def _owns(problem: Problem) -> bool:
    """Whether there is something owned, which planning apart leaves out."""
    return any(one.how is How.OWNED for option in problem.options for one in option.purchases)


def _nothing_at_once(services: Sequence[ByItself], found: TogetherOutcome) -> NoFeasiblePlan:
    """Nothing was found for all services at once, though each has a plan by itself."""
    problems, names = (
        [one.problem for one in services],
        ", ".join(one.problem.services[0] for one in services),
    )
    caps = caps_of_all(problems)
    if least := least_in_words(problems, caps):
        return NoFeasiblePlan(f"{names}: no plan carries all of them: {least}")
    beyond, how = found.beyond or found.over, "each at its cheapest"
    solutions, bought = [one.best.solution for one in services], dict[str, int]()
    if beyond is not None:
        solutions, bought = list(beyond.solutions), beyond.bought
        how = "sharing machines at the cheapest"
    of_caps = excess_in_words(caps, solutions, bought)
    of_offers = overdrawn_in_words(limits_of(problems), solutions, bought)
    taken = " and ".join(words for words in (of_caps, of_offers) if words)
    said = "no plan was found for all of them at once within what there is, together or each in what others leave"
    if of_caps:
        said = said.replace("what there is", "what is granted")
    one_site = len({option.site for problem in problems for option in problem.options}) == 1
    if math.isinf(found.lower_usd) and one_site:
        said = "no plan carries all of them at once within what is granted, not even in parts of machines"
    eased = " and ".join(
        {"respect_quotas": "within_quotas: false", "limit_gpus": "max_gpus: null"}[rule]
        for rule in rules_of(caps)
    )
    otherwise = f"; {eased} would plan without the limit" if of_caps else ""
    return NoFeasiblePlan(f"{names}: {said}: {how} they take {taken}{otherwise}")


def _plan_of(
    services: Sequence[ByItself], apart: Apart, found: TogetherOutcome, grid_method: str | None
) -> TogetherPlan:
    """The cheaper of together and apart."""
    first, best = services[0].request, found.best
    problem = replace(services[0].problem, options=tuple(o for one in services for o in one.problem.options))
    solutions = apart.solutions if best is None else best.solutions
    offers = _offers(services, solutions)
    bought = {} if best is None else _bought(best)
    ran = [
        Ran(
            problem=one.problem,
            solution=solution,
            service=_service(one, solution),
            stands_for=one.stands_for,
            apart=cost,
            monthly_tokens=monthly_tokens(one.problem, one.request.workload),
        )
        for one, solution, cost in zip(services, solutions, apart.costs, strict=True)
    ]
    parts = parts_of(ran, bought, offers)
    bought_of = [c.purchase for s in solutions for c in s.columns if c.purchase.how is not How.OWNED]
    used = [offers[one.offer_id] for one in bought_of]
    return TogetherPlan(
        tool_version=__version__,
        planned_on=first.as_of,
        together=best is not None,
        periods=tuple(PlanPeriod(start=p.start, hours=p.hours) for p in problem.periods),
        services=parts.services,
        shared=parts.shared,
        quotas=parts.quotas,
        totals=parts.totals,
        bound=_bound(services, apart, found, apart.usd if best is None else best.usd),
        price_dates=price_dates(first.book, problem, used),
        price_sources=price_sources(
            first.book, first.config.directories[0], {offer.offer_id for offer in used}
        ),
        providers_left_out=tuple(dict.fromkeys(out for one in services for out in one.known.left_out)),
        estimate_relative_error=max(
            o.estimate_relative_error for part in parts.services for o in part.options
        ),
        deterministic=True,
        not_included=NOT_INCLUDED,
        grid_method=grid_method,
        notes=(
            *_without_owned(parts),
            *_notes(services, apart, best),
            *quota_notes(problem.policy, parts.quotas),
            *_own_prices(first, {offer.offer_id for offer in used}),
        ),
    )


def _own_prices(request: Request, used: Collection[str]) -> tuple[str, ...]:
    own = own_prices(request.book, request.config.directories[0])
    return own_price_doubts(request.book.offers, own, used)


def _bound(services: Sequence[ByItself], apart: Apart, found: TogetherOutcome, usd: float) -> PlanBound:
    """Of what is planned as one, and of each by itself with all that is granted for itself."""
    problems = [one.problem for one in services]
    lower_usd = min(found.lower_usd, sum(one.outcome.lower_usd for one in services))
    return PlanBound(
        value_usd=monthly_usd(problems[0], lower_usd),
        gap=round(max(usd / lower_usd - 1, 0.0) if lower_usd > 0 else 0.0, 9),
        method=_method(found, apart),
        unit_rps=0.0,
        dropped_rules=rules_of(caps_of_all(problems)) if found.beyond and not found.caps_priced else (),
        plan_usd=monthly_usd(problems[0], usd),
    )


def _method(found: TogetherOutcome, apart: Apart) -> str:
    if found is ALONE:
        return "all services are one, with nobody to share with: its own bound"
    return (
        "all sharing in one site, or each apart: Lagrangian relaxation of what is shared in "
        f"{found.looked_into} of {found.sites} sites, in the others at machines' prices as if shared without a gap"
        f"{', quotas and limits on GPUs priced in every hour' if found.caps_priced else ''}"
        f"{', limited offers by the hour as if all of them were there for each service' if found.over else ''}; apart, "
        f"each service's own bound{' with all there is for itself' if found.beyond or apart.in_turn else ''}"
    )


def _without_owned(parts: Parts) -> tuple[str, ...]:
    if not uses_owned(parts.shared):
        return ()
    return (
        "apart is planned without what is owned, which it would count once for each service: what that serves here at "
        "no price is no saving, so that none is told",
    )


def _notes(services: Sequence[ByItself], apart: Apart, best: Together | None) -> tuple[str, ...]:
    """What a reader must know of how it was planned, then each service's own notes."""
    said: list[str] = []
    if best is None and len(services) > 1:
        said.append(
            "no plan that shares machines in one site was found to cost less: each service is planned alone"
        )
    elif best is not None:
        said.append("what is shared is charged to services by the instance-hours that they use of it")
    if apart.in_turn and None not in apart.costs:
        said.append(
            "apart, not all services can have their cheapest machines at once within what is granted and on offer: "
            "they are planned in turn, each within what the largest hours of those before it leave"
        )
    elif apart.in_turn:
        said.append(
            "apart, no plan was found for all services at once within what is granted and on offer, taking it in turn: "
            "there is nothing to compare with"
        )
    said += [
        f"{' and '.join(one.stands_for)} are one service here: the same model under the same rules, so replicas are "
        "shared, with their demands added and their sizes blended"
        for one in services
        if len(one.stands_for) > 1
    ]
    own = [
        note
        for one in services
        for note in (*one.request.workload.notes, *one.known.notes, *mixed_sources_note(one.problem.options))
    ]
    return tuple(dict.fromkeys([*said, *own]))


def _offers(services: Sequence[ByItself], solutions: Sequence[Solution]) -> Mapping[str, Offer]:
    known: dict[str, Offer] = {}
    for one, solution in zip(services, solutions, strict=True):
        known |= one.offers_of(solution)
    return known


def _bought(best: Together) -> dict[str, tuple[How, int]]:
    return {one.offer_id: (one.how, best.bought[one.offer_id]) for one in best.place.constants}


def _service(one: ByItself, solution: Solution) -> PlanService:
    workload = one.request.workload
    served_on = plan_option(solution.columns[0].option)
    return service_of(workload, one.request.config.find_model(workload.model), one.problem.routing, served_on)
