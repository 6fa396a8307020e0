"""Small planning problems with everything a finished plan needs: estimates, shapes and exact offers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from optimiser.performance.estimate_types import Estimate, LoadPoint, Setup
from optimiser.planning.assemble import core_of
from optimiser.planning.leaves import Bought, Solution
from optimiser.planning.plan import to_jsonable
from optimiser.planning.problem import (
    Demand,
    Footprint,
    GrantedQuota,
    How,
    Option,
    Period,
    Problem,
    Purchase,
    QuotaKey,
    Scenario,
)
from optimiser.planning.rules import verify_plan
from optimiser.policy import Policy
from providers.offer import Offer, Tier
from providers.shape import InstanceShape, Obtainability, QuotaUnit

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
TIER_OF = {
    How.COMMITMENT: Tier.RESERVED,
    How.HELD: Tier.ON_DEMAND,
    How.HOURLY: Tier.ON_DEMAND,
    How.SPOT: Tier.SPOT,
    How.OWNED: Tier.RESERVED,
}


def scaled(demand: Demand, factor: float) -> Demand:
    """A demand times a factor."""
    return Demand(mean_rps=demand.mean_rps * factor, planned_rps=demand.planned_rps * factor)


def demanded(rate: float) -> Demand:
    """So many req/s planned, seven tenths of them on average."""
    return Demand(mean_rps=rate * 0.7, planned_rps=rate)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A problem and the exact offers behind its purchases, by offer id."""

    problem: Problem
    offers: dict[str, Offer]

    def with_policy(self, **changes: object) -> Case:
        """The same case under a changed policy."""
        policy = self.problem.policy.model_copy(update=changes)
        return replace(self, problem=replace(self.problem, policy=policy))

    def with_quotas(self, *quotas: GrantedQuota) -> Case:
        """The same case within quotas."""
        return replace(self, problem=replace(self.problem, quotas=quotas)).with_policy(within_quotas=True)

    def with_demand(self, factor: float) -> Case:
        """The same case with every demand multiplied."""
        periods = tuple(
            replace(period, demand=tuple((scaled(demand, factor),) for (demand,) in period.demand))
            for period in self.problem.periods
        )
        return replace(self, problem=replace(self.problem, periods=periods))

    def with_scenarios(self, *courses: tuple[float, Sequence[float]]) -> Case:
        """The same case where demand may take other courses: the probability of each, and req/s planned per period.

        They are called s0, s1, …
        """
        periods = tuple(
            replace(period, demand=tuple((demanded(rates[p]),) for _, rates in courses))
            for p, period in enumerate(self.problem.periods)
        )
        named = tuple(Scenario(name=f"s{n}", probability=share) for n, (share, _) in enumerate(courses))
        return replace(self, problem=replace(self.problem, periods=periods, scenarios=named))


def estimate(
    instance_type: str,
    rate: float,
    *,
    provider: str = "aws",
    instances_per_unit: int = 1,
    relative_error: float = 0.0,
    prefill_time_share: float = 0.25,
) -> Estimate:
    """An estimate of so many req/s a unit; its latencies are of no consequence to planning."""
    return Estimate(
        provider=provider,
        instance_type=instance_type,
        gpu="L4",
        engine="vllm 0.19",
        setup=Setup(
            weight_precision="bf16",
            kv_precision="bf16",
            tensor_parallel=1,
            pipeline_parallel=instances_per_unit,
            instances_per_unit=instances_per_unit,
            replicas_per_unit=1,
        ),
        requests_per_second=rate,
        bucket_requests_per_second=(rate,),
        ttft_ms=500.0,
        tpot_ms=30.0,
        bucket_ttft_ms=(500.0,),
        unloaded_ttft_ms=100.0,
        concurrency_per_replica=8.0,
        kv_room_tokens_per_replica=100_000.0,
        weights_gib_per_gpu=16.0,
        prefill_time_share=prefill_time_share,
        limited_by="tpot",
        load_points=(
            LoadPoint(
                utilisation=1.0,
                requests_per_second=rate,
                concurrency_per_replica=8.0,
                ttft_ms=500.0,
                tpot_ms=30.0,
            ),
        ),
        method="made by hand",
        relative_error=relative_error,
        low_confidence=False,
    )


def shape(
    instance_type: str,
    *,
    provider: str = "aws",
    obtainability: Obtainability = Obtainability.ELASTIC,
    gpus: int = 1,
    vcpus: int = 8,
    family: str = "G",
) -> InstanceShape:
    """A machine with one L4, or several."""
    return InstanceShape(
        provider=provider,
        instance_type=instance_type,
        gpu="L4",
        gpu_count=gpus,
        vcpus=vcpus,
        memory_gib=32.0,
        gpu_link="none",
        network_gbps=10.0,
        obtainability=obtainability,
        quota_family=family,
        quota_unit=QuotaUnit.VCPU,
    )


@dataclass(frozen=True, kw_only=True)
class Paid:
    """One way to pay: USD per instance and hour, how many instances there are, and the zone of a spot pool."""

    how: How
    usd: float
    limit: int | None = None
    zone: str = ""
    contract: str = ""


def hourly(usd: float, limit: int | None = None) -> Paid:
    """On demand by the hour."""
    return Paid(how=How.HOURLY, usd=usd, limit=limit, contract="negotiated" if limit is not None else "")


def held(usd: float, limit: int | None = None) -> Paid:
    """On demand, held for the whole horizon."""
    return Paid(how=How.HELD, usd=usd, limit=limit, contract="negotiated" if limit is not None else "")


