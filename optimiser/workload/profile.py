"""Demand profiles: a CSV file with one row an hour.

    # start: 2024-05-12T00:00:00        optional, as is timezone; lines that begin with # are comments
    # timezone: UTC
    hour,mean_rps,peak_10min_rps
    0,25.35,25.6
    1,26.73,27.0

hour counts whole hours that have passed since the start, from 0. In its place `timestamp` gives each hour's
beginning as an ISO 8601 time: local time of the workload's zone, or with a UTC offset. In a zone with
daylight saving the repeated hour of autumn stands there twice and the skipped hour of spring not at all.
mean_rps is the hour's mean rate in requests per second; peak_10min_rps (optional, may be empty) the highest
10-minute mean within it. Hours are in order with none missing and none twice.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from optimiser.errors import bad_value, did_you_mean
from optimiser.workload import clock
from optimiser.workload.csv_table import CsvTable, number
from optimiser.workload.resolved import DemandPeriod

_COLUMNS = ("hour", "timestamp", "mean_rps", "peak_10min_rps")


def profile_zone(table: CsvTable, given: str | None, where: str) -> ZoneInfo:
    """The zone of the profile's local times: the workload's, else the file's own, else UTC."""
    if given is not None:
        return clock.zone_named(where, "timezone", given)
    return clock.zone_named(table.where, "# timezone", table.comments.get("timezone", "UTC"))


def profile_periods(
    table: CsvTable, zone: ZoneInfo, start: datetime | None, where: str, notes: list[str]
) -> tuple[DemandPeriod, ...]:
    """One period an hour, in UTC; start is demand.start of the workload file `where`. Raises UsageError."""
    _check_header(table)
    if "hour" in table.header:
        if start is None and "start" in table.comments:
            field = "# start"
            start = clock.parse_time(table.where, field, table.comments["start"])
            first = clock.to_utc(table.where, field, start, zone)
        else:
            first = clock.horizon_start(where, start, zone, notes)
        starts = _by_hour(table, first)
    else:
        starts = _by_timestamp(table, zone)
        if start is not None and clock.to_utc(where, "demand.start", start, zone) != starts[0]:
            right = f"leave it out: by its timestamps {table.where} begins at {starts[0].isoformat()}"
            raise bad_value(where, "demand.start", start.isoformat(), right)
    return tuple(
        _period(table.where, line, row, at) for (line, row), at in zip(table.rows, starts, strict=True)
    )


def _check_header(table: CsvTable) -> None:
    for column in table.header:
        if column not in _COLUMNS:
            right = f"no such column; {did_you_mean(column, _COLUMNS)}"
            raise bad_value(table.where, "column", column, right)
    if len(set(table.header)) < len(table.header):
        raise bad_value(table.where, "header", ",".join(table.header), "each column once")
    times = [column for column in ("hour", "timestamp") if column in table.header]
    if len(times) != 1 or "mean_rps" not in table.header:
        right = "mean_rps and one of hour and timestamp are needed, peak_10min_rps may stand beside them"
        raise bad_value(table.where, "header", ",".join(table.header), right)


def _by_hour(table: CsvTable, first: datetime) -> list[datetime]:
    for expected, (line, row) in enumerate(table.rows):
        if row["hour"] != str(expected):
            right = f"{expected}: whole hours from 0, in order, none missing and none twice"
            raise bad_value(f"{table.where}: line {line}", "hour", row["hour"], right)
    return [first + timedelta(hours=n) for n in range(len(table.rows))]


def _by_timestamp(table: CsvTable, zone: ZoneInfo) -> list[datetime]:
    starts: list[datetime] = []
    for line, row in table.rows:
        where = f"{table.where}: line {line}"
        moment = clock.parse_time(where, "timestamp", row["timestamp"])
        meanings = clock.readings(moment, zone)
        if not meanings:
            raise clock.skipped_time(where, "timestamp", moment, zone)
        expected = starts[-1] + clock.HOUR if starts else meanings[0]
        if expected not in meanings:
            local = expected.astimezone(zone)
            right = f"{local.isoformat()} is expected: one row an hour, in order, none missing and none twice"
            raise bad_value(where, "timestamp", row["timestamp"], right)
        starts.append(expected)
    return starts


def _period(file: str, line: int, row: dict[str, str], start: datetime) -> DemandPeriod:
    where = f"{file}: line {line}"
    mean_rps = number(where, "mean_rps", row["mean_rps"], "a rate in requests per second, 0 or more")
    text = row.get("peak_10min_rps", "")
    if not text:
        return DemandPeriod(start=start, hours=1.0, mean_rps=mean_rps)
    right = f"the hour's highest 10-minute rate, so at least its mean_rps of {mean_rps:g}"
    peak_10min_rps = number(where, "peak_10min_rps", text, right, least=mean_rps)
    return DemandPeriod(start=start, hours=1.0, mean_rps=mean_rps, peak_10min_rps=peak_10min_rps)
