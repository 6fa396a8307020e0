"""Services planned together, in words: what they cost, what sharing saves, what is bought once and what each runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from optimiser.errors import bad_value, did_you_mean
from optimiser.planning.plan import HOURS_PER_MONTH, to_jsonable
from optimiser.planning.price_ages import OldestPrice, oldest_seen, past_their_age
from optimiser.planning.rules.carbon import carbon_in_words
from optimiser.planning.rules.weighed import weighing_in_words
from optimiser.planning.together.apart_cost import cash_of
from optimiser.planning.together.plan import ServicePart, SharedOffer, TogetherPlan, uses_owned
from optimiser.policy import Policy
from optimiser.report.as_markdown import markdown_of
from optimiser.report.choices import quota_table
from optimiser.report.document import Column, Document, Row, Section, Table
from optimiser.report.price_age import at_old_prices, rests_on
from optimiser.report.text_layout import text_of
from optimiser.report.together_footprint import footprint_blocks
from optimiser.report.up_front import so_much_said
from optimiser.report.wording import HOW, percent, provider_name, site, units, usd, words

FORMATS = ("table", "json", "markdown")
_SHORT_HOW = HOW | {"on_demand": "by hour"}


def render_together(format_name: str, plan: TogetherPlan, *, colour: bool = False) -> str:
    """The plan in one of FORMATS. Raises UsageError for another."""
    if format_name == "json":
        return json.dumps(to_jsonable(plan), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if format_name == "table":
        return text_of(together_document(plan), colour=colour)
    if format_name == "markdown":
        return markdown_of(together_document(plan))
    raise bad_value(
        "--format", "format", format_name, did_you_mean(format_name, FORMATS) + " (with --together)"
    )


def together_document(plan: TogetherPlan) -> Document:
    """The report of services together."""
    return Document(
        _headline(plan),
        (
            Section("Services", (_services(plan),)),
            Section("Bought once, for all", _shared(plan)),
            Section("Quota to ask for", quota_table(plan.quotas)),
            Section("Cost", (*_cost(plan), rests_on(plan.estimate_relative_error, _oldest(plan)))),
            Section("Energy and carbon", footprint_blocks(plan)),
            Section("Proof", (_proof(plan),)),
            Section("Not included", (", ".join(plan.not_included) + ".",)),
            Section("Notes", plan.notes),
        ),
    )


def _headline(plan: TogetherPlan) -> str:
    totals, count = plan.totals, sum(len(part.stands_for) for part in plan.services)
    how = "as one" if len(plan.services) == 1 else "apart, nothing cheaper found together"
    if plan.together:
        how = "together"
    said = f"{count:,} services {how}: {usd(totals.total_monthly_usd)} a month"
    places = {site(o.provider, o.region): None for part in plan.services for o in part.options}
    if len(places) == 1:
        said += f" on {next(iter(places))}"
    if plan.providers_left_out:
        without = ", ".join(
            f"{provider_name(one.provider)} ({one.reason})" for one in plan.providers_left_out
        )
        said += f" without {without}"
    oldest = _oldest(plan)
    said += at_old_prices(oldest)
    saving = totals.saving_monthly_usd
    if totals.apart_monthly_usd is None:
        said += ", no plan apart"
    elif saving is None:
        said += f"; apart is planned without what is owned ({usd(totals.apart_monthly_usd)})"
    elif saving > 0:
        share = percent(float(saving / totals.apart_monthly_usd))
        said += f", {usd(saving)} ({share}) below {usd(totals.apart_monthly_usd)} apart"
    old = ", ".join(past_their_age(oldest))
    sure = f"gap {percent(plan.bound.gap)}, throughput ±{percent(plan.estimate_relative_error)}"
    return f"{said}; {sure}" + (f"; prices: {old}" if old else "")


def _oldest(plan: TogetherPlan) -> tuple[OldestPrice, ...]:
    """The oldest price in use of each tier, by the first service's limits of age."""
    seen = ((row.tier, row.oldest_used) for row in plan.price_dates)
    return oldest_seen(seen, plan.services[0].policy, plan.planned_on)


