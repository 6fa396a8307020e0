"""What stands below a budget's lines: cost per use, training jobs, energy, the tornado, buying or renting."""

from __future__ import annotations

from decimal import Decimal

from optimiser.costing.project.amounts import ZERO
from optimiser.costing.project.budget import Budget
from optimiser.costing.project.buy_or_rent import (
    ABOVE,
    ALWAYS,
    BELOW,
    NEVER,
    BreakEven,
    BuyOrRent,
    RentedTier,
)
from optimiser.costing.project.sensitivity import Swing
from optimiser.costing.project.training_job import JobFigures
from optimiser.report.document import Block, Chart, Column, Row, Table
from optimiser.report.price_age import marked, oldest_said
from optimiser.report.wording import counted, hourly, number, percent, site, usd, usd_or_dash, words

_BARS = 12
_SHOWN_SWINGS = 15
_SHOWN_CASH = 6
_NAME_WIDTH = 36


def per_use(budget: Budget) -> tuple[Block, ...]:
    """Cost per user, query and 1M tokens, of all lines and of serving alone."""
    unit = budget.unit_costs
    if unit is None:
        return ()
    columns = (Column(""), Column("all lines", right=True), Column("serving", right=True))
    rows = (
        ("per user and month", unit.usd_per_user_month, unit.serving_usd_per_user_month),
        ("per query", unit.usd_per_query, unit.serving_usd_per_query),
        ("per 1M tokens", unit.usd_per_million_tokens, unit.serving_usd_per_million_tokens),
    )
    said = (
        f"As expected, over {unit.queries:,.0f} queries and {unit.users_months:,.0f} users × months; nothing is spread "
        "beyond the horizon."
    )
    table = Table(
        columns, tuple(Row((name, usd_or_dash(whole), usd_or_dash(own))) for name, whole, own in rows)
    )
    return (table, said)


def training(budget: Budget) -> tuple[Block, ...]:
    """What one run of each training job comes to, as its own plan has it."""
    return tuple(f"{job.section}: {_job(job)}" for job in budget.training_jobs)


def energy(budget: Budget) -> tuple[Block, ...]:
    """What serving and one run of each training draw and emit, as expected."""
    known = budget.energy
    if known is None:
        return ()
    parts = [
        f"one run of {run.section}: "
        + ("not known, for want of a `job`" if run.kwh is None else _drawn(run.kwh, run.kg_co2e))
        for run in known.runs
    ]
    if known.inference_kwh:
        served = _drawn(_summed(known.inference_kwh), _summed(known.inference_kg_co2e))
        parts.insert(0, f"serving over the horizon: {served}")
    return (f"As expected: {'; '.join(parts)}. By the grids' yearly averages, without making the machines.",)


def _summed(months: tuple[float | None, ...]) -> float | None:
    known = [month for month in months if month is not None]
    return sum(known) if len(known) == len(months) else None


def _drawn(kwh: float | None, kg_co2e: float | None) -> str:
    if kwh is None:
        return "not known"
    carbon = "CO2e not known" if kg_co2e is None else f"{kg_co2e:,.0f} kg CO2e"
    return f"{kwh:,.0f} kWh and {carbon}"


def _job(job: JobFigures) -> str:
    cluster = f"{job.instances:,} × {job.instance_type}, {site(job.provider, job.region)}, {job.how}"
    span = f" ({usd(job.usd.low)} to {usd(job.usd.high)})" if job.usd.is_given else ""
    return (
        f"{job.job} on {cluster}: {job.gpu_hours.expected:,.0f} GPU-hours in {number(float(job.hours.expected))} h, "
        f"{usd(job.usd.expected)}{span} and {job.kwh.expected:,.0f} kWh a run. "
        + " ".join(
            (
                *_terms(job),
                *_cash(job),
                f"Hours ±{percent(job.relative_error)} (median error).",
                *oldest_said(job.oldest_prices),
            )
        )
    )


