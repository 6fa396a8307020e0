"""What a million tokens cost on demand on every machine that serves a workload, by the very rules of a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import pandas as pd

from optimiser.performance.estimate_types import Estimate
from optimiser.planning.offer_money import exact
from optimiser.planning.options import Key, build_options, planned_rate_rps
from optimiser.planning.price_basis import within_age
from optimiser.planning.problem import Purchase
from optimiser.planning.totals import SECONDS_PER_HOUR, TOKENS_UNIT
from optimiser.policy import Policy
from optimiser.prices.book import PriceBook
from optimiser.workload import Workload
from optimiser.workload.volume import tokens_per_request
from providers.offer import Offer, Tier
from providers.shape import InstanceShape


@dataclass(frozen=True, kw_only=True)
class TokenCost:
    """An estimate, the rate a plan takes one unit at (requests per second), and what its tokens cost.

    offer is the cheapest on-demand price that a plan may use for the unit, from a list or a contract; None where
    the policy allows none or the machine cannot be had on demand. usd_per_million_tokens is that of the whole
    unit, node overheads of the policy included, over the prompt and output tokens it carries at planned_rps with
    no hour idle and nothing kept spare.
    """

    estimate: Estimate
    planned_rps: float
    offer: Offer | None
    usd_per_million_tokens: Decimal | None


def token_costs(
    estimates: Sequence[Estimate],
    shapes: Mapping[Key, InstanceShape],
    book: PriceBook,
    workload: Workload,
    policy: Policy,
    max_price_age_days: Mapping[str, int | None],
) -> tuple[TokenCost, ...]:
    """One per estimate, in their order, at prices no older than their tier allows on the book's day (None: any age).

    Of equal prices the one with the first offer id counts.
    USD per 1M tokens = USD per unit-hour · 10⁶ / (planned_rps · 3,600 s · Σ_bucket share · (prompt + output tokens)).
    """
    offers, _ = within_age(book.offers, max_price_age_days, book.as_of)
    cheapest = _cheapest(estimates, shapes, offers, policy)
    tokens = tokens_per_request(workload.buckets)
    costs = []
    for estimate in estimates:
        rate = planned_rate_rps(estimate, policy)
        purchase = cheapest.get(id(estimate))
        offer = book.offer(purchase.offer_id) if purchase else None
        cost = None
        if offer is not None:
            node = offer.amortised_usd_per_hour + exact(policy.overheads.usd_per_node_hour)
            millions_per_hour = exact(rate * SECONDS_PER_HOUR * tokens) / 1_000_000
            cost = (node * estimate.setup.instances_per_unit / millions_per_hour).quantize(TOKENS_UNIT)
        costs.append(TokenCost(estimate=estimate, planned_rps=rate, offer=offer, usd_per_million_tokens=cost))
    return tuple(costs)


def _cheapest(
    estimates: Sequence[Estimate], shapes: Mapping[Key, InstanceShape], offers: pd.DataFrame, policy: Policy
) -> dict[int, Purchase]:
    """The cheapest purchase on demand, in any region, by the identity of its estimate."""
    tiers = tuple(tier for tier in policy.tiers if tier == Tier.ON_DEMAND)
    on_demand = policy.model_copy(update={"tiers": tiers})
    cheapest: dict[int, Purchase] = {}
    for option in build_options(estimates, shapes, offers, on_demand):
        for purchase in option.purchases:
            known = cheapest.setdefault(id(option.estimate), purchase)
            if (purchase.usd_per_unit_hour, purchase.offer_id) < (known.usd_per_unit_hour, known.offer_id):
                cheapest[id(option.estimate)] = purchase
    return cheapest
