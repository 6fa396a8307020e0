"""Levers on a serving bill: what each saves alone, what they save together, and what it asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from optimiser.config.levers import LeverFacts
from optimiser.costing.levers.lever import Asks, Changed, InPlace
from optimiser.costing.levers.replanned import all_in_usd, energy_of, latency_of
from optimiser.costing.levers.study import Combination, Pulled, Study
from optimiser.planning.plan import Plan
from optimiser.planning.plan_bought import PlanOption
from optimiser.planning.price_ages import OldestPrice
from optimiser.report.plan_list import row_of
from optimiser.report.up_front import capital_monthly_usd, cash_said
from optimiser.report.wording import number, term

ASKED = {
    Asks.NOTHING: "the same answers in the same time",
    Asks.PRECISION: "the same model in fewer bits",
    Asks.ANSWERS: "other answers or waiting times",
}
BASELINE, LEVER, IN_PLACE, NOT_HERE, COMBINATION = (
    "baseline",
    "lever",
    "in place",
    "does not apply",
    "combination",
)
NO_FIGURE = "no published figure"


@dataclass(frozen=True, kw_only=True)
class LeverRow:
    """The baseline, a lever, or a combination of levers.

    kind: baseline | lever | in place | does not apply | combination. Money, latency and energy are those of the plan
    under the lever (of a lever in place: of the plan without it), null where there is none; saved_usd a month and
    saved_kwh are against the baseline (of a lever in place: what it saves already), negative where it costs more.
    capital_monthly_usd is what the capital in cash up front costs beside monthly_usd, in no other figure.
    within_gap: saved_usd is below what the two plans are proven to. TTFT and TPOT are at the target's percentile at the
    load of each hour, the mean over its requests. estimate_relative_error is the median error of its throughput.
    """

    workload: str
    kind: str
    name: str
    title: str
    group: str
    asks: str
    setting: str
    monthly_usd: Decimal | None = None
    saved_usd: Decimal | None = None
    saved_share: float | None = None
    capital_monthly_usd: Decimal | None = None
    within_gap: bool | None = None
    ttft_ms: float | None = None
    tpot_ms: float | None = None
    kwh_monthly: float | None = None
    saved_kwh: float | None = None
    kg_co2e_monthly: float | None = None
    where: str = ""
    fleet: str = ""
    gap: float | None = None
    estimate_relative_error: float | None = None
    oldest_prices: tuple[OldestPrice, ...] = ()
    levers: tuple[str, ...] = ()
    quality: tuple[str, ...] = ()
    note: str = ""
    why: str = ""


def lever_rows(name: str, found: Study, facts: LeverFacts) -> tuple[LeverRow, ...]:
    """The baseline, every lever in the registry's order, and the combinations."""
    first = LeverRow(
        workload=name,
        kind=BASELINE,
        name=BASELINE,
        title="as it is",
        group="",
        asks="",
        setting="",
        note=cash_said(found.baseline),
        **_figures(found.baseline, None),
    )
    pulled = (_row(name, one, found.baseline, facts) for one in found.pulled)
    together = (_together(name, one, found, facts) for one in found.combinations)
    return (first, *pulled, *together)


def _figures(plan: Plan, baseline: Plan | None) -> dict[str, Any]:
    """The fields of a row that are read off a plan."""
    short, latency, energy = row_of("", plan), latency_of(plan), energy_of(plan)
    before = energy_of(baseline) if baseline else None
    return {
        "monthly_usd": all_in_usd(plan),
        "capital_monthly_usd": capital_monthly_usd(plan),
        "ttft_ms": latency and latency[0],
        "tpot_ms": latency and latency[1],
        "kwh_monthly": energy and energy.kwh,
        "saved_kwh": before.kwh - energy.kwh if before and energy else None,
        "kg_co2e_monthly": energy and energy.kg_co2e,
        "where": short.where,
        "fleet": short.fleet,
        "gap": plan.bound.gap,
        "estimate_relative_error": plan.estimate_relative_error,
        "oldest_prices": short.oldest_prices,
    }


