"""What a training job costs, as its own plan has it: the one place where budgets meet `optimiser train`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from optimiser.carbon.power import KG_PER_TONNE
from optimiser.costing.project.amounts import Range
from optimiser.costing.project.prices import Prices
from optimiser.costing.project.serving import HIGH_CONFIDENCE
from optimiser.costing.training.answer import train
from optimiser.costing.training.request import train_request
from optimiser.errors import NoFeasiblePlan
from optimiser.planning.price_ages import OldestPrice, oldest_of


@dataclass(frozen=True, kw_only=True)
class JobFigures:
    """One run of the job that a section names, on the cluster that its plan chose: GPU-hours, USD as it rents them,
    hours from start to end, kWh at the building, kg CO2e by the grid there (None: not known), the median error of its
    hours and the oldest price of each tier it pays.
    """

    section: str
    job: str
    instances: int
    instance_type: str
    provider: str
    region: str
    how: str
    gpu_hours: Range
    usd: Range
    hours: Range
    kwh: Range
    kg_co2e: Range | None
    relative_error: float
    oldest_prices: tuple[OldestPrice, ...]
    notes: tuple[str, ...]


def figures_of_job(section: str, path: Path, prices: Prices) -> JobFigures:
    """What the cheapest plan of a job costs: expected at the policy's confidence in how fast it runs, low at the
    estimate itself on the same cluster, high planned at HIGH_CONFIDENCE. Raises what `optimiser train` raises.
    """
    request = train_request(path, prices.config, prices.book, prices.typed, prices.spot_past)
    plan = train(request)
    choice, margin = plan.choice, request.policy.performance_margin
    notes: tuple[str, ...] = ()
    cautious, faster = plan, 1.0
    if margin is None:
        faster = plan.estimate_hours / choice.hours
        try:
            caution = {"performance_confidence": HIGH_CONFIDENCE}
            cautious = train(replace(request, policy=request.policy.model_copy(update=caution)))
        except NoFeasiblePlan:
            notes += (
                f"{plan.job}: no plan at a confidence of {HIGH_CONFIDENCE:g}: high is as expected, a lower bound",
            )

    def figure(expected: float, low: float, high: float) -> Range:
        found = [Decimal(str(one)) for one in (expected, low, high)]
        return Range(low=min(found), expected=found[0], high=max(found))

    emitted, at_high = plan.energy.tonnes_co2e, cautious.energy.tonnes_co2e
    kg_co2e = None
    if emitted is not None and at_high is not None:
        kg, high_kg = emitted * KG_PER_TONNE, at_high * KG_PER_TONNE
        kg_co2e = figure(kg, kg * faster, high_kg)
    later, low_usd = cautious.choice, plan.estimate_usd if margin is None else choice.total_usd
    return JobFigures(
        section=section,
        job=plan.job,
        instances=choice.instances,
        instance_type=choice.instance_type,
        provider=choice.provider,
        region=choice.region,
        how=choice.how,
        gpu_hours=figure(choice.gpu_hours, choice.gpu_hours * faster, later.gpu_hours),
        usd=Range(
            low=min(low_usd, choice.total_usd),
            expected=choice.total_usd,
            high=max(later.total_usd, choice.total_usd),
        ),
        hours=figure(choice.hours, choice.hours * faster, later.hours),
        kwh=figure(plan.energy.kwh, plan.energy.kwh * faster, cautious.energy.kwh),
        kg_co2e=kg_co2e,
        relative_error=choice.relative_error,
        oldest_prices=oldest_of((*choice.oldest_prices, *later.oldest_prices)),
        notes=notes,
    )
