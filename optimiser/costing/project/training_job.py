"""What a training job costs, as its own plan has it: the one place where budgets meet `optimiser train`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cache, partial
from pathlib import Path

from optimiser.carbon.power import KG_PER_TONNE
from optimiser.costing.project.amounts import ZERO, Range, total
from optimiser.costing.project.job_runs import JobCash, RunsPaid, Use, run_paid, usd_of_runs
from optimiser.costing.project.prices import Prices
from optimiser.costing.project.read import Project, compute_sections
from optimiser.costing.project.schema import ProjectFields
from optimiser.costing.project.serving import HIGH_CONFIDENCE
from optimiser.costing.training.answer import train
from optimiser.costing.training.plan import TrainChoice, TrainPlan
from optimiser.costing.training.request import TrainRequest, train_request
from optimiser.costing.training.ways import RESERVED
from optimiser.errors import NoFeasiblePlan
from optimiser.planning.offer_money import exact
from optimiser.planning.options import margin_of
from optimiser.planning.plan import HOURS_PER_MONTH
from optimiser.planning.price_ages import OldestPrice, oldest_of
from optimiser.policy import Policy

# What says how often a section runs its job.
_ASKED = {"training": "training.runs", "maintenance.retraining": "maintenance.cycles_per_year"}
# A plan under tiers, at a confidence.
_PlanAt = Callable[[tuple[str, ...], float], TrainPlan]


@dataclass(frozen=True, kw_only=True)
class JobFigures:
    """One run of the job that a section names, on the cluster that its plan chose: GPU-hours, USD as it rents them,
    hours from start to end, kWh at the building, kg CO2e by the grid there (None: not known), the median error of its
    hours and the oldest price of each tier it pays. Of a commitment the months of a term (0: none), USD of a term.

    Over the horizon, as expected: runs, whole terms, cash up front and its months, months of terms after the end.
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
    runs: Decimal
    term_months: int
    term_usd: Decimal
    terms: int
    months_beyond_end: int
    upfront_usd: Decimal
    upfront: tuple[JobCash, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Jobs:
    """What the sections' jobs come to; whole are those that pay for whole terms or Capacity Blocks, by section."""

    figures: tuple[JobFigures, ...] = ()
    whole: Mapping[str, RunsPaid] = field(default_factory=dict)


def jobs_of(project: Project, prices: Prices | None, months: Sequence[str]) -> Jobs:
    """What the training jobs cost over the months. Raises what `optimiser train` raises."""
    if prices is None:
        return Jobs()

    @cache
    def asked(path: Path) -> TrainRequest:
        return train_request(path, prices.config, prices.book, prices.typed, prices.spot_past)

    @cache
    def planned(path: Path, tiers: tuple[str, ...], confidence: float) -> TrainPlan:
        request, given = asked(path), {"tiers": tiers, "performance_confidence": confidence}
        return train(replace(request, policy=request.policy.model_copy(update=given)))

    found, whole = list[JobFigures](), dict[str, RunsPaid]()
    for name, compute in compute_sections(project.fields).items():
        if compute.job is None:
            continue
        path = project.named(f"{name}.job", compute.job, prices.config.find_job)
        bought = compute.owned is None and compute.usd_per_gpu_hour is None
        runs = _Runs(
            section=name, use=_use(project.fields, name), asked=project.inputs[_ASKED[name]].expected
        )
        policy = asked(path).policy
        plans = _planned(runs, policy, partial(planned, path), bought=bought)
        if bought and (paid := _runs_paid(runs, plans, policy)):
            whole[name] = paid
        found.append(_figures(runs, plans, whole.get(name), months))
    return Jobs(figures=tuple(found), whole=whole)


@dataclass(frozen=True, kw_only=True)
class _Runs:
    """The runs of a section, as expected."""

    section: str
    use: Use
    asked: Decimal

    @property
    def count(self) -> Decimal:
        """Over the horizon."""
        return self.use.runs(self.asked)


def _use(fields: ProjectFields, section: str) -> Use:
    """When a section runs its job: training in its months, retraining from the month that maintenance begins."""
    if section == "training" and fields.training is not None:
        begins, months, evenly = fields.training.from_month - 1, fields.training.months, False
    else:
        begins = 0 if fields.maintenance is None else fields.maintenance.from_month - 1
        months, evenly = fields.months - begins, True
    return Use(begins=begins, months=months, horizon=fields.months, evenly=evenly)


@dataclass(frozen=True, kw_only=True)
class _Planned:
    """A job's plan as expected and at HIGH_CONFIDENCE; hours at the estimate itself and at HIGH_CONFIDENCE on the same
    cluster, over those expected; USD of a run at the estimate itself.
    """

    plan: TrainPlan
    later: TrainPlan
    faster: float
    slower: float
    low_usd: Decimal
    notes: tuple[str, ...]


def _planned(runs: _Runs, policy: Policy, plan_at: _PlanAt, *, bought: bool) -> _Planned:
    """Expected at the policy's confidence in how fast the job runs, low at the estimate itself on the same cluster,
    high planned at HIGH_CONFIDENCE. In commitments, in every case, where all runs together cost least so.
    """
    own, notes = policy.performance_confidence, tuple[str, ...]()
    alone = plan_at(policy.tiers, own)
    how = _cheapest_how(alone, runs, policy) if bought else alone.choice.how
    kind = ("reserved",) if how == RESERVED else tuple(tier for tier in policy.tiers if tier != "reserved")

    def as_paid(plan: TrainPlan, confidence: float) -> TrainPlan:
        same = (plan.choice.how == RESERVED) == (how == RESERVED)
        return plan if same else plan_at(kind, confidence)

    plan = as_paid(alone, own)
    if plan is not alone:
        notes += (
            f"{runs.section}: paid {plan.choice.how}, since all its runs together cost least so; one alone would be "
            f"paid {alone.choice.how}",
        )
    if policy.performance_margin is not None:
        low_usd = plan.choice.total_usd
        return _Planned(plan=plan, later=plan, faster=1.0, slower=1.0, low_usd=low_usd, notes=notes)
    error, later, slower = plan.choice.relative_error, plan, 1.0
    cautious = policy.model_copy(update={"performance_confidence": HIGH_CONFIDENCE})
    try:
        later = as_paid(plan_at(policy.tiers, HIGH_CONFIDENCE), HIGH_CONFIDENCE)
        slower = (1 - margin_of(error, policy)) / (1 - margin_of(error, cautious))
    except NoFeasiblePlan:
        notes += (
            f"{plan.job}: no plan at a confidence of {HIGH_CONFIDENCE:g}: high is as expected, a lower bound",
        )
    return _Planned(
        plan=plan,
        later=later,
        faster=plan.estimate_hours / plan.choice.hours,
        slower=slower,
        low_usd=plan.estimate_usd,
        notes=notes,
    )


def _cheapest_how(plan: TrainPlan, runs: _Runs, policy: Policy) -> str:
    """Which of the cheapest choices of each way to pay all runs together cost least with, carbon weighed. A commitment
    that one run alone does not sign is taken only where the runs end within the section's months.
    """
    others = (one.choice for one in plan.tiers if one.choice is not None and not one.why_not)
    most_hours = runs.use.months * HOURS_PER_MONTH
    every = (
        plan.choice,
        *(one for one in others if one.how != RESERVED or exact(one.hours) * runs.count <= most_hours),
    )

    def weighed_usd(choice: TrainChoice) -> Decimal:
        paid = run_paid(choice, policy.overheads.percent)
        return usd_of_runs(paid, runs.use, runs.count, paid.hours) + choice.carbon_usd * runs.count

    return min(every, key=weighed_usd).how


def _runs_paid(runs: _Runs, found: _Planned, policy: Policy) -> RunsPaid | None:
    """How all runs are paid, where some of it is whole terms or Capacity Blocks."""
    choice, later, percent = found.plan.choice, found.later.choice, policy.overheads.percent
    paid, slower = run_paid(choice, percent), run_paid(later, percent)
    if not (paid.term_months or paid.whole or slower.whole):
        return None
    hours = (choice.hours, choice.hours * found.faster, max(later.hours, choice.hours * found.slower))
    faster = paid
    if not paid.term_months:
        faster = replace(paid, hours=_range(*hours).low, usd=min(found.low_usd, paid.usd))
    return RunsPaid(
        section=runs.section,
        asked=_ASKED[runs.section],
        use=runs.use,
        hours=_range(*hours),
        faster=faster,
        expected=paid,
        slower=slower,
    )


def _figures(runs: _Runs, found: _Planned, whole: RunsPaid | None, months: Sequence[str]) -> JobFigures:
    """One run, and what of all runs is terms and cash up front."""
    plan, choice, later, faster = found.plan, found.plan.choice, found.later.choice, found.faster
    emitted, at_high = plan.energy.tonnes_co2e, found.later.energy.tonnes_co2e
    kg_co2e = None
    if emitted is not None and at_high is not None:
        kg, high_kg = emitted * KG_PER_TONNE, at_high * KG_PER_TONNE
        kg_co2e = _range(kg, kg * faster, high_kg)
    terms = None if whole is None else whole.terms(runs.count)
    cash = () if whole is None else whole.upfront(runs.count, months)
    return JobFigures(
        section=runs.section,
        job=plan.job,
        instances=choice.instances,
        instance_type=choice.instance_type,
        provider=choice.provider,
        region=choice.region,
        how=choice.how,
        gpu_hours=_range(choice.gpu_hours, choice.gpu_hours * faster, later.gpu_hours),
        usd=Range(
            low=min(found.low_usd, choice.total_usd),
            expected=choice.total_usd,
            high=max(later.total_usd, choice.total_usd),
        ),
        hours=_range(choice.hours, choice.hours * faster, later.hours),
        kwh=_range(plan.energy.kwh, plan.energy.kwh * faster, found.later.energy.kwh),
        kg_co2e=kg_co2e,
        relative_error=choice.relative_error,
        oldest_prices=oldest_of((*choice.oldest_prices, *later.oldest_prices)),
        runs=runs.count,
        term_months=0 if terms is None or whole is None else whole.expected.term_months,
        term_usd=ZERO if whole is None else whole.expected.term_usd,
        terms=0 if terms is None else terms.count,
        months_beyond_end=0 if terms is None else terms.months_beyond_end,
        upfront_usd=total([one.usd for one in cash]),
        upfront=cash,
        notes=found.notes,
    )


def _range(expected: float, low: float, high: float) -> Range:
    found = [Decimal(str(one)) for one in (expected, low, high)]
    return Range(low=min(found), expected=found[0], high=max(found))
