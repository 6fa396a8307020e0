"""The plan of `optimiser train`: what it costs, how that was got, what else was compared, and what it leaves unsaid."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from optimiser.costing.training.plan import TrainChoice, TrainLeg, TrainPlan, TrainTier
from optimiser.costing.training.shortfall import lasting
from optimiser.planning.price_ages import OldestPrice, oldest_of
from optimiser.report.document import Column, Document, Row, Section, Table
from optimiser.report.price_age import at_old_prices, oldest_said
from optimiser.report.records import render_records
from optimiser.report.train_caveats import caveats, energy_lines
from optimiser.report.wording import counted, number, percent, site, usd
from providers.offer import HOURS_PER_YEAR

HOURS_PER_DAY = 24
# Fewer are told to three digits, so that hours × price is what is paid.
FEW_HOURS = 10


def render_training(format_name: str, plan: TrainPlan, *, colour: bool = False) -> str:
    """The plan in one of LIST_FORMATS: the whole of it as JSON, what was compared as CSV. Raises UsageError."""
    rows = training_rows(plan)
    return render_records(format_name, rows, lambda: training_document(plan), whole=plan, colour=colour)


@dataclass(frozen=True, kw_only=True)
class TrainRow:
    """One cluster and way to pay that was compared; why_not says what keeps a cheaper one from being chosen. carbon_usd
    is weighed and no part of total_usd; upfront_usd is paid ahead, a part of machines_usd."""

    job: str
    chosen: bool
    how: str
    total_usd: Decimal | None
    days: float | None
    provider: str
    region: str
    instance_type: str
    instances: int | None
    gpus: int | None
    layout: str
    mfu: float | None
    gpu_hours: float | None
    machines_usd: Decimal | None
    storage_usd: Decimal | None
    overheads_usd: Decimal | None
    carbon_usd: Decimal | None
    upfront_usd: Decimal | None
    wasted_share: float | None
    why_not: str
    relative_error: float | None = None
    oldest_prices: tuple[OldestPrice, ...] = ()


def training_rows(plan: TrainPlan) -> tuple[TrainRow, ...]:
    """The choice, the best of each tier, and the next best, each once."""
    rows = [_record(plan, plan.choice, "", chosen=True)]
    rows += [_tier_record(plan, tier) for tier in plan.tiers if tier.choice != plan.choice]
    shown = [tier.choice for tier in plan.tiers]
    rows += [_record(plan, one, "") for one in plan.alternatives if one not in shown]
    return tuple(rows)


def _tier_record(plan: TrainPlan, tier: TrainTier) -> TrainRow:
    if tier.choice:
        return _record(plan, tier.choice, tier.why_not)
    return TrainRow(
        job=plan.job, chosen=False, how=tier.how, total_usd=None, days=None, provider="", region="",
        instance_type="", instances=None, gpus=None, layout="", mfu=None, gpu_hours=None, machines_usd=None,
        storage_usd=None, overheads_usd=None, carbon_usd=None, upfront_usd=None, wasted_share=None,
        why_not=tier.why_not,
    )  # fmt: skip


def _record(plan: TrainPlan, one: TrainChoice, why_not: str, *, chosen: bool = False) -> TrainRow:
    return TrainRow(
        job=plan.job,
        chosen=chosen,
        how=one.how,
        total_usd=one.total_usd,
        days=one.hours / HOURS_PER_DAY,
        provider=one.provider,
        region=one.region,
        instance_type=one.instance_type,
        instances=one.instances,
        gpus=one.gpus,
        layout=layout_text(one),
        mfu=one.mfu,
        gpu_hours=one.gpu_hours,
        machines_usd=one.machines_usd,
        storage_usd=one.storage_usd,
        overheads_usd=one.overheads_usd,
        carbon_usd=one.carbon_usd,
        upfront_usd=one.upfront_usd,
        wasted_share=wasted(one),
        why_not=why_not,
        relative_error=one.relative_error,
        oldest_prices=one.oldest_prices,
    )


def wasted(one: TrainChoice) -> float:
    """Share of the run's hours lost to checkpoints, work done again and restarts."""
    return sum(leg.hours * leg.wasted_share for leg in one.legs) / one.hours


