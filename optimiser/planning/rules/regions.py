"""Demand is spread over regions and providers, and outlives the loss of any one region.

The rows are what counts alone must show of any plan, also of one without fixed shares; a plan that splits demand
(parts.py) is checked for its shares as well. A region is one of one provider's: a site.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from optimiser.planning.model import Model
from optimiser.planning.parts import least_sites
from optimiser.planning.problem import Floats, How, Problem
from optimiser.planning.rules.rule import RPS, Rule
from optimiser.planning.rules.running import Running
from optimiser.planning.rules.view import TOLERANCE, PlanView, worst
from optimiser.policy import Policy

# Shares of requests are rounded to six digits, a few of them in each site.
SHARE_TOLERANCE = 1e-4
Place = tuple[str, str]


def spread_over_regions(m: Model) -> None:
    """At least so many regions have a unit that runs in every period with demand.

    in_use[s, p] ≤ Σ_{c in s} running[c, p],   Σ_s in_use[s, p] ≥ min_regions      ∀ p with planned[p] > 0
    """
    least = m.problem.policy.min_regions
    if least == 1:
        return
    places = sorted({option.site for option in m.problem.options})
    for p in (p for p in m.periods if m.problem.planned_rps[p] > 0):
        in_use = [m.programme.binary(f"spread_over_regions_{n}_{p}_in_use") for n in range(len(places))]
        for n, place in enumerate(places):
            inside = [(m.running[c][p], -1.0) for c, one in enumerate(m.columns) if one.option.site == place]
            m.add(f"spread_over_regions_{n}_{p}", [(in_use[n], 1.0), *inside], "<=", 0)
        m.add(f"spread_over_regions_{p}", [(pick, 1.0) for pick in in_use], ">=", least)


def verify_spread_over_regions(view: PlanView) -> list[str]:
    """Enough regions run something in every period with demand; where it is split, it goes to them as stated."""
    least, faults = int(view.policy.get("min_regions", 1)), []
    for p in (p for p in view.periods() if view.planned[p] > 0) if least > 1 else ():
        used = {place for place, capacity in _capacity(view, p).items() if capacity > 0}
        if len(used) < least:
            text = f"{view.when(p)}: {len(used)} regions run anything, {least} must"
            faults.append((float(least - len(used)), text))
    return worst(faults) + (_split_faults(view) if view.sites else [])


def _split_faults(view: PlanView) -> list[str]:
    """Every purchase is in a site of the split, shares add up, and requests are routed by them."""
    share = {place: float(row["traffic_share"]) for place, row in view.sites.items()}
    faults = []
    if len(share) != len(view.plan["sites"]) or min(share.values()) <= 0:
        faults.append("a site is named twice or carries nothing")
    if abs(sum(share.values()) - 1) > TOLERANCE:
        faults.append(f"the sites' shares add up to {sum(share.values()):.6g}, not 1")
    elsewhere = {_place(view.option_of(name)) for name in view.used()} - set(share)
    if elsewhere:
        faults.append(f"units run in {sorted(elsewhere)}, which is no site of the split")
    routed: dict[int, dict[Place, float]] = defaultdict(lambda: defaultdict(float))
    for row in view.plan["routing"]:
        routed[view.index(row)][_place(view.options[row["option"]])] += row["share"]
    off = [
        (abs(routed[p][place] - part), f"{view.when(p)}: {routed[p][place]:.4g} of requests go to {place}")
        for p in view.periods()
        if view.planned[p] > 0
        for place, part in share.items()
        if abs(routed[p][place] - part) > SHARE_TOLERANCE
    ]
    return faults + worst(off)


def survive_region_loss(m: Model) -> None:
    """What is not spot in the other regions carries the demand without any one; in a part of a split, what that gets.

    Σ_{c firm, not in r} rate[c] · running[c, p]  ≥  planned[p]           ∀ region r, period p
    Σ_{c firm} rate[c] · running[c, p]  ≥  planned[p] · on_region_loss    ∀ p, in a part
    """
    problem = m.problem
    places = {option.site for option in problem.options} if problem.policy.survive_region_loss else set()
    if not places and problem.on_region_loss <= 1:
        return
    for p in m.periods:
        planned = float(problem.planned_rps[p])
        firm = [
            (c, (m.running[c][p], one.option.rate_rps))
            for c, one in enumerate(m.columns)
            if one.purchase.how is not How.SPOT
        ]
        for number, place in enumerate(sorted(places)):
            left = [pair for c, pair in firm if m.columns[c].option.site != place]
            if left or planned > 0:
                m.add(f"survive_region_loss_{number}_{p}", left, ">=", planned)
        if problem.on_region_loss > 1:
            needed = planned * problem.on_region_loss
            m.add(f"survive_region_loss_part_{p}", [pair for _, pair in firm], ">=", needed)


def verify_survive_region_loss(view: PlanView) -> list[str]:
    """Without any one region and any spot the others carry the demand, each by its share of the rest."""
    if not view.policy.get("survive_region_loss", False):
        return []
    faults = []
    for p in view.periods():
        capacity = _capacity(view, p, firm=True)
        for lost in capacity:
            short = view.planned[p] - sum(held for place, held in capacity.items() if place != lost)
            if short > TOLERANCE:
                faults.append((short, f"{view.when(p)}: {short:.4g} req/s lost with {lost}"))
            for place, row in view.sites.items() if lost in view.sites else ():
                left = 1 - float(view.sites[lost]["traffic_share"])
                sent = view.planned[p] * float(row["traffic_share"]) / left if place != lost else 0.0
                short = sent - capacity.get(place, 0.0)
                if short > TOLERANCE:
                    faults.append((short, f"{view.when(p)}: {place} lacks {short:.4g} req/s without {lost}"))
    return worst(faults) + _misstated(view)


def _misstated(view: PlanView) -> list[str]:
    """Sites that are said to carry another share on a loss than they get."""
    return [
        f"{place}: said to carry {row['loss_share']:.6g} of demand on a loss, not {right:.6g}"
        for place, row in view.sites.items()
        if abs(row["loss_share"] - (right := row["traffic_share"] * view.times_on_loss(place))) > TOLERANCE
    ]


def limit_provider_share(m: Model) -> None:
    """What runs at the other providers carries all but the share that one may carry.

    Σ_{c not of P} rate[c] · running[c, p]  ≥  (1 − max_share_per_provider) · planned[p]      ∀ provider P, period p
    """
    rest = 1 - m.problem.policy.max_share_per_provider
    if rest <= 0:
        return
    for number, name in enumerate(sorted({option.provider for option in m.problem.options})):
        for p in m.periods:
            left = m.capacity(p, lambda column, name=name: column.option.provider != name)  # type: ignore[misc]
            needed = rest * float(m.problem.planned_rps[p])
            if left or needed > 0:
                m.add(f"limit_provider_share_{number}_{p}", left, ">=", needed)


def verify_limit_provider_share(view: PlanView) -> list[str]:
    """No provider gets more of the requests than it may, and the others have the capacity for the rest."""
    most, faults = float(view.policy.get("max_share_per_provider", 1)), []
    if most >= 1:
        return []
    for p in view.periods():
        capacity = _capacity(view, p)
        for name in sorted({provider for provider, _ in capacity}):
            others = sum(held for (provider, _), held in capacity.items() if provider != name)
            short = (1 - most) * view.planned[p] - others
            if short > TOLERANCE:
                faults.append((short, f"{view.when(p)}: {short:.4g} req/s more than its share need {name}"))
    shares: dict[str, float] = defaultdict(float)
    for (provider, _), row in view.sites.items():
        shares[provider] += float(row["traffic_share"])
    above = [f"{name} carries {part:.4g}, at most {most:g} is allowed" for name, part in shares.items()]
    return worst(faults) + [
        text for text, part in zip(above, shares.values(), strict=True) if part > most + TOLERANCE
    ]


def _place(option: dict[str, Any]) -> Place:
    return option["provider"], option["region"]


def _capacity(view: PlanView, period: int, *, firm: bool = False) -> dict[Place, float]:
    """Requests per second running in a period by site, of every site bought in; with firm without spot."""
    held: dict[Place, float] = defaultdict(float)
    for name, units in view.units.items():
        counts = units[period] if not firm or view.how(name) != "spot" else 0
        held[_place(view.option_of(name))] += view.rate(name) * counts
    return held


def regions_in_words(policy: Policy) -> str:
    """How many regions at least."""
    return f"demand in at least {policy.min_regions} regions" if policy.min_regions > 1 else ""


def loss_in_words(policy: Policy) -> str:
    """What outlives a region."""
    return "demand outlives any one region and all spot" if policy.survive_region_loss else ""


def loss_slack(run: Running) -> Floats:
    """Firm capacity of a part above what it gets where another region is lost, req/s."""
    above: Floats = run.paid(lambda how: how is not How.SPOT) - run.planned * run.problem.on_region_loss
    return above


def share_in_words(policy: Policy) -> str:
    """The most of one provider."""
    most = policy.max_share_per_provider
    return f"at most {most * 100:g} % of demand at one provider" if most < 1 else ""


def _eased(**change: Any) -> Callable[[Problem], Problem]:
    """The problem under a changed policy; in one site where nothing asks for more, since free choices of several are
    too many to try."""

    def without(problem: Problem) -> Problem:
        policy = problem.policy.model_copy(update=change)
        if least_sites(policy) == 1:
            policy = policy.model_copy(update={"max_sites": 1})
        return replace(problem, policy=policy)

    return without


SPREAD_OVER_REGIONS = Rule(
    name="spread_over_regions",
    rows=spread_over_regions,
    scope="period",
    verify=verify_spread_over_regions,
    limit=regions_in_words,
    without=_eased(min_regions=1),
    eased="min_regions: 1",
    always_priced=True,
    decides_on_sites=True,
)

SURVIVE_REGION_LOSS = Rule(
    name="survive_region_loss",
    rows=survive_region_loss,
    scope="period",
    verify=verify_survive_region_loss,
    limit=loss_in_words,
    slack=loss_slack,
    unit=RPS,
    without=_eased(survive_region_loss=False),
    eased="survive_region_loss: false",
    always_priced=True,
    decides_on_sites=True,
)

LIMIT_PROVIDER_SHARE = Rule(
    name="limit_provider_share",
    rows=limit_provider_share,
    scope="period",
    verify=verify_limit_provider_share,
    limit=share_in_words,
    without=_eased(max_share_per_provider=1.0),
    eased="max_share_per_provider: 1",
    always_priced=True,
    decides_on_sites=True,
)
