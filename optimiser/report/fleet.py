"""The fleet: what to buy, how to pay for it, what signing means, and what must be reserved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from decimal import Decimal

from optimiser.planning.plan import Plan
from optimiser.planning.plan_bought import (
    PlanAmount,
    PlanCommitment,
    PlanOffer,
    PlanOption,
    PlanPurchase,
)
from optimiser.report.document import Block, Column, Row, Table
from optimiser.report.headline import after_stages
from optimiser.report.up_front import capital_said
from optimiser.report.wording import (
    HOW,
    counted,
    hourly,
    ordinal,
    percent,
    provider_name,
    site,
    units,
    usd,
    words,
)
from providers.offer import STANDARD

# What reserves capacity, by provider and obtainability; a price is not capacity. Sources: AWS EC2 User Guide
# (On-Demand Capacity Reservations, Capacity Blocks), Google Compute Engine reservations and AI Hypercomputer
# consumption options, Azure on-demand capacity reservation.
_RESERVE = {
    ("aws", "scarce"): "an On-Demand Capacity Reservation or a Capacity Block",
    ("aws", "reservation_only"): "a Capacity Block",
    ("gcp", "scarce"): "a reservation (attached to the commitment, where there is one)",
    ("gcp", "reservation_only"): "a future reservation (calendar mode) or flex-start",
    ("azure", "scarce"): "an on-demand capacity reservation group",
    ("azure", "reservation_only"): "an on-demand capacity reservation group",
}
_COLUMNS = (
    Column("paid"),
    Column("units", right=True),
    Column("instance type"),
    Column("GPUs"),
    Column("where"),
    Column("$/h each", right=True),
    Column("$ a month", right=True),
)


def title(plan: Plan) -> str:
    """The fleet, and from when it is that where stages come before it."""
    first = after_stages(plan)
    return f"Fleet from {first}" if first else "Fleet"


def table(plan: Plan) -> Table:
    """What is bought, by how it is paid and what it costs."""
    options = {option.id: option for option in plan.options}
    offers = {offer.id: offer for offer in plan.offers}
    order = list(HOW)
    purchases = sorted(
        plan.purchases,
        key=lambda one: (order.index(one.how) if one.how in order else len(order), -one.monthly_usd),
    )
    return Table(
        _COLUMNS, tuple(_row(plan, one, options[one.option], offers[one.offer]) for one in purchases)
    )


def blocks(plan: Plan) -> tuple[Block, ...]:
    """The fleet by purchase, then what is scarce in it."""
    return (
        table(plan),
        *_to_sign(plan),
        *_within_budget(plan),
        *_at_their_quotes(plan),
        *_interrupted(plan),
        *_groups(plan),
        *_scarce(plan),
    )


def firm_instances(plan: Plan, but: Collection[str] = ("spot",)) -> dict[str, int]:
    """The most instances that are not spot (not paid in the ways of `but`), at any one time, by option id."""
    options = {option.id: option for option in plan.options}
    purchases = {purchase.id: purchase for purchase in plan.purchases}
    running: dict[tuple[str, int, int], int] = defaultdict(int)
    for count in plan.counts:
        purchase = purchases[count.purchase]
        if purchase.how not in but:
            instances = count.units * options[purchase.option].instances_per_unit
            running[purchase.option, count.scenario, count.period] += instances
    most: dict[str, int] = defaultdict(int)
    for (option, _, _), instances in running.items():
        most[option] = max(most[option], instances)
    return dict(most)


def _row(plan: Plan, purchase: PlanPurchase, option: PlanOption, offer: PlanOffer) -> Row:
    count = units(purchase.min_units, purchase.max_units)
    where = site(option.provider, offer.zone or option.region)
    scarce = "" if option.obtainability == "elastic" else " !"
    cells = (
        _paid(purchase, offer),
        count if option.instances_per_unit == 1 else f"{count} × {option.instances_per_unit}",
        option.instance_type + scarce + _whose(offer),
        f"{option.gpus_per_instance} × {option.gpu}",
        where,
        hourly(offer.planned_usd_per_hour),
        usd(purchase.monthly_usd),
    )
    said = (
        _commitment(plan, purchase, option, offer) or _owned(purchase, offer) or _quoted(plan, offer),
        _terms(offer),
    )
    return Row(cells, " ".join(text for text in said if text))


def _paid(purchase: PlanPurchase, offer: PlanOffer) -> str:
    """How it is paid; another market is named in the place of on demand, which is not what it is."""
    how = HOW.get(purchase.how, words(purchase.how))
    return how if offer.market == STANDARD else how.replace("on demand", words(offer.market))


def _whose(offer: PlanOffer) -> str:
    """The contract of a private price, and that a list price is from the user's own file."""
    return f" ({offer.contract})" if offer.contract else " (own price)" if offer.own else ""


