"""The proven optimum of a small problem whose demand is split over sites: every split in every choice of places."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import permutations, product

from independent_optimum import optimum_usd

from optimiser.planning.problem import Demand, Problem


def optimum_over_sites_usd(problem: Problem) -> float:
    """USD of the cheapest split of demand over sites, every choice of shares and places tried; inf where none is.

    Shares are equal; or, of n = ⌈1 / s⌉ providers, s (or half-way from it to 1 / n) for all but the last and the rest
    for that, each provider's in equal parts over so many sites that the largest parts are smallest.
    """
    policy, most = problem.policy, problem.policy.max_share_per_provider
    places = sorted({option.site for option in problem.options})
    providers = math.ceil(1 / most - 1e-9)
    least = max(policy.min_regions, 1 + policy.survive_region_loss, providers)
    shares = []
    for n in range(least, max(least, policy.max_sites or 4) + 1):
        shares.append([1 / n] * n)
        for part in (most, (most + 1 / providers) / 2) if providers > 1 else ():
            whole = [part] * (providers - 1) + [1 - part * (providers - 1)]
            dealt = [
                sorted((w / k for w, k in zip(whole, counts, strict=True) for _ in range(k)), reverse=True)
                for counts in product(range(1, n + 1), repeat=providers)
                if sum(counts) == n
            ]
            shares.append([round(w, 12) for w in min(dealt)])
    known: dict[tuple[float, float, tuple[str, str]], float] = {}
    best = math.inf
    for split in shares:
        for chosen in permutations(places, len(split)):
            carried = [
                sum(w for w, (name, _) in zip(split, chosen, strict=True) if name == p) for p, _ in places
            ]
            if max(carried) > most + 1e-9:
                continue
            total = 0.0
            for i, (share, place) in enumerate(zip(split, chosen, strict=True)):
                heaviest = max(split[:i] + split[i + 1 :])
                times = 1 / (1 - heaviest) if policy.survive_region_loss else 1.0
                if (share, times, place) not in known:
                    known[share, times, place] = optimum_usd(_alone(problem, share, times, place))
                total += known[share, times, place]
            best = min(best, total)
    return best


def _alone(problem: Problem, share: float, times: float, place: tuple[str, str]) -> Problem:
    """One site's share as a problem of its own."""
    periods = []
    for period in problem.periods:
        rates = [(one.mean_rps * share, one.planned_rps * share) for (one,) in period.demand]
        demand = tuple((Demand(mean_rps=mean, planned_rps=planned),) for mean, planned in rates)
        periods.append(replace(period, demand=demand))
    given = {"max_sites": 1, "min_regions": 1, "survive_region_loss": False, "max_share_per_provider": 1.0}
    return replace(
        problem,
        options=tuple(option for option in problem.options if option.site == place),
        periods=tuple(periods),
        policy=problem.policy.model_copy(update=given),
        on_region_loss=times,
    )
