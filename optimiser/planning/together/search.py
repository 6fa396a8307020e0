"""The cheapest plan found of several services together, and a bound on all of them.

Services share in one site, or each is planned alone: the search looks into the sites whose bound is lowest, cheapest
first, and leaves the others to their bounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from optimiser.planning.caps import Cap
from optimiser.planning.leaves import Bought, Solution
from optimiser.planning.problem import CONSTANT, How, Option, Problem, Purchase
from optimiser.planning.tables import Units
from optimiser.planning.together.bought import in_groups, offers_by_use
from optimiser.planning.together.caps import broken_by, caps_of_all, without_caps
from optimiser.planning.together.improve import improved
from optimiser.planning.together.limited import Limits, limits_of, on_other_offers, overdrawn, shared_out
from optimiser.planning.together.looked import Searched
from optimiser.planning.together.menus import Menu
from optimiser.planning.together.rounds import planned
from optimiser.planning.together.services import Place, hours_of, machine_of, places
from optimiser.planning.together.whole import Whole
from optimiser.planning.together.within import Within, looked_within, planned_within

# Sites that are looked into, and those of them that are planned until one has a plan near the bound; the others have
# the bound of their first prices.
SITES_LOOKED_INTO, SITES_PLANNED = 16, 4
# Climbs from the best prices of the site whose bound is the least.
FURTHER_CLIMBS = 5
# A plan of many hours so little above the least bound ends the search: the next site takes as long again.
NEAR_ENOUGH = 0.02
# How much dearer than another's bound a site's plan within quotas must be to plan in the other too.
WORTH_ANOTHER = 0.05


@dataclass(frozen=True)
class Together:
    """The services in one site, USD over the horizon as weighed: instances bought of each constant offer, and what
    each service runs (columns that are paid all along vary with its use of them)."""

    usd: float
    place: Place
    bought: dict[str, int]
    solutions: tuple[Solution, ...]


@dataclass(frozen=True)
class TogetherOutcome:
    """best is None where no site carries all services for less than the cutoff; lower_usd bounds every plan of all of
    them in one site; looked_into and sites count those. beyond is the best plan as if quotas and GPUs were without
    limit, where it takes more than there is; caps_priced says that lower_usd rests on prices of those. over is the best
    plan as if each service had limited offers by the hour for itself, where together they take more than there is:
    lower_usd is without that limit."""

    best: Together | None
    lower_usd: float
    looked_into: int
    sites: int
    beyond: Together | None = None
    caps_priced: bool = False
    over: Together | None = None


@dataclass(frozen=True)
class _Asked:
    """What all services keep together: caps and limited offers. over collects plans that overdraw an offer."""

    problems: Sequence[Problem]
    caps: Sequence[Cap]
    limits: Limits
    over: list[Together] = field(default_factory=list)

    def kept(self, found: Together) -> Together | None:
        """The plan, with other offers by the hour where those have too few; None where there are none."""
        if not overdrawn(self.limits, found.solutions, found.bought):
            return found
        self.over.append(found)
        solutions = on_other_offers(self.problems, self.limits, found.solutions, found.bought)
        if solutions is None:
            return None
        hours = self.problems[0].hours
        dearer = sum(
            one.usd(hours) - before.usd(hours) for one, before in zip(solutions, found.solutions, strict=True)
        )
        return replace(found, usd=found.usd + dearer, solutions=solutions)


def search_together(problems: Sequence[Problem], cutoff_usd: float) -> TogetherOutcome:
    """The best of all services in one site that costs less than cutoff_usd, the sum of planning apart.

    Quotas, and GPUs in all, are looked at where the best plan without them takes more than there is; so are limits of
    offers by the hour: what is too many goes to other offers, or services are planned again with a part of them each.
    Purchases not worth a look alone (worthwhile.py) are looked at: machines that others leave idle cost nothing.
    """
    limits = limits_of(problems)
    found = _search(problems, cutoff_usd, limits)
    if found.over is None:
        return found
    for some in shared_out(problems, limits, found.over.solutions, found.over.bought):
        other = _search(some, cutoff_usd if found.best is None else found.best.usd, limits).best
        found = found if other is None else replace(found, best=other)
        if found.best is not None:
            break
    return found


def _search(problems: Sequence[Problem], cutoff_usd: float, limits: Limits) -> TogetherOutcome:
    """The same; where the best takes more of an offer than there is, no better than with other offers in its place."""
    caps, share = caps_of_all(problems), problems[0].policy.commitment_hours_share
    asked = _Asked(problems, caps, limits)
    free = [without_caps(problem) for problem in problems]
    sites = [Searched.of(place, share) for place in places(free, hours_of(free))]
    looked_into: list[Searched] = []
    enough, like = cutoff_usd, None
    for one in sorted(sites, key=_rank)[:SITES_LOOKED_INTO]:
        if one.lower_usd >= enough:
            break
        one.raise_bound(enough, like)
        # No other site's bound need be higher than the least: that is the bound of all.
        enough, like = min(enough, one.lower_usd), like or one
        looked_into.append(one)
    _raise_the_least(sites)
    best, cutoff = None, cutoff_usd
    for one in sorted(looked_into, key=_rank)[:SITES_PLANNED]:
        whole = planned(one) if one.lower_usd < cutoff else None
        whole = improved(one, whole) if one.lower_usd < cutoff and one.few_hours else whole
        whole, solutions = _run(one.place, whole)
        if whole is None or solutions is None or whole.usd >= cutoff:
            continue
        kept = asked.kept(Together(whole.usd, one.place, whole.bought, solutions))
        if kept is not None and kept.usd < cutoff:
            best, cutoff = kept, kept.usd
            near = cutoff <= enough * (1.0 + NEAR_ENOUGH)
            if near and not one.few_hours:
                break
    lower_usd = min((one.lower_usd for one in sites), default=np.inf)
    if best is not None and broken_by(caps, best.solutions, best.bought):
        return _within(sites, asked, cutoff_usd, best)
    over = next(iter(asked.over), None)
    return TogetherOutcome(best, lower_usd, len(looked_into), len(sites), over=over)


def _raise_the_least(sites: Sequence[Searched]) -> None:
    """The bound of all is the least of any site: it is climbed on from while that helps."""
    for _ in range(FURTHER_CLIMBS):
        least = min(sites, key=_rank, default=None)
        if least is None or not least.raised_further():
            break


def _within(sites: Sequence[Searched], asked: _Asked, cutoff_usd: float, beyond: Together) -> TogetherOutcome:
    """The best within caps that the best plan without them breaks: sites are priced, and then planned in, from the
    least bound up, until none can have a plan much cheaper than the best."""
    lower, looked = {n: one.lower_usd for n, one in enumerate(sites)}, dict[int, Within | None]()
    best, cutoff, planned = None, cutoff_usd, set[int]()
    while len(planned) < SITES_PLANNED:
        least = min((n for n in lower if n not in planned), key=lambda n: (lower[n], n), default=None)
        if least is None or lower[least] >= cutoff:
            break
        if least in looked:
            planned.add(least)
            found = _planned_within(looked[least], asked, cutoff)
            best, cutoff = (best, cutoff) if found is None else (found, found.usd * (1 - WORTH_ANOTHER))
        elif len(looked) < SITES_LOOKED_INTO:
            known = looked[least] = looked_within(sites[least], asked.caps, cutoff)
            lower[least] = np.inf if known is None else known.priced.lower_usd
        else:
            break
    lower_usd = min(lower.values())
    priced = lower_usd > min(one.lower_usd for one in sites)
    over = next(iter(asked.over), None)
    return TogetherOutcome(best, lower_usd, len(looked), len(sites), beyond, priced, over)


def _planned_within(known: Within | None, asked: _Asked, cutoff_usd: float) -> Together | None:
    """A plan in a site that keeps what all keep together and costs less than the cutoff."""
    if known is None:
        return None
    whole, solutions = _run(known.place, planned_within(known))
    if whole is None or solutions is None or whole.usd >= cutoff_usd:
        return None
    if broken_by(asked.caps, solutions, whole.bought):
        return None
    kept = asked.kept(Together(whole.usd, known.place, whole.bought, solutions))
    return kept if kept is not None and kept.usd < cutoff_usd else None


def _rank(searched: Searched) -> tuple[float, tuple[str, str]]:
    return searched.lower_usd, searched.place.site


def _run(place: Place, whole: Whole | None) -> tuple[Whole | None, tuple[Solution, ...] | None]:
    """A plan and what each service runs; where groups of instances cannot be made up of what is bought, with whole
    groups of all offers but one. None where that does not help."""
    if whole is None:
        return None, None
    solutions = _solutions(place, whole)
    if solutions is None and (other := in_groups(place, whole.bought, _groups(place, whole))) is not None:
        bought, dearer = other
        whole = replace(whole, usd=whole.usd + dearer, bought=bought)
        solutions = _solutions(place, whole)
    return whole, solutions


def _groups(place: Place, whole: Whole) -> dict[int, int]:
    """The largest group of instances of each machine that a service runs in."""
    found: dict[int, int] = {}
    for menu in whole.menus:
        for option in menu.options:
            if (machine := machine_of(option)) in place.machines:
                number = place.machines.index(machine)
                found[number] = max(found.get(number, 1), _instances(option))
    return found


def _solutions(place: Place, whole: Whole) -> tuple[Solution, ...] | None:
    """What each service runs in each period; None where groups of instances cannot be made up of what is bought."""
    hours = len(place.hours.weight)
    units: list[dict[str, tuple[Bought, Units]]] = [{} for _ in place.services]

    def run(s: int, one: Bought, hour: int, count: int) -> None:
        known = units[s].setdefault(one.purchase.id, (one, np.zeros(hours, dtype=np.int64)))
        known[1][hour] += count

    for hour in range(hours):
        left, shared = dict(whole.bought), list[tuple[int, Option, int]]()
        for s, menu in enumerate(whole.menus):
            way = int(whole.ways[s, hour])
            for one, count in menu.beside(way, int(menu.service.slot[hour])):
                run(s, one, hour, count)
            wanted = zip(menu.options, menu.units[way].tolist(), strict=True)
            shared += [(s, option, units) for option, units in wanted if units]
        # Large groups first: a small one may leave a remainder that they cannot use.
        for s, option, wanted_units in sorted(shared, key=lambda one: -_instances(one[1])):
            instances, missing = _instances(option), wanted_units
            for offer in offers_by_use(place, place.machines.index(machine_of(option))):
                taken = min(missing, left[offer.offer_id] // instances)
                if taken:
                    left[offer.offer_id] -= taken * instances
                    missing -= taken
                    run(s, Bought(option, _purchase(place, option, offer.offer_id)), hour, taken)
            if missing:
                return None
    return tuple(
        _solution(place, menu, [units[s][name] for name in sorted(units[s])])
        for s, menu in enumerate(whole.menus)
    )


def _instances(option: Option) -> int:
    return option.estimate.setup.instances_per_unit


def _solution(place: Place, menu: Menu, columns: Sequence[tuple[Bought, Units]]) -> Solution:
    by_hour = np.column_stack([units for _, units in columns])
    largest = max(option.rate_rps for option in menu.options)
    return Solution(tuple(one for one, _ in columns), by_hour[place.hours.of_period], largest)


def _purchase(place: Place, option: Option, offer_id: str) -> Purchase:
    """How an option's units are paid on a constant offer: what is paid for all is shared, what is owned is owned.

    A limited offer is known to the first set-up of its machine alone, and serves the others too.
    """
    machine = machine_of(option)
    known = next(
        (other, one)
        for service in place.services
        for other in service.problem.options
        if machine_of(other) == machine
        for one in other.purchases
        if one.offer_id == offer_id and one.how in CONSTANT
    )
    instances = option.estimate.setup.instances_per_unit
    scale = instances / known[0].estimate.setup.instances_per_unit
    how = How.OWNED if known[1].how is How.OWNED else How.SHARED
    return replace(
        known[1],
        id=f"{offer_id}{f'×{instances}' if instances > 1 else ''}:{how.value}",
        how=how,
        usd_per_unit_hour=known[1].usd_per_unit_hour * scale,
        billed_usd_per_unit_hour=known[1].billed * scale,
        max_units=None,
    )