def _terms(offer: PlanOffer) -> str:
    """What limits a private price."""
    if not offer.contract:
        return ""
    most = "" if offer.max_instances is None else f", at most {counted(offer.max_instances, 'instance')}"
    until = "" if offer.valid_until is None else f", until {offer.valid_until}"
    return f"Contract {offer.contract}{most}{until}."


def _commitment(plan: Plan, purchase: PlanPurchase, option: PlanOption, offer: PlanOffer) -> str:
    """What signing means, for all units of a commitment."""
    signed = purchase.commitment
    if signed is None:
        return ""
    kind = f"{words(offer.kind)} of {offer.term_months} months, {words(offer.payment)}"
    even = "break-even unknown (no on-demand price)"
    if signed.break_even_utilisation is not None:
        even = f"breaks even at {percent(signed.break_even_utilisation)} use"
    loss = f"if the service ends half way, {usd(signed.loss_if_ended_half_way_usd)} is lost"
    money = f"contract {usd(signed.contract_value_usd)}, {usd(signed.upfront_usd)} cash up front"
    money += capital_said(plan.policy, signed.capital_monthly_usd)
    return f"{option.instance_type}, {kind}: {money}; {even}{_with_less(signed)}; {loss}. A discount, not capacity."


def _to_sign(plan: Plan) -> list[str]:
    """Contracts that are not sold by the instance: what to sign, and what they may cover."""
    statements = []
    for row in plan.signing:
        if any(amount.unit == "instance" for amount in row.amounts):
            continue
        what = ", ".join(map(amount_text, row.amounts))
        covers = row.scope or f"any machine and region of {provider_name(row.provider)}"
        attached = " Attach its GPUs to a reservation." if row.kind == "committed_use" else ""
        statements.append(
            f"To sign: {words(row.kind)} of {row.term_months} months, {words(row.payment)}: {what}, for {covers}."
            f"{attached}"
        )
    return statements


def _within_budget(plan: Plan) -> list[str]:
    """How much of the budget for commitments is used."""
    most = plan.policy.get("max_committed_monthly_usd")
    if most is None:
        return []
    signed = sum((one.monthly_usd for one in plan.purchases if one.how == "commitment"), Decimal(0))
    budget = Decimal(repr(float(most)))
    return [f"Commitments come to {usd(signed)} of the {usd(budget)} a month that may be signed."]


def amount_text(one: PlanAmount) -> str:
    """$88.20 an hour, 416 vCPU, 16 × H100."""
    if one.unit == "usd_per_hour":
        return f"${hourly(one.amount)} an hour"
    known = {"vcpu": "vCPU", "gib": "GiB"}.get(one.unit)
    return f"{float(one.amount):,.10g} {known}" if known else f"{one.amount:,} × {one.unit}"