def _terms(job: JobFigures) -> tuple[str, ...]:
    """The whole terms that all runs together are paid by, and what of them lies beyond the horizon."""
    if not job.term_months:
        return ()
    how = "one after another" if job.section == "training" else "spread over the months"
    runs = "One run pays" if job.runs == 1 else f"{number(float(job.runs))} runs {how} pay"
    beyond = counted(job.months_beyond_end, "month")
    after = f"; the last ends {beyond} after the horizon, paid in full here" if job.months_beyond_end else ""
    return (
        f"{runs} for {counted(job.terms, 'whole term')} of {counted(job.term_months, 'month')} at "
        f"{usd(job.term_usd)} each, used or not{after}.",
    )


def _cash(job: JobFigures) -> tuple[str, ...]:
    """The cash up front and its months, where any is."""
    if not job.upfront_usd:
        return ()
    shown = ", ".join(f"{usd(one.usd)} in {one.month}" for one in job.upfront[:_SHOWN_CASH])
    left = len(job.upfront) - _SHOWN_CASH
    more = f" and {left} more months" if left > 0 else ""
    later = " or later" if job.term_months and job.months_beyond_end >= job.term_months else ""
    return (
        f"Of all runs {usd(job.upfront_usd)} is cash up front ({shown}{more}{later}), which the months above spread "
        "evenly.",
    )


def moving(budget: Budget) -> tuple[Block, ...]:
    """The tornado: each input at its two ends, the one that moves the total most first."""
    shown = budget.sensitivity[:_SHOWN_SWINGS]
    if not shown:
        return ()
    expected = budget.total.expected
    ends = [usd_at for swing in shown for usd_at in (swing.usd_at_low, swing.usd_at_high)]
    widest = max(abs(usd_at - expected) for usd_at in ends if usd_at is not None)
    names = max(len(swing.input) for swing in shown)
    lines = tuple(_bar(swing, expected, widest, min(names, _NAME_WIDTH)) for swing in shown)
    said = "Each input alone at the ends of its own range (…), or 20 % below and above what is expected (±)."
    left = len(budget.sensitivity) - len(shown)
    more = (f"{left} more inputs move it less: --format json has them.",) if left else ()
    return (Chart(lines), said, *more)


def _bar(swing: Swing, expected: Decimal, widest: Decimal, names: int) -> str:
    known = (swing.usd_at_low, swing.usd_at_high)
    moves = [None if usd_at is None else usd_at - expected for usd_at in known]
    if None not in moves:
        moves.sort(key=lambda move: move or ZERO)
    below, above = (round(float(abs(move or ZERO) / widest) * _BARS) for move in moves)
    span = f"{_short(swing.low)} … {_short(swing.high)}" if swing.own_range else "±20 %"
    bar = f"{'█' * below:>{_BARS}}│{'█' * above:<{_BARS}}"
    at_low, at_high = ("no plan" if move is None else _signed(move) for move in moves)
    return f"{_cut(swing.input, names):<{names}} {span:>17} {at_low:>9} {bar} {at_high:>9}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"…{text[-(width - 1) :]}"


def _short(value: Decimal) -> str:
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if abs(value) >= size:
            return f"{float(value) / size:.3g}{letter}"
    return f"{float(value):.3g}"


def _signed(amount: Decimal) -> str:
    text = _short(abs(amount))
    if not amount:
        return "0"
    return f"−${text}" if amount < 0 else f"+${text}"


def buying(budget: Budget) -> tuple[Block, ...]:
    """Owning against each tier, and the use from which it is the cheaper."""
    both = budget.buy_or_rent
    if both is None:
        return ()
    columns = (
        Column("tier"),
        Column("cheapest in"),
        Column("seen on"),
        Column("$/GPU-h", right=True),
        Column("$ a month", right=True),
        Column("break-even", right=True),
    )
    own = both.owned_usd_per_used_gpu_hour.expected
    first = Row(("owned", "", "", hourly(own), usd(both.owned_usd_per_month.expected), ""))
    table = Table(columns, (first, *(_tier(one) for one in both.tiers)))
    without = (f"No price of {both.gpu} for: {', '.join(both.without_price)}.",) if both.without_price else ()
    notes = tuple(f"{note}." for note in both.notes)
    said = (_verdict(one, both) for one in both.tiers)
    return (_owned(both), table, *said, *without, *oldest_said(both.oldest_prices), *notes)