def committed(usd: float, limit: int | None = None) -> Paid:
    """A one-year commitment without upfront payment."""
    return Paid(how=How.COMMITMENT, usd=usd, limit=limit, contract="negotiated" if limit is not None else "")


def owned(limit: int) -> Paid:
    """So many that are paid already."""
    return Paid(how=How.OWNED, usd=0.0, limit=limit, contract="owned")


def spot(usd: float, zone: str = "a", limit: int | None = None, contract: str = "") -> Paid:
    """One spot pool."""
    return Paid(how=How.SPOT, usd=usd, zone=zone, limit=limit, contract=contract)


def machine(
    instance_type: str,
    rate: float,
    *paid: Paid,
    region: str = "r1",
    provider: str = "aws",
    instances_per_unit: int = 1,
    start_up_minutes: float = 0.0,
    **counted: Any,
) -> tuple[Option, dict[str, Offer]]:
    """An option and its offers. A machine with held purchases is scarce. counted is gpus, vcpus and quota family."""
    scarce = any(one.how is How.HELD for one in paid)
    offers: dict[str, Offer] = {}
    purchases = []
    for one in paid:
        offer = Offer(
            provider=provider,
            region=region,
            region_kind="region",
            zone=one.zone,
            instance_type=instance_type,
            tier=TIER_OF[one.how],
            term_months=12 if one.how is How.COMMITMENT else 0,
            payment="no_upfront" if one.how is How.COMMITMENT else "",
            contract=one.contract,
            usd_per_hour=Decimal(repr(one.usd)),
            max_instances=one.limit,
            observed_on=date(2026, 1, 1),
            source="made by hand",
        )
        offers[offer.offer_id] = offer
        purchases.append(
            Purchase(
                id=f"{offer.offer_id}×{instances_per_unit}:{one.how.value}",
                how=one.how,
                offer_id=offer.offer_id,
                usd_per_unit_hour=one.usd * instances_per_unit,
                max_units=None if one.limit is None else one.limit // instances_per_unit,
                pool=f"{provider}/{region}/{one.zone}/{instance_type}" if one.how is How.SPOT else "",
            )
        )
    option = Option(
        id=f"{provider}/{region}/{instance_type}×{instances_per_unit}",
        provider=provider,
        region=region,
        instance_type=instance_type,
        rate_rps=rate,
        bucket_rates_rps=(rate,),
        purchases=tuple(purchases),
        start_up_minutes=start_up_minutes,
        estimate=estimate(instance_type, rate, provider=provider, instances_per_unit=instances_per_unit),
        shape=shape(
            instance_type,
            provider=provider,
            obtainability=Obtainability.SCARCE if scarce else Obtainability.ELASTIC,
            **counted,
        ),
    )
    return option, offers


def emitting(made: tuple[Option, dict[str, Offer]], kg_per_hour: float) -> tuple[Option, dict[str, Offer]]:
    """A machine whose units emit so much: 1 kW without losses on a grid of that many g/kWh × 1000."""
    option, offers = made
    footprint = Footprint(watts_per_unit=1000.0, pue=1.0, gco2_per_kwh=1000.0 * kg_per_hour)
    return replace(option, footprint=footprint), offers


def granted(
    amount: float,
    *,
    provider: str = "aws",
    region: str = "r1",
    family: str = "G",
    spot: bool = False,
) -> GrantedQuota:
    """A quota, in vCPU: 8 a machine unless told."""
    key = QuotaKey(provider, region, family, spot)
    return GrantedQuota(key=key, amount=amount, source="made by hand", granted_on=date(2026, 1, 2))


PLAIN = Policy(
    utilisation_ceiling=1.0,
    survive_instance_losses=0,
    survive_spot_pool_loss=False,
    min_firm_instances=0,
    commitment_hours_share=1.0,
    commitment_headroom=1.0,
    commitment_spare=0,
    max_spot_share=1.0,
    max_sites=None,
    max_instance_types=None,
    spot_for_groups=True,
)


def case(
    machines: list[tuple[Option, dict[str, Offer]]],
    demand: list[float],
    hours: list[float] | None = None,
    policy: Policy = PLAIN,
) -> Case:
    """A case of so many req/s per period; periods of one hour unless given. Without a policy no rule restricts."""
    hours = hours or [1.0] * len(demand)
    periods = []
    start = MONDAY
    for rate, length in zip(demand, hours, strict=True):
        periods.append(Period(start=start, hours=length, demand=((demanded(rate),),)))
        start += timedelta(hours=length)
    problem = Problem(
        services=("test",),
        options=tuple(option for option, _ in machines),
        periods=tuple(periods),
        policy=policy,
    )
    return Case(problem=problem, offers={k: v for _, offers in machines for k, v in offers.items()})


def plan_json(subject: Case, solution: Solution) -> dict[str, Any]:
    """The parts of a finished plan that rules are checked on, as its JSON has them."""
    core = core_of(subject.problem, solution, subject.offers, {})
    return {**to_jsonable(core), "policy": subject.problem.policy.model_dump(mode="json")}


def faults(subject: Case, solution: Solution) -> list[str]:
    """What a solution breaks, by every rule's own check."""
    return verify_plan(plan_json(subject, solution))


def columns_of(problem: Problem) -> tuple[Bought, ...]:
    """Every purchase of a problem as a column."""
    return tuple(Bought(option, purchase) for option in problem.options for purchase in option.purchases)
