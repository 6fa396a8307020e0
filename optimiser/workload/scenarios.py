"""Scenarios: the courses that demand may take in place of the one that a workload file gives."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from optimiser.errors import UsageError, bad_value
from optimiser.workload.demand import demand_periods, workload_zone
from optimiser.workload.demand_fields import BUSIEST, BadDayFields, DemandFields, ScenarioFields
from optimiser.workload.resolved import DemandPeriod, DemandScenario, SizeBucket
from optimiser.workload.schema import WorkloadFields
from optimiser.workload.trace import read_trace
from optimiser.workload.volume import scaled

Periods = tuple[DemandPeriod, ...]

_DAY_HOURS, _WEEK_HOURS = 24, 168
# The last period of a trace ends with its last request, so that no two are of one length to the second.
_LENGTH_TOLERANCE = 0.1


def demand_scenarios(
    path: Path,
    fields: WorkloadFields,
    buckets: Sequence[SizeBucket],
    base: tuple[Periods, str],
    notes: list[str],
) -> tuple[DemandScenario, ...]:
    """The scenarios of the workload file at `path`, none where it names none; probabilities add up to 1.

    base is its demand and that demand's time zone. What a demand of a scenario's own had to assume is added to notes.
    Raises UsageError.
    """
    given = fields.scenarios or ()
    total = math.fsum(scenario.probability for scenario in given)
    return tuple(
        DemandScenario(
            name=scenario.name,
            probability=scenario.probability / total,
            periods=_course(path, fields, buckets, base, notes, number),
        )
        for number, scenario in enumerate(given)
    )


def _course(
    path: Path,
    fields: WorkloadFields,
    buckets: Sequence[SizeBucket],
    base: tuple[Periods, str],
    notes: list[str],
    number: int,
) -> Periods:
    """The periods of one scenario."""
    scenario, where = (fields.scenarios or ())[number], f"{path}: scenarios[{number}]"
    periods, zone = base[0], ZoneInfo(base[1])
    if scenario.demand is not None:
        own = fields.model_copy(update={"demand": _like(fields.demand, scenario.demand)})
        return _laid_over(periods, _own_demand(path, own, buckets, scenario, notes), where)
    if scenario.bad_day is not None:
        return _with_bad_day(periods, scenario.bad_day, zone, where)
    if scenario.quantile is not None:
        if fields.demand.profile is None and fields.demand.trace is None:
            right = "only of measured rates: demand must be a profile or a trace"
            raise bad_value(where, "quantile", scenario.quantile, right)
        return _at_quantile(periods, scenario.quantile, zone, where)
    if scenario.grow_per_month is not None and scenario.months is not None:
        return scaled(periods, (1 + scenario.grow_per_month) ** scenario.months)
    return scaled(periods, scenario.scale or 1.0)


def _like(demand: DemandFields, own: DemandFields) -> DemandFields:
    """A scenario's own demand, beginning with the workload's where it could begin anywhere."""
    begins_itself = own.start is not None or own.profile is not None or own.trace is not None
    return own if begins_itself else own.model_copy(update={"start": demand.start})


def _own_demand(
    path: Path,
    fields: WorkloadFields,
    buckets: Sequence[SizeBucket],
    scenario: ScenarioFields,
    notes: list[str],
) -> Periods:
    said: list[str] = []
    try:
        name = fields.demand.trace
        trace = None if name is None else read_trace(path.parent / name, workload_zone(str(path), fields))
        periods, _ = demand_periods(path, fields, buckets, trace, said)
    except UsageError as error:
        raise UsageError(f"scenario {scenario.name!r}: {error}") from None
    notes += [f"scenario {scenario.name!r}: {text}" for text in said if text not in notes]
    return periods


def _laid_over(base: Periods, own: Periods, where: str) -> Periods:
    """A scenario's own rates over the times of the demand. Raises UsageError where their periods do not match."""
    if len(own) != len(base):
        right = f"as many as the workload's own demand has: {len(base)}"
        raise bad_value(where, "periods of demand", len(own), right)
    for number, (mine, other) in enumerate(zip(own, base, strict=True)):
        if abs(mine.hours - other.hours) > _LENGTH_TOLERANCE * other.hours:
            right = f"as long as in the workload's own demand: {other.hours:.3g} hours"
            raise bad_value(where, f"length of period {number}", round(mine.hours, 3), right)
    return tuple(
        replace(mine, start=other.start, hours=other.hours) for mine, other in zip(own, base, strict=True)
    )


def _with_bad_day(periods: Periods, bad: BadDayFields, zone: ZoneInfo, where: str) -> Periods:
    """The periods with the rates of one local day multiplied; the busiest is the one with most requests."""
    days: dict[date, float] = defaultdict(float)
    for period in periods:
        days[period.start.astimezone(zone).date()] += period.mean_rps * period.hours
    chosen = max(days, key=days.__getitem__) if bad.day == BUSIEST else date.fromisoformat(bad.day)
    if chosen not in days:
        right = f"a day of the demand, from {min(days)} to {max(days)}, or {BUSIEST}"
        raise bad_value(where, "bad_day.day", bad.day, right)
    return tuple(
        scaled((period,), bad.factor)[0] if period.start.astimezone(zone).date() == chosen else period
        for period in periods
    )


def _at_quantile(periods: Periods, quantile: float, zone: ZoneInfo, where: str) -> Periods:
    """Every hour of the week at the quantile of its rates over the weeks; under two weeks, of the day over the days.

    Between two rates it lies on the straight line (definition 7 of Hyndman and Fan, Sample Quantiles in Statistical
    Packages, 1996).
    """
    hours = sum(period.hours for period in periods)
    if hours < 2 * _DAY_HOURS:
        right = f"only of two days or more of measured rates, and there are {hours:.3g} hours"
        raise bad_value(where, "quantile", quantile, right)
    weekly = hours >= 2 * _WEEK_HOURS

    def hour(period: DemandPeriod) -> int:
        local = period.start.astimezone(zone)
        return local.hour + (_DAY_HOURS * local.weekday() if weekly else 0)

    alike: dict[int, list[DemandPeriod]] = defaultdict(list)
    for period in periods:
        alike[hour(period)].append(period)
    means = {name: _quantile(same, quantile, lambda one: one.mean_rps) for name, same in alike.items()}
    peaks = {name: _quantile(same, quantile, lambda one: one.peak_10min_rps) for name, same in alike.items()}
    return tuple(
        replace(period, mean_rps=means[hour(period)] or 0.0, peak_10min_rps=peaks[hour(period)])
        for period in periods
    )


def _quantile(
    periods: Sequence[DemandPeriod], quantile: float, rate: Callable[[DemandPeriod], float | None]
) -> float | None:
    """None where the rate of a period is not known."""
    rates = [known for period in periods if (known := rate(period)) is not None]
    return float(np.quantile(rates, quantile)) if len(rates) == len(periods) else None