def layout_text(one: TrainChoice) -> str:
    """TP2 PP4 DP64 EP8, ZeRO-1; degrees of one are left out."""
    degrees = (("TP", one.tensor), ("PP", one.pipeline), ("DP", one.data), ("EP", one.expert))
    named = " ".join(f"{name}{degree}" for name, degree in degrees if degree > 1)
    return f"{named or 'one GPU'}, ZeRO-{one.zero}" if one.data > 1 else named or "one GPU"


def training_document(plan: TrainPlan) -> Document:
    """The plan as a page."""
    sections = (
        Section("The cluster", _cluster(plan)),
        Section("How it was got", _how(plan)),
        Section(
            "What each way to pay costs",
            (_tiers(plan), *_oldest(tier.choice for tier in plan.tiers if tier.choice)),
        ),
        Section("Next best", (_alternatives(plan), *_oldest(plan.alternatives)) if plan.alternatives else ()),
        Section("Energy and carbon", energy_lines(plan)),
        Section("Before you rely on it", caveats(plan)),
    )
    return Document(_headline(plan), sections)


def _headline(plan: TrainPlan) -> str:
    one = plan.choice
    old = at_old_prices(one.oldest_prices)
    text = (
        f"{plan.job}: {usd(one.total_usd)} in {lasting(one.hours)} on {one.instances:,} × {one.instance_type} "
        f"({one.gpus:,} × {one.gpu}), {site(one.provider, one.region)}, {one.how}{old}; MFU {percent(one.mfu)} "
        f"± {100 * one.mfu * one.relative_error:.2g} points"
    )
    return text + (f"; prices: {', '.join(plan.old_prices)}" if plan.old_prices else "")


def _cluster(plan: TrainPlan) -> tuple[Table | str, ...]:
    one = plan.choice
    columns = (
        Column("paid"), Column("instances", right=True), Column("where"), Column("$/h each", right=True),
        Column("hours paid", right=True), Column("$", right=True),
    )  # fmt: skip
    rows = tuple(_leg_row(one, leg) for leg in one.legs)
    several = "es" * (one.micro_batches > 1)
    sequences = counted(one.micro_batch_sequences, "sequence")
    batch = f"{one.micro_batches:,} micro-batch{several} of {sequences} a step"
    chunks = f", {one.chunks} stages interleaved on each GPU" if one.chunks > 1 else ""
    layout = (
        f"Layout: {layout_text(one)}{chunks}; {batch}; computed again backward: {one.recompute}; "
        f"{number(one.memory_gib_per_gpu)} GiB of each GPU."
    )
    parts = f"Machines {usd(one.machines_usd)} + overheads {usd(one.overheads_usd)} + storage {usd(one.storage_usd)}"
    basis = f"Hours ±{percent(one.relative_error)} (median error)."
    return (
        Table(columns, rows),
        layout,
        " ".join((f"{parts} = {usd(one.total_usd)}.", *_cash(one))),
        " ".join((basis, *oldest_said(one.oldest_prices))),
    )


def _leg_row(one: TrainChoice, leg: TrainLeg) -> Row:
    term = f", {leg.term_months} months" if leg.term_months else ""
    restarts = f"{number(leg.interruptions)} restarts"
    lost = f"{percent(leg.wasted_share)} lost to the start, checkpoints, work done again and {restarts}"
    every = f"a checkpoint every {lasting(leg.checkpoint_every_hours)}, an interruption every {lasting(leg.mtbf_hours)}"
    paid = float(leg.billed_hours_per_instance)
    cells = (
        f"{leg.tier.replace('_', ' ')}{term}",
        f"{one.instances:,}",
        site(one.provider, leg.zone or one.region),
        f"{leg.usd_per_instance_hour:,.4f}",
        f"{paid:,.1f}" if paid >= FEW_HOURS else f"{paid:.3g}",
        usd(leg.usd),
    )
    return Row(cells, f"{lasting(leg.hours)}: {lost}; {every}.")