def _owned(purchase: PlanPurchase, offer: PlanOffer) -> str:
    """How long what is owned is paid, and how much of it is not needed."""
    if purchase.how != "owned" or offer.max_instances is None:
        return ""
    kind = f" ({words(offer.kind)})" if offer.kind else ""
    return (
        f"Of {counted(offer.max_instances, 'instance')} owned until {offer.valid_until}{kind}: paid already."
    )


def _with_less(signed: PlanCommitment) -> str:
    """What is left of its use and of its saving where demand falls."""
    share, beats = signed.used_share_at_30_pct_less_demand, signed.beats_on_demand_at_30_pct_less_demand
    if share is None:
        return ""
    against = {True: ", cheaper than on demand", False: ", DEARER than on demand", None: ""}[beats]
    return f"; at 30 % less demand {percent(share)} of it is used{against}"


def _quoted(plan: Plan, offer: PlanOffer) -> str:
    """Where a spot price is planned on that is not the quote: which, and the quote."""
    if offer.spot is None or offer.spot.price_basis == "quote":
        return ""
    quote = f"quoted at {hourly(offer.usd_per_hour)} on {offer.observed_on}"
    expected = hourly(offer.spot.expected_usd_per_hour)
    if offer.spot.price_basis == "floor":
        return f"{offer.instance_type} spot: {quote}, planned at the policy's floor, {expected}"
    days, share = offer.spot.history_days or 0, plan.policy["spot_price_percentile"]
    past = f"the {ordinal(share)} percentile of {days:g} days, {expected}"
    return f"{offer.instance_type} spot: planned at {past}; {quote}"


def _at_their_quotes(plan: Plan) -> list[str]:
    """Which spot prices are of the moment, for want of a past."""
    days = {one.observed_on for one in plan.offers if one.spot and one.spot.price_basis == "quote"}
    if not days:
        return []
    of = " to ".join(dict.fromkeys((str(min(days)), str(max(days)))))
    every = all(one.spot.price_basis == "quote" for one in plan.offers if one.spot)
    which = "Spot" if every else "Spot without a line of its own"
    return [f"{which} is planned at the quotes of {of}: less than a day of these pools' past is known."]


def _interrupted(plan: Plan) -> list[str]:
    """What interruptions add to the prices of spot, once for all offers of which they are known alike."""
    known: dict[tuple[float, str, float], dict[str, None]] = defaultdict(dict)
    for one in plan.offers:
        if one.spot and one.spot.available_share < 1:
            key = (one.spot.interruptions_per_hour, one.spot.interruptions_source, one.spot.available_share)
            known[key][f"{one.instance_type} in {one.region}"] = None
    minutes = plan.policy.get("spot_replacement_minutes", 0)
    return [
        f"{'Spot' if len(known) == 1 else 'Spot of ' + ', '.join(names)} is priced with {hazard:.2g} interruptions "
        f"an instance-hour ({source}), {minutes:g} min each: on demand stands in for {percent(1 - share)} of the time."
        for (hazard, source, share), names in known.items()
    ]


def _groups(plan: Plan) -> list[str]:
    used = {purchase.option for purchase in plan.purchases}
    return [
        f"One unit of {option.instance_type} is a group of {counted(option.instances_per_unit, 'instance')} "
        "that holds one replica."
        for option in plan.options
        if option.id in used and option.instances_per_unit > 1
    ]


def _scarce(plan: Plan) -> list[str]:
    """What to ask the provider for, per option whose price is not capacity."""
    firm = firm_instances(plan)
    statements = []
    for option in plan.options:
        if option.obtainability == "elastic" or option.id not in firm:
            continue
        ask = _RESERVE.get((option.provider, option.obtainability), "a capacity reservation")
        amount = f"{firm[option.id]:,} × {option.instance_type} in {option.region}"
        what = f"! {option.instance_type} is {words(option.obtainability)}: a price is not capacity. Ask"
        statements.append(
            f"{what} {provider_name(option.provider)} for {ask} of {amount} before relying on it."
        )
    return statements
