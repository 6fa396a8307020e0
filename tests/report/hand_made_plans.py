"""A small plan whose every number can be checked by hand.

Two units on a commitment of 40 $/h all day, one on demand (55.04 $/h) in the two middle periods of 6 h, one on
spot (quoted at 15, planned at 35 % of 55.04 = 19.264) in the third:

    2 × 24 × 40 + 12 × 55.04 + 6 × 19.264 = 1920 + 660.48 + 115.584 = 2696.064 USD over 24 h
    × 730 / 24 = 82,005.28 USD a month
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hand_made_parts import MONTHLY_USD, PLANNED_ON, aged, alternative, offer, option, purchase, rule, shifted

from optimiser.planning.plan import Plan
from optimiser.planning.plan_bought import PlanCommitment, PlanSpot
from optimiser.planning.plan_parts import (
    PlanBound,
    PlanBucket,
    PlanCount,
    PlanDemand,
    PlanFleetLine,
    PlanPeriod,
    PlanQuota,
    PlanRejection,
    PlanRoute,
    PlanScenario,
    PlanService,
    PlanTotals,
)
from optimiser.policy import Policy

START = datetime(2026, 6, 1, tzinfo=UTC)  # a Monday
HORIZON_USD = Decimal("2696.064")


UNITS = {"commitment": (2, 2, 2, 2), "on_demand": (0, 1, 1, 0), "spot": (0, 0, 1, 0)}
FLOOR = PlanSpot(expected_usd_per_hour=Decimal("19.264"), price_basis="floor")
OFFERS = (
    offer(
        "reserved",
        "40",
        kind="reserved_instance_convertible",
        term_months=12,
        payment="no_upfront",
    ),
    offer("on_demand", "55.04"),
    offer("spot", "15", "19.264", zone="use1-az1", spot=FLOOR),
)
COMMITMENT = PlanCommitment(
    contract_value_usd=Decimal("700800.00"),  # 2 × 40 × 8,760
    upfront_usd=Decimal("0.00"),
    break_even_utilisation=0.7267,
    loss_if_ended_half_way_usd=Decimal("350400.00"),
    used_share_at_30_pct_less_demand=1.0,  # two firm instances in every hour
    beats_on_demand_at_30_pct_less_demand=True,
)
PURCHASES = (
    purchase("commitment", OFFERS[0].id, UNITS["commitment"], "58400.00", commitment=COMMITMENT),
    purchase("on_demand", OFFERS[1].id, UNITS["on_demand"], "20089.60"),
    purchase("spot", OFFERS[2].id, UNITS["spot"], "3515.68", pool="aws/us-east-1/use1-az1/p5.48xlarge"),
)
DEMAND = ((8.0, 10.0), (12.0, 20.0), (16.0, 24.0), (8.0, 10.0))  # mean and planned, req/s


def plan(**changes: Any) -> Plan:
    """The plan of the module's docstring, with some fields replaced."""
    line = PlanFleetLine(
        how="commitment",
        provider="aws",
        region="us-east-1",
        instance_type="p5.48xlarge",
        min_units=2,
        max_units=2,
    )
    gcp = PlanFleetLine(
        how="on_demand",
        provider="gcp",
        region="us-central1",
        instance_type="a3-highgpu-8g",
        min_units=2,
        max_units=5,
    )
    made = Plan(
        tool_version="0.1.0",
        planned_on=PLANNED_ON,
        services=(
            PlanService(
                name="chat",
                model="llama-3.1-70b",
                weight_precision="bf16",
                kv_precision="bf16",
                ttft_ms=2000.0,
                tpot_ms=50.0,
                percentile=95.0,
                buckets=(PlanBucket(prompt_tokens=1000.0, output_tokens=200.0, share=1.0),),
                routing="uniform",
            ),
        ),
        scenarios=(PlanScenario(name="as measured", probability=1.0),),
        policy=Policy().model_dump(mode="json"),
        periods=tuple(PlanPeriod(start=START + timedelta(hours=6 * p), hours=6.0) for p in range(4)),
        demand=tuple(
            PlanDemand(scenario=0, service=0, period=p, mean_rps=mean, planned_rps=planned)
            for p, (mean, planned) in enumerate(DEMAND)
        ),
        options=(option(),),
        offers=OFFERS,
        purchases=PURCHASES,
        counts=tuple(
            PlanCount(scenario=0, period=p, purchase=bought.id, units=units)
            for bought in PURCHASES
            for p, units in enumerate(UNITS[bought.how])
            if units
        ),
        spare_unit_rps=1.0,
        routing=tuple(
            PlanRoute(scenario=0, period=p, service=0, bucket=None, option=option().id, share=1.0)
            for p in range(4)
        ),
        totals=PlanTotals(
            horizon_hours=24.0,
            horizon_usd=HORIZON_USD,
            monthly_usd=MONTHLY_USD,
            overheads_monthly_usd=Decimal("994.72"),
            total_monthly_usd=Decimal("83000.00"),
            usd_per_million_input_tokens=Decimal("1.0342"),
            usd_per_million_output_tokens=Decimal("7.7563"),
            usd_per_million_tokens=Decimal("2.1545"),
            mean_utilisation=0.4,
        ),
        bound=PlanBound(
            value_usd=Decimal("81841.60"), gap=0.002, method="by hand", unit_rps=0.0, dropped_rules=()
        ),
        baselines=(
            alternative("single_type_on_demand", "120000.00"),
            alternative("mix_on_demand", "100000.00"),
            alternative("single_type_static_peak", None),
        ),
        by_provider=(alternative("aws", "82005.28", (line,)), alternative("gcp", "90005.28", (gcp,))),
        alternatives=(
            alternative("next_best", "83005.28", (gcp,)),
            alternative("mixed_sites", "81005.28", (line, gcp)),
        ),
        rules=(
            rule(
                "limit_spot_share",
                binding=True,
                slack=0.5,
                cost_monthly_usd=Decimal("4321.00"),
                eased="max_spot_share: 1",
                eased_fleet=(line,),
            ),
            rule("keep_firm_floor", slack=None),
        ),
        sensitivity=(shifted(),),
        quotas=(
            PlanQuota(provider="aws", region="us-east-1", family="P", spot=True, unit="vcpu", amount=192),
        ),
        price_dates=aged(on_demand=10, spot=3, reserved=90),
        tiers_without_prices=("gcp: spot for 1 of the 2 instance types that would serve it",),
        price_sources=("a list by hand",),
        rejections=(
            PlanRejection(
                provider="aws", instance_type="g6.xlarge", gpu="L4", code="memory", reason="too small"
            ),
            PlanRejection(
                provider="gcp", instance_type="g2-standard-4", gpu="L4", code="memory", reason="too small"
            ),
            PlanRejection(
                provider="aws", instance_type="p4d.24xlarge", gpu="A100-40GB", code="ttft", reason="too slow"
            ),
        ),
        estimate_relative_error=0.13,
        solver="none",
        deterministic=True,
        not_included=("disks", "load balancer"),
        notes=("lengths are assumed",),
    )
    return replace(made, **changes)


def long_plan(hours: int) -> Plan:
    """The same fleet over so many hours, demand 5 req/s by night and 15 by day, four units always on."""
    bought = purchase("on_demand", OFFERS[1].id, (4,), "160716.80")
    periods = range(hours)
    return plan(
        periods=tuple(PlanPeriod(start=START + timedelta(hours=p), hours=1.0) for p in periods),
        demand=tuple(
            PlanDemand(
                scenario=0,
                service=0,
                period=p,
                mean_rps=5.0 if p % 24 < 12 else 15.0,
                planned_rps=6.0 if p % 24 < 12 else 18.0,
            )
            for p in periods
        ),
        purchases=(bought,),
        counts=tuple(PlanCount(scenario=0, period=p, purchase=bought.id, units=4) for p in periods),
        routing=(),
    )