def _verdict(one: RentedTier, both: BuyOrRent) -> str:
    """Between owning and one tier: the use at which it turns, and what that means at the use that is expected."""
    verdict, even = _saved(one, both), one.break_even
    turn = "" if even is None or even.expected is None else percent(float(even.expected))
    if one.owning_is_cheaper in (ALWAYS, NEVER):
        need = f": it would take work in {turn} of the hours" if turn else ""
        if even is not None and even.low is not None and even.low <= 1:
            need += f" ({percent(float(even.low))} where owning costs least)"
        if even is not None and even.never:
            need += f" ({even.never})"
        return f"{one.tier.capitalize()}: owning is cheaper {one.owning_is_cheaper}{need}; {verdict}."
    at = percent(float(both.utilisation))
    if one.owning_is_cheaper not in (ABOVE, BELOW):
        when = one.owning_is_cheaper.replace(BELOW, f"at work in less than {_turns(even)} of the hours")
        return f"{one.tier.capitalize()}: owning is cheaper {when}; at {at} {verdict}."
    where = "more" if one.owning_is_cheaper == ABOVE else "less"
    return (
        f"{one.tier.capitalize()}: owning is cheaper where the GPUs are at work in {where} than {turn} of the "
        f"hours{_ends(even)}; at {at} {verdict}."
    )


def _saved(one: RentedTier, both: BuyOrRent) -> str:
    """What buying saves a month as expected, and the case in which it is the other way round."""
    owned, rent = both.owned_usd_per_month, one.rented_usd_per_month
    if rent > owned.expected:
        most = (
            f", but costs {usd(owned.high - rent)} more where owning costs most" if owned.high > rent else ""
        )
        return f"buying saves {usd(rent - owned.expected)} a month{most}"
    least = f", but costs {usd(rent - owned.low)} more where owning costs least" if owned.low < rent else ""
    return f"renting saves {usd(owned.expected - rent)} a month{least}"


def _turns(even: BreakEven | None) -> str:
    """One share, or the least and the most of several."""
    ends = () if even is None else (even.low, even.high)
    return " to ".join(dict.fromkeys(percent(float(end)) for end in ends if end is not None))


def _ends(even: BreakEven | None) -> str:
    """From where owning costs least to where it costs most, which may take more hours than there are."""
    if even is None or even.low is None or even.low == even.high:
        return ""
    low = percent(float(even.low))
    if even.high is None:
        return f" ({low} where owning costs least; {even.never})"
    if even.high <= 1:
        return f" ({low} to {percent(float(even.high))})"
    most = f"where it costs most never, since it would take {percent(float(even.high))}"
    return f" ({low} where owning costs least; {most})"


def _owned(both: BuyOrRent) -> str:
    owned, monthly, rate = both.owned, both.owned_usd_per_month, both.discount_rate_per_year.expected
    energy = owned.idle_energy + both.utilisation * owned.variable
    span = f" ({usd(monthly.low)} to {usd(monthly.high)})" if monthly.is_given else ""
    return (
        f"{both.gpus:,} × {both.gpu}, at work in {percent(float(both.utilisation))} of the hours. Owned: depreciation "
        f"{usd(owned.capital)} + cost of capital {usd(owned.interest)} ({percent(float(rate))} a year) + hosting "
        f"{usd(owned.hosting)} + staff {usd(owned.staff)} + energy {usd(energy)} = {usd(monthly.expected)} a "
        f"month{span}. $/GPU-h of what is owned is per hour at work; by the hour and on spot the hours at work are "
        "paid, as if machines could be had at any hour, and spot's interruptions are not counted. Rent stays as it is "
        "today for as long as servers last."
    )


def _tier(one: RentedTier) -> Row:
    return Row(
        (
            f"{one.tier}, {words(one.payment)}" if one.payment else one.tier,
            f"{site(one.provider, one.region)}, {one.instance_type}",
            f"{one.observed_on}{marked((one.oldest_price,))}",
            hourly(one.usd_per_gpu_hour),
            usd(one.rented_usd_per_month),
            _even(one.break_even),
        )
    )


def _even(even: BreakEven | None) -> str:
    if even is None:
        return ""
    if even.expected is None:
        return "never" if even.never else ""
    return percent(float(even.expected))