def _services(plan: TogetherPlan) -> Table:
    columns = (
        Column("service"),
        Column("runs (units)"),
        Column("$ a month", right=True),
        Column("apart, nothing owned" if uses_owned(plan.shared) else "apart", right=True),
    )
    return Table(columns, tuple(_service(part, plan.together) for part in plan.services))


def _service(part: ServicePart, together: bool) -> Row:
    options = {option.id: option for option in part.options}
    running: dict[tuple[str, str], dict[int, int]] = {}
    for row in part.counts:
        bought = next(one for one in part.purchases if one.id == row.purchase)
        by_period = running.setdefault((options[bought.option].instance_type, bought.how), {})
        by_period[row.period] = by_period.get(row.period, 0) + row.units
    periods = len(part.demand)
    fleet: dict[str, list[str]] = {}
    for (name, how), counts in running.items():
        least = min(counts.values()) if len(counts) == periods else 0
        fleet.setdefault(name, []).append(f"{units(least, max(counts.values()))} {_SHORT_HOW[how]}")
    said = ", ".join(f"{name} {' + '.join(ways)}" for name, ways in fleet.items())
    apart = "no plan" if part.apart_monthly_usd is None else usd(part.apart_monthly_usd)
    cash = so_much_said(part.policy, *cash_of(part.purchases))
    then = so_much_said(part.policy, part.apart_upfront_usd or Decimal(0), part.apart_capital_monthly_usd)
    detail = " ".join(_cash(cash, then, together))
    return Row((part.service.name, said, usd(part.monthly_usd), apart), detail)


def _cash(now: str, apart: str, together: bool) -> tuple[str, ...]:
    """What is signed, and what would be planned apart where that is another plan."""
    other = apart if together or apart != now else ""
    return tuple(f"{of}: {said}." for of, said in (("Commitments", now), ("Apart", other)) if said)


def _shared(plan: TogetherPlan) -> tuple[Table, ...]:
    if not plan.shared:
        return ()
    columns = (
        Column("paid"),
        Column("instances", right=True),
        Column("instance type"),
        Column("where"),
        Column("in use", right=True),
        Column("$ a month", right=True),
    )
    policy = plan.services[0].policy
    return (Table(columns, tuple(_shared_row(one, policy) for one in plan.shared)),)


def _shared_row(one: SharedOffer, policy: Mapping[str, Any]) -> Row:
    offer = one.offer
    cash = so_much_said(policy, one.upfront_usd, one.capital_monthly_usd)
    terms = f", {offer.term_months} months, {words(offer.payment)}" if offer.term_months else ""
    return Row(
        (
            f"{HOW[one.how]}{terms}",
            f"{one.instances:,}",
            offer.instance_type,
            site(offer.provider, offer.region),
            percent(one.used_share),
            usd(one.monthly_usd),
        ),
        cash and f"{cash}.",
    )


def _cost(plan: TogetherPlan) -> tuple[str, ...]:
    totals = plan.totals
    cash = so_much_said(plan.services[0].policy, totals.upfront_usd, totals.capital_monthly_usd)
    month = (
        f"Instances {usd(totals.monthly_usd)} + overheads {usd(totals.overheads_monthly_usd)} = "
        f"{usd(totals.total_monthly_usd)} a month of {HOURS_PER_MONTH} h; {totals.max_gpus:,} GPUs at the most at once."
    )
    then = so_much_said(
        plan.services[0].policy, totals.apart_upfront_usd or Decimal(0), totals.apart_capital_monthly_usd
    )
    return (month, *_cash(cash, then, plan.together))


def _proof(plan: TogetherPlan) -> str:
    bound = plan.bound
    least = f"No plan of these services in one site, or apart, costs less than {usd(bound.value_usd)} a month"
    if bound.dropped_rules:
        least += f", as if without {' and '.join(map(words, bound.dropped_rules))}"
    policy = Policy.model_validate(plan.services[0].policy)
    weighing, carbon = weighing_in_words(policy), carbon_in_words(policy)
    if (weighing or carbon) and bound.plan_usd is not None:
        least += f", where this one comes to {usd(bound.plan_usd)}"
        least += f", {weighing} and not as they are billed" * bool(weighing) + f", {carbon}" * bool(carbon)
    return f"{least}: gap {percent(bound.gap)} ({bound.method})."