def _row(name: str, one: Pulled, baseline: Plan, facts: LeverFacts) -> LeverRow:
    lever, outcome, replanned = one.lever, one.outcome, one.replanned
    plan = replanned.plan if replanned else None
    why = replanned.why_no_plan if replanned else ""
    changed = isinstance(outcome, Changed)
    kind = LEVER if changed else IN_PLACE if isinstance(outcome, InPlace) else NOT_HERE
    saved = one.saved_usd
    against = all_in_usd(baseline) if changed or plan is None else all_in_usd(plan)
    figures: dict[str, Any] = _figures(plan, baseline) if plan else {}
    if kind == IN_PLACE and figures.get("saved_kwh") is not None:
        figures["saved_kwh"] = -figures["saved_kwh"]
    return LeverRow(
        workload=name,
        kind=kind,
        name=lever.name,
        title=lever.title,
        group=lever.group,
        asks=ASKED[lever.asks],
        setting=outcome.setting if isinstance(outcome, Changed) else "",
        saved_usd=saved,
        saved_share=None if saved is None else float(saved / against),
        within_gap=one.within_gap if plan else None,
        quality=quality_of(one, facts),
        note=_note(one, baseline) if isinstance(outcome, Changed) else "",
        why=why if isinstance(outcome, Changed) else outcome.why,
        **figures,
    )


def _note(one: Pulled, baseline: Plan) -> str:
    """What has to be known; also why it costs more, and that one side alone rests on measurements, which is no fair
    comparison."""
    said = [one.outcome.note] if isinstance(one.outcome, Changed) else []
    plan = one.replanned.plan if one.replanned else None
    if plan is not None:
        said.append(cash_said(plan))
        if not one.within_gap and (one.saved_usd or 0) < 0:
            said += _why_dearer(baseline, plan)
        if _anchored(plan) and not _anchored(baseline):
            said.append("this plan rests on your measurements, the baseline does not")
        if _anchored(baseline) and not _anchored(plan):
            said.append("the baseline rests on your measurements, this plan does not")
    return "; ".join(text for text in said if text)


def _why_dearer(baseline: Plan, plan: Plan) -> list[str]:
    """Of the machines that the baseline takes, those that are out under the lever, with what is taken in their place,
    and those that carry less."""
    out = {(row.provider, row.instance_type): row.reason for row in plan.rejections}
    after = {(one.provider, one.instance_type): one for one in plan.options}
    said = []
    for key, before in {(one.provider, one.instance_type): one for one in baseline.options}.items():
        now = after.get(key)
        if now is None and key in out:
            said.append(f"{key[1]}, which the baseline takes, is out: {out[key]}")
        elif now is not None and _same_unit(before, now) and now.estimated_rps < before.estimated_rps:
            rates = f"{number(now.estimated_rps)} req/s in place of {number(before.estimated_rps)}"
            said.append(f"{key[1]} carries {rates} ({term(now.limited_by)})")
    if any("is out" in text for text in said):
        said.append(f"what is left takes {row_of('', plan).fleet}")
    return said


def _same_unit(one: PlanOption, other: PlanOption) -> bool:
    return one.instances_per_unit == other.instances_per_unit


def _anchored(plan: Plan) -> bool:
    return any(option.estimate_method.startswith("anchored on") for option in plan.options)


def quality_of(one: Pulled, facts: LeverFacts) -> tuple[str, ...]:
    """What is published of its price in quality; nothing where it asks none."""
    if not isinstance(one.outcome, Changed) or not one.lever.technique:
        return ()
    rows = facts.of(one.lever.technique, one.outcome.weights_left)
    known = [f"{row.figure} ({row.benchmark}; {row.source})" for row in rows]
    return (one.outcome.quality,) if one.outcome.quality else tuple(known) or (NO_FIGURE,)


def _together(name: str, one: Combination, found: Study, facts: LeverFacts) -> LeverRow:
    kept = [pulled for pulled in found.pulled if pulled.lever.name in one.kept]
    return LeverRow(
        workload=name,
        kind=COMBINATION,
        name=" + ".join(one.kept),
        title=ASKED[one.asks],
        group="",
        asks=ASKED[one.asks],
        setting=_joined(one.settings),
        saved_usd=one.saved_usd,
        saved_share=float(one.saved_usd / all_in_usd(found.baseline)),
        within_gap=False,
        levers=one.kept,
        note=cash_said(one.plan),
        quality=tuple(text for pulled in kept for text in quality_of(pulled, facts)),
        **_figures(one.plan, found.baseline),
    )


def _joined(settings: Sequence[str]) -> str:
    """Options of the command line first, as one line of it, then what no option does."""
    options = [text for text in settings if text.startswith("--")]
    return "; ".join([" ".join(options), *(text for text in settings if not text.startswith("--"))])


def of_kind(rows: Sequence[LeverRow], kind: str) -> list[LeverRow]:
    """The rows of one kind, in order."""
    return [row for row in rows if row.kind == kind]
