"""The parts of a small plan made by hand: options, offers, purchases and what stands beside them."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from optimiser.performance.estimate_types import LoadPoint
from optimiser.planning.plan_bought import PlanOffer, PlanOption, PlanPurchase
from optimiser.planning.plan_footprint import PlanFootprint, PlanPower
from optimiser.planning.plan_parts import (
    PlanAlternative,
    PlanFleetLine,
    PlanPriceDate,
    PlanRule,
    PlanSensitivity,
)

PLANNED_ON = date(2026, 6, 1)
MONTHLY_USD = Decimal("82005.28")
FOOTPRINT = PlanFootprint(
    kwh_monthly=12_345.0,
    kwh_monthly_at_load=10_000.0,
    kwh_per_million_tokens=0.25,
    kg_co2e_monthly=4_938.0,
    kg_co2e_monthly_at_load=4_000.0,
    kg_co2e_per_million_tokens=0.1,
    embodied_kg_co2e_monthly_low=100.0,
    embodied_kg_co2e_monthly_high=900.0,
    power=PlanPower(
        idle_tdp_share=0.2,
        one_request_tdp_share=0.4,
        many_requests_tdp_share=0.9,
        curve_steepness=1.0,
        curve_middle_log2=4.2,
        prompt_tdp_share=1.0,
        rest_share=0.22,
        gpu_tdp_share=None,
    ),
)


def option(**changes: Any) -> PlanOption:
    """One p5.48xlarge in us-east-1, two replicas of four GPUs, 10 req/s planned per unit."""
    point = {"concurrency_per_replica": 40.0, "ttft_ms": 500.0, "tpot_ms": 30.0}
    return replace(
        PlanOption(
            id="aws/us-east-1/p5.48xlarge",
            provider="aws",
            region="us-east-1",
            region_kind="region",
            instance_type="p5.48xlarge",
            gpu="H100",
            gpus_per_instance=8,
            vcpus_per_instance=192,
            memory_gib_per_instance=2048.0,
            obtainability="scarce",
            quota_family="P",
            quota_unit="vcpu",
            instances_per_unit=1,
            replicas_per_unit=2,
            tensor_parallel=4,
            pipeline_parallel=1,
            weight_precision="bf16",
            kv_precision="bf16",
            estimated_rps=12.5,
            margin=0.2,
            rate_rps=10.0,
            bucket_rates_rps=(10.0,),
            ttft_ms=1800.0,
            tpot_ms=49.5,
            prefill_time_share=0.4,
            limited_by="kv_room",
            load_points=(
                LoadPoint(utilisation=0.5, requests_per_second=6.25, **point),
                LoadPoint(utilisation=1.0, requests_per_second=12.5, **point),
            ),
            estimate_method="roofline of the tests",
            estimate_relative_error=0.25,
            low_confidence=False,
            notes=(),
            attention_data_parallel=False,
            start_up_minutes=33.4,
        ),
        **changes,
    )


def offer(tier: str, usd: str, planned: str | None = None, **changes: Any) -> PlanOffer:
    """A price of that tier for the option above; planned is the same where it is not given."""
    place = "aws/us-east-1/p5.48xlarge"
    return replace(
        PlanOffer(
            id=f"{place}/{tier}",
            provider="aws",
            region="us-east-1",
            zone="",
            instance_type="p5.48xlarge",
            tier=tier,
            market="standard",
            kind="",
            term_months=0,
            payment="",
            contract="",
            usd_per_hour=Decimal(usd),
            upfront_usd=Decimal(0),
            amortised_usd_per_hour=Decimal(usd),
            planned_usd_per_hour=Decimal(planned or usd),
            max_instances=None,
            valid_until=None,
            observed_on=PLANNED_ON,
            source="by hand",
        ),
        **changes,
    )


def purchase(how: str, offer_id: str, units: tuple[int, ...], monthly: str, **changes: Any) -> PlanPurchase:
    """Units per period of equal length."""
    return replace(
        PlanPurchase(
            id=f"{offer_id}:{how}",
            option="aws/us-east-1/p5.48xlarge",
            offer=offer_id,
            how=how,
            pool="",
            min_units=min(units),
            mean_units=sum(units) / len(units),
            max_units=max(units),
            monthly_usd=Decimal(monthly),
        ),
        **changes,
    )


def alternative(name: str, monthly: str | None, fleet: tuple[PlanFleetLine, ...] = ()) -> PlanAlternative:
    """Another plan, its extra cost against MONTHLY_USD."""
    amount = None if monthly is None else Decimal(monthly)
    return PlanAlternative(
        name=name,
        description=name.replace("_", " "),
        monthly_usd=amount,
        extra_monthly_usd=None if amount is None else amount - MONTHLY_USD,
        fleet=fleet,
    )


def price_date(tier: str, used: date | None) -> PlanPriceDate:
    """AWS prices of a tier, the oldest used on that day."""
    return PlanPriceDate(
        provider="aws",
        tier=tier,
        oldest=date(2026, 1, 1),
        newest=PLANNED_ON,
        oldest_used=used,
        offers=100,
    )


def aged(**days: int) -> tuple[PlanPriceDate, ...]:
    """Price dates whose oldest used price of each tier is so many days old."""
    return tuple(price_date(tier, PLANNED_ON - timedelta(days=age)) for tier, age in days.items())


def rule(name: str, **changes: Any) -> PlanRule:
    """A rule that does not bind and was not priced."""
    plain = PlanRule(
        name=name, limit="a limit", slack=1.5, unit="req/s", binding=False, cost_monthly_usd=None
    )
    return replace(plain, **changes)


def shifted(**changes: Any) -> PlanSensitivity:
    """What is held is a fifth dearer, and the same machines are still best."""
    plain = PlanSensitivity(
        of="price",
        provider="aws",
        region="us-east-1",
        name="p5.48xlarge",
        how="commitment",
        factor=1.2,
        kept_monthly_usd=Decimal(1200),
        kept_short_rps=0.0,
        best_monthly_usd=Decimal(1200),
        best_fleet=(),
        same_machines=True,
    )
    return replace(plain, **changes)
