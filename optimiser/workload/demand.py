"""Demand: the one kind that a workload file gives, as periods in UTC."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from optimiser.errors import UsageError, bad_value
from optimiser.workload import clock
from optimiser.workload.csv_table import read_csv
from optimiser.workload.demand_fields import DEMAND_KINDS, BatchFields
from optimiser.workload.profile import profile_periods, profile_zone
from optimiser.workload.resolved import DemandPeriod, SizeBucket
from optimiser.workload.schema import WorkloadFields
from optimiser.workload.trace import Trace, trace_periods
from optimiser.workload.volume import scaled

HOURS_PER_WEEK = 168

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_BATCH_TOLERANCE = 0.02


def demand_periods(
    path: Path,
    fields: WorkloadFields,
    buckets: Sequence[SizeBucket],
    trace: Trace | None,
    notes: list[str],
) -> tuple[tuple[DemandPeriod, ...], str]:
    """(periods in order, name of the time zone) of the workload file at `path`; trace is its demand.trace.

    buckets turn a batch's tokens into requests; what had to be assumed is added to notes. Raises UsageError.
    """
    where, demand = str(path), fields.demand
    zone = workload_zone(where, fields)
    if trace is not None:
        periods = trace_periods(trace, demand.start, zone, where, notes)
    elif demand.profile is not None:
        table = read_csv(path.parent / demand.profile)
        zone = profile_zone(table, fields.timezone, where)
        periods = profile_periods(table, zone, demand.start, where, notes)
    elif demand.batch is not None:
        if demand.batch.timezone is not None:
            zone = clock.zone_named(where, "demand.batch.timezone", demand.batch.timezone)
        first = clock.horizon_start(where, demand.start, zone, notes)
        periods = batch_periods(where, demand.batch, buckets, first, zone)
    else:
        rates = demand.hourly_requests_per_second
        if demand.requests_per_second is not None:
            notes.append("one rate was given: it is planned as a flat week, with no daily shape")
            rates = (demand.requests_per_second,) * HOURS_PER_WEEK
        periods = hourly_periods(clock.horizon_start(where, demand.start, zone, notes), rates or ())
    if not any(period.mean_rps > 0 for period in periods):
        kind = next(kind for kind in DEMAND_KINDS if getattr(demand, kind) is not None)
        raise UsageError(f"{where}: demand.{kind}: every rate is 0: at least one period needs some demand")
    return scaled(periods, demand.scale), zone.key


def workload_zone(where: str, fields: WorkloadFields) -> ZoneInfo:
    """The workload's time zone, UTC where it names none. Raises UsageError."""
    return clock.zone_named(where, "timezone", fields.timezone or "UTC")


def hourly_periods(
    first: datetime, rates: Sequence[float], *, exact: bool = False
) -> tuple[DemandPeriod, ...]:
    """One period an hour from `first` (UTC) on, at the given mean rates in requests per second."""
    return tuple(
        DemandPeriod(start=first + timedelta(hours=n), hours=1.0, mean_rps=rate, exact=exact)
        for n, rate in enumerate(rates)
    )


def batch_periods(
    where: str, batch: BatchFields, buckets: Sequence[SizeBucket], first: datetime, zone: ZoneInfo
) -> tuple[DemandPeriod, ...]:
    """One week from `first` (UTC) with the batch spread evenly over each of its windows and nothing outside.

    A window that runs past the end of the week goes on at its beginning, as the week before it would.
    """
    longest = 24 if batch.every == "day" else HOURS_PER_WEEK
    if batch.deadline_hours > longest:
        right = f"at most {longest}: a batch every {batch.every} is done before the next one starts"
        raise bad_value(where, "demand.batch.deadline_hours", batch.deadline_hours, right)
    rate = _requests_per_window(where, batch, buckets) / (batch.deadline_hours * 3600.0)
    rates = [0.0] * HOURS_PER_WEEK
    for begin in _window_starts(where, batch, first, zone):
        for hour in range(begin, begin + batch.deadline_hours):
            rates[hour % HOURS_PER_WEEK] += rate
    return hourly_periods(first, rates, exact=True)


def _requests_per_window(where: str, batch: BatchFields, buckets: Sequence[SizeBucket]) -> float:
    mean_prompt = sum(bucket.share * bucket.prompt_tokens for bucket in buckets)
    mean_output = sum(bucket.share * bucket.output_tokens for bucket in buckets)
    tokens = {"requests": 1.0, "input_tokens": mean_prompt, "output_tokens": mean_output}
    given = {name: getattr(batch, name) for name in tokens if getattr(batch, name) is not None}
    if not given:
        raise UsageError(f"{where}: demand.batch has no amount: give requests, input_tokens or output_tokens")
    first_name, *_ = given
    requests = float(given[first_name]) / tokens[first_name]
    for name, amount in given.items():
        implied = requests * tokens[name]
        if abs(amount - implied) > _BATCH_TOLERANCE * implied:
            right = f"the sizes and {first_name} make it {implied:.6g} (within 2 %): change one of the three"
            raise bad_value(where, f"demand.batch.{name}", amount, right)
    return requests


def _window_starts(where: str, batch: BatchFields, first: datetime, zone: ZoneInfo) -> list[int]:
    """Hours from `first` at which a window opens; clock changes within the week are followed."""
    field = "demand.batch.start"
    match = re.fullmatch(r"(?:([a-z]{3})[a-z]*\s+)?(\d{1,2}):(\d{2})", batch.start.casefold())
    right = 'a local time such as "22:00"' + (', or "Sat 22:00"' if batch.every == "week" else "")
    if match is None or int(match[2]) > 23 or int(match[3]) > 59 or (match[1] and match[1] not in _DAYS):
        raise bad_value(where, field, batch.start, right)
    if match[1] and batch.every == "day":
        raise bad_value(where, field, batch.start, f"{right}: a batch every day has no weekday")
    begins = first.astimezone(zone)
    midnight = begins.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    if match[1]:
        midnight += timedelta(days=(_DAYS.index(match[1]) - begins.weekday()) % 7)
    starts = []
    for day in range(7 if batch.every == "day" else 1):
        opens = midnight + timedelta(days=day, hours=int(match[2]), minutes=int(match[3]))
        hours = (opens.replace(tzinfo=zone).astimezone(UTC) - first) / clock.HOUR
        if hours != int(hours):
            right = f"a whole number of hours from where the first hour begins ({begins:%H:%M})"
            raise bad_value(where, field, batch.start, right)
        starts.append(int(hours) % HOURS_PER_WEEK)
    return starts
