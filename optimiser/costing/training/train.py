"""The pipeline of `optimiser train`: a job, prices and a policy in; the cheapest cluster, place and way to pay out."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import pandas as pd

from optimiser.config.carbon import load_carbon
from optimiser.config.quotas import granted_quotas
from optimiser.costing.training.emitted import Emitted, at_carbon_price, emitted
from optimiser.costing.training.interruptions import checkpoint_gb, frozen_gb
from optimiser.costing.training.market import Market, markets, old_price_said, without_old_blocks
from optimiser.costing.training.node import node_of
from optimiser.costing.training.pace import Pace, paces
from optimiser.costing.training.request import TrainRequest
from optimiser.costing.training.shortfall import lasting, what_helps, would_do
from optimiser.costing.training.ways import HOWS, Terms, Way, ways
from optimiser.errors import NoFeasiblePlan, StalePrices
from optimiser.estimating import considered_shapes
from optimiser.performance.specs import ModelSpec
from optimiser.planning.plan import HOURS_PER_MONTH
from optimiser.planning.price_basis import lasting_a_month, providers_left_out, within_age
from optimiser.planning.problem import QuotaKey
from optimiser.policy import Policy
from optimiser.prices.checks.evidence import DYNAMIC_MARKETS
from optimiser.prices.markets import odd_markets

Key = tuple[str, str]
_NO_LIMIT = {
    "max_gpus": None,
    "within_quotas": False,
    "max_monthly_usd": None,
    "max_committed_monthly_usd": None,
}


@dataclass(frozen=True, kw_only=True)
class Found:
    """Every way that ends in time and the policy allows, those that it would with spot_for_groups (gangs), and
    old_blocks, Capacity Blocks at a price too old to choose by, each cheapest first with its carbon weighed; what runs
    emit; instance types that are out by reason; notes on prices; which ways to pay have a price at all.
    """

    model: ModelSpec
    terms: Terms
    ways: tuple[Way, ...]
    gangs: tuple[Way, ...]
    old_blocks: tuple[Way, ...]
    emitted: Emitted
    rejected: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...]
    sold: frozenset[str]


def found_ways(request: TrainRequest) -> Found:
    """Every way to train the job. Raises NoFeasiblePlan where nothing fits, has a price or ends in time, and
    StalePrices where every price that would do is too old.
    """
    job, policy, config = request.job, request.policy, request.config
    model = config.find_model(job.model)
    known, rejected = _paces(request, model)
    if not known:
        reasons = "; ".join(f"{why}: {_some(names)}" for why, names in rejected.items())
        raise NoFeasiblePlan(f"{job.name}: no instance type can train it: {reasons}")
    size = checkpoint_gb(model, job)
    stored = job.storage.dataset_gb + job.storage.checkpoints_kept * size
    terms = Terms(
        deadline_hours=job.deadline_hours,
        checkpoint_gb=size,
        frozen_gb=frozen_gb(model, job),
        storage_usd_per_hour=stored * job.storage.usd_per_gb_month / HOURS_PER_MONTH,
        start_up=config.settings.start_up,
        policy=policy,
    )
    offers, absent, ages = _offers(request)
    sold = markets(offers, config.shapes, known.keys(), policy, request.spot_past)
    at_age = [without_old_blocks(here, request.as_of, policy) for here in sold]
    every = _ways_under(request, known, terms, [recent for recent, _ in at_age])
    old = _ways_under(request, known, terms, [blocks for _, blocks in at_age])
    if not every:
        said = old_price_said((price for _, here in at_age for price in here.blocks), request.as_of)
        ages += (f"Capacity Blocks {said}",) if said else ()
        raise _refusal(request, known, terms, [recent for recent, _ in at_age], offers, ages)
    carbon = emitted(load_carbon(config.directories), config.gpus, every)
    every, unknown = at_carbon_price(every, carbon, policy)
    if not every:
        raise NoFeasiblePlan(f"{job.name}: {'; '.join(unknown)}; carbon_usd_per_tonne: 0 would allow a plan")
    every.sort(
        key=lambda way: (way.weighed_usd, way.hours, way.market.region, way.market.shape.instance_type)
    )
    allowed = _allowed(every, policy)
    if not allowed:
        raise _on_spot_alone(request, every[0], _limits_in_the_way(request, terms, offers))
    return Found(
        model=model,
        terms=terms,
        ways=tuple(allowed),
        gangs=tuple(way for way in every if way.gang_on_spot and not policy.spot_for_groups),
        old_blocks=tuple(sorted(at_carbon_price(old, carbon, policy)[0], key=lambda way: way.weighed_usd)),
        emitted=carbon,
        rejected=rejected,
        notes=absent + unknown + _not_kept(policy) + request.book.notes + ages,
        sold=_sold(sold),
    )


def _offers(request: TrainRequest) -> tuple[pd.DataFrame, tuple[str, ...], tuple[str, ...]]:
    """The prices that a job is planned on, what is not compared, and notes on prices that end or are too old."""
    lasting, ending = lasting_a_month(request.book.offers, request.as_of)
    moving = lasting["market"].isin(DYNAMIC_MARKETS)
    listed, ages = within_age(lasting[~moving], request.config.settings.max_price_age_days, request.as_of)
    odd = odd_markets(request.book.offers, request.policy.markets)
    without = providers_left_out(request.book.unfetched, lasting[~moving], listed, request.policy)
    absent = tuple(f"not compared: {one.provider}, {one.reason}" for one in without) + odd
    if request.config.owned:
        absent += ("machines of owned.yaml are not planned with: they may be busy serving",)
    # What a block costs is shown at any age; without_old_blocks keeps old ones from being chosen.
    kept = lasting.index.isin(listed.index) | (moving & ~lasting["too_old"])
    return lasting[kept], absent, ending + ages


def _not_kept(policy: Policy) -> tuple[str, ...]:
    """A cap that settings.yaml or a project has for what serves; in a job it is refused."""
    if policy.max_monthly_kg_co2e is None:
        return ()
    return ("max_monthly_kg_co2e caps what serves month after month: a job that ends is not held to it",)


def _paces(
    request: TrainRequest, model: ModelSpec
) -> tuple[dict[Key, tuple[Pace, ...]], dict[str, tuple[str, ...]]]:
    """Paces by instance type, and the types that are out, by reason. Machines that are alike are looked at once."""
    job, config = request.job, request.config
    alike: dict[tuple[object, ...], tuple[Pace, ...]] = {}
    found: dict[Key, tuple[Pace, ...]] = {}
    out: dict[str, list[str]] = defaultdict(list)
    for shape in considered_shapes(config, request.policy):
        node = node_of(shape, config.gpus[shape.gpu], config.fit, job.precision)
        if isinstance(node, str):
            out[node].append(shape.instance_type)
            continue
        key = (shape.gpu, shape.gpu_count, shape.gpu_link, shape.network_gbps)
        if key not in alike:
            alike[key] = paces(model, job, node, config.fit.physics)
        most = request.policy.max_gpus
        kept = tuple(pace for pace in alike[key] if most is None or pace.gpus <= most)
        if kept:
            found[shape.provider, shape.instance_type] = kept
        elif alike[key]:
            out["needs more than max_gpus"].append(shape.instance_type)
        else:
            alone = "" if node.network_bytes_per_s else ", and what joins several is not known"
            out[f"too little memory{alone}"].append(shape.instance_type)
    return found, {why: tuple(names) for why, names in out.items()}


def granted_amounts(request: TrainRequest) -> dict[QuotaKey, float]:
    """What each quota that is known grants."""
    return {quota.key: quota.amount for quota in granted_quotas(request.config.quotas, request.book.quotas)}


def _ways_under(
    request: TrainRequest, known: Mapping[Key, tuple[Pace, ...]], terms: Terms, sold: Iterable[Market]
) -> list[Way]:
    """The ways of markets, within what is granted where the policy of the terms keeps to it."""
    granted = granted_amounts(request) if terms.policy.within_quotas else {}
    return [
        way
        for here in sold
        for pace in known[here.provider, here.shape.instance_type]
        for way in ways(here, pace, terms)
        if all(need <= granted.get(key, need) for key, need in quotas_of(way).items())
    ]


def _allowed(every: Iterable[Way], policy: Policy) -> list[Way]:
    """Without several instances on spot, where the policy does not take that."""
    return [way for way in every if policy.spot_for_groups or not way.gang_on_spot]


def quotas_of(way: Way) -> dict[QuotaKey, int]:
    """What a way counts in the quotas of its provider, in their unit; Capacity Blocks have quotas of their own."""
    shape, needed = way.market.shape, way.pace.nodes * way.market.shape.quota_count
    return {
        QuotaKey(
            way.market.provider,
            way.market.region,
            shape.spot_quota_family if leg.tier == "spot" else shape.quota_family,
            leg.tier == "spot",
        ): needed
        for leg in way.legs
        if leg.tier != "capacity_block"
    }


def _sold(sold: Iterable[Market]) -> frozenset[str]:
    """Which ways to pay have any price."""
    every = list(sold)
    having = (
        any(one.on_demand for one in every),
        any(one.spot for one in every),
        any(one.spot and one.on_demand for one in every),
        any(one.reserved for one in every),
        any(one.blocks for one in every),
    )
    return frozenset(how for how, has in zip(HOWS, having, strict=True) if has)


def _refusal(
    request: TrainRequest,
    known: Mapping[Key, tuple[Pace, ...]],
    terms: Terms,
    sold: list[Market],
    offers: pd.DataFrame,
    ages: tuple[str, ...],
) -> NoFeasiblePlan | StalePrices:
    """Why there is no way: no price, prices too old, or too little time."""
    name, policy = request.job.name, request.policy
    if not any(_sold([one]) for one in sold):
        if markets(request.book.offers, request.config.shapes, known.keys(), policy, request.spot_past):
            return StalePrices(
                f"{name}: {'; '.join(ages)}, and none is left: run `optimiser refresh`, or raise the limit in "
                "settings.yaml (live_prices, max_price_age_days)"
            )
        return NoFeasiblePlan(
            f"{name}: the policy allows no price of the {len(known)} instance types that could train it: check tiers, "
            "regions, providers, max_commitment_months" + (", max_gpus" if policy.max_gpus else "")
        )
    return _too_late(request, known, terms, sold, offers)


def _too_late(
    request: TrainRequest,
    known: Mapping[Key, tuple[Pace, ...]],
    terms: Terms,
    sold: list[Market],
    offers: pd.DataFrame,
) -> NoFeasiblePlan:
    """How long the fastest cluster takes that the policy allows, and which limit of the policy keeps it so slow."""
    job, limits = request.job, _limits_in_the_way(request, terms, offers)
    said = f"{job.name}: no cluster can be bought under the policy, however long it takes"
    helps = "check tiers, max_gpus, quotas (within_quotas) and limits of contracts"
    endless = replace(terms, deadline_hours=math.inf)
    if timeless := _allowed(_ways_under(request, known, endless, sold), request.policy):
        way = min(timeless, key=lambda one: one.hours)
        said = (
            f"{job.name}: nothing ends within {lasting(job.deadline_hours)} ({job.deadline_said}): the fastest "
            f"cluster that the policy allows, {way.pace.nodes:,} × {way.market.shape.instance_type} ({way.how}), takes "
            f"{lasting(way.hours)} as planned, interruptions among them"
        )
        helps = what_helps(job, way, terms)
    if limits:
        helps = f"without {' or without '.join(limits)} it would end in time"
    return NoFeasiblePlan(f"{said}; {helps}")


def _limits_in_the_way(request: TrainRequest, terms: Terms, offers: pd.DataFrame) -> list[str]:
    """The limits of the policy without any one of which the job would end in time."""
    found, job = [], request.job
    for name, none in _NO_LIMIT.items():
        limit = getattr(request.policy, name)
        if limit == none:
            continue
        policy = request.policy.model_copy(update={name: none})
        eased = replace(request, policy=policy)
        known, _ = _paces(eased, request.config.find_model(job.model))
        sold = [
            without_old_blocks(here, request.as_of, policy)[0]
            for here in markets(offers, request.config.shapes, known.keys(), policy, request.spot_past)
        ]
        every = _ways_under(eased, known, replace(terms, policy=policy), sold)
        if allowed := _allowed(every, policy):
            found.append(f"{name} = {str(limit).lower()}{would_do(name, allowed)}")
    return found


def _on_spot_alone(request: TrainRequest, way: Way, limits: list[str]) -> NoFeasiblePlan:
    """Only gangs on spot end in time."""
    cluster = f"{way.pace.nodes:,} × {way.market.shape.instance_type}"
    return NoFeasiblePlan(
        f"{request.job.name}: in time ({request.job.deadline_said}) it ends on several instances on spot alone, such "
        f"as {cluster} for {way.usd:,.0f} USD, all of which one pool would have to hold: set spot_for_groups: true"
        + "".join(f", or leave out {limit}" for limit in limits)
    )


def _some(names: tuple[str, ...], most: int = 3) -> str:
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