def _how(plan: TrainPlan) -> tuple[str, ...]:
    one, work = plan.choice, plan.work
    weights = f"{work.active_parameters / 1e9:,.2f} B weights a token" + (
        f" of {work.parameters / 1e9:,.1f} B" if work.parameters > 1.05 * work.active_parameters else ""
    )
    every = work.trained_parameters == work.parameters
    trained = "all trained" if every else f"{work.trained_parameters / 1e9:,.3g} B of adapters trained"
    chain = (
        f"{work.total_flops:.3g} FLOPs / ({counted(one.gpus, 'GPU')} × {one.peak_tflops:,.0f} TFLOPS × MFU "
        f"{percent(one.mfu)}) = {lasting(one.estimated_hours)}"
    )
    hardware = f", HFU {percent(one.step_hfu)}" if one.step_hfu > one.step_mfu else ""
    planned = sum(leg.hours * (1 - leg.wasted_share) for leg in one.legs)
    sure = f", which {percent(plan.confidence)} of such estimates reach" if plan.confidence else ""
    slower = planned / one.estimated_hours - 1
    return (
        f"{weights}, {trained} ({plan.method}): {work.flops_per_token / 1e9:,.1f} GFLOPs a token with attention over "
        f"{plan.sequence_tokens:,} tokens × {plan.tokens:.4g} tokens = {work.total_flops:.3g} FLOPs in "
        f"{counted(work.steps, 'step')}.",
        f"{chain}: a step takes {number(one.step_seconds)} s (MFU {percent(one.step_mfu)}"
        f"{hardware}), and a run keeps {percent(one.mfu / one.step_mfu)} of that rate between failures.",
        f"Planned {percent(slower)} slower{sure}: {lasting(planned)}; with the start and what interruptions cost "
        f"{lasting(one.hours)}, {number(one.gpu_hours)} GPU-hours. At the estimate itself: "
        f"{lasting(plan.estimate_hours)} and {usd(plan.estimate_usd)}.",
        f"Deadline: {lasting(plan.deadline_hours)} ({plan.deadline}).",
        *([f"Source of the job's figures: {plan.source.rstrip('.')}."] if plan.source else []),
    )


def _columns(plan: TrainPlan) -> tuple[Column, ...]:
    weighed = (Column("with CO2e", right=True),) * bool(plan.carbon_usd_per_tonne)
    return (
        Column("paid"), Column("$", right=True), *weighed, Column("takes", right=True), Column("cluster"),
        Column("where"), Column("lost", right=True),
    )  # fmt: skip


def _tiers(plan: TrainPlan) -> Table:
    columns = _columns(plan)
    rows = []
    for tier in plan.tiers:
        one = tier.choice
        if one is None:
            rows.append(Row((tier.how, "—", *[""] * (len(columns) - 2)), tier.why_not))
            continue
        said = [f"Not chosen: {tier.why_not}."] if tier.why_not else []
        if one.how == "reserved":
            said = [_terms_paid(one.legs[0])]
        rows.append(Row((tier.how, *_compared(plan, one)), " ".join((*said, *_cash(one)))))
    return Table(columns, tuple(rows))


def _oldest(choices: Iterable[TrainChoice]) -> tuple[str, ...]:
    return oldest_said(oldest_of(price for one in choices for price in one.oldest_prices))


def _cash(one: TrainChoice) -> tuple[str, ...]:
    """What is paid ahead, where any is."""
    if not one.upfront_usd:
        return ()
    each = any(leg.term_months and _terms(leg) > 1 for leg in one.legs)
    return (f"{usd(one.upfront_usd)} of it is cash up front{', at the start of each term' * each}.",)


def _terms(leg: TrainLeg) -> int:
    return round(float(leg.billed_hours_per_instance) / (leg.term_months * HOURS_PER_YEAR / 12))


def _terms_paid(leg: TrainLeg) -> str:
    """A commitment is paid to its end, and bought again where the run outlasts it."""
    terms = _terms(leg)
    if terms == 1:
        return f"The whole term of {leg.term_months} months is paid, used or not."
    return f"{terms} whole terms of {leg.term_months} months are paid one after another, used or not."


def _alternatives(plan: TrainPlan) -> Table:
    columns = (*_columns(plan), Column("MFU", right=True), Column("layout"))
    rows = (
        Row((one.how, *_compared(plan, one), percent(one.mfu), layout_text(one)), " ".join(_cash(one)))
        for one in plan.alternatives
    )
    return Table(columns, tuple(rows))


def _compared(plan: TrainPlan, one: TrainChoice) -> tuple[str, ...]:
    weighed = (usd(one.total_usd + one.carbon_usd),) * bool(plan.carbon_usd_per_tonne)
    return (
        usd(one.total_usd),
        *weighed,
        lasting(one.hours),
        f"{one.instances:,} × {one.instance_type}",
        site(one.provider, one.region),
        percent(wasted(one)),
    )
