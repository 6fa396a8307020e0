"""Time zones and the start of the horizon: what a user writes in local time, as UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from optimiser.errors import UsageError, bad_value, did_you_mean

DEFAULT_START = datetime(2026, 1, 5)  # noqa: DTZ001 (wall-clock time; the workload's own zone is applied to it)
"""A Monday, 00:00 in the workload's time zone: where the week begins when the input gives no date."""

HOUR = timedelta(hours=1)


def zone_named(where: str, field: str, name: str) -> ZoneInfo:
    """The IANA time zone called `name`; UsageError with the nearest names where there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        # Listing every zone reads the disk, so only on the way to an error.
        from zoneinfo import available_timezones

        right = f"an IANA time zone; {did_you_mean(name, available_timezones())}"
        raise bad_value(where, field, name, right) from None


def parse_time(where: str, field: str, text: str) -> datetime:
    """An ISO 8601 date or date and time, with or without a UTC offset; UsageError otherwise."""
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        raise bad_value(where, field, text, "an ISO 8601 time such as 2026-01-05T00:00:00") from None


def readings(moment: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
    """Every UTC time that `moment` can mean: one as a rule, two in the hour that a clock set back repeats,
    none in the hour that a clock set forward skips. A time with an offset means one thing in any zone.
    """
    if moment.tzinfo is not None:
        return (moment.astimezone(UTC),)
    found: list[datetime] = []
    for fold in (0, 1):
        in_utc = moment.replace(tzinfo=zone, fold=fold).astimezone(UTC)
        if in_utc.astimezone(zone).replace(tzinfo=None) == moment and in_utc not in found:
            found.append(in_utc)
    return tuple(found)


def to_utc(where: str, field: str, moment: datetime, zone: ZoneInfo) -> datetime:
    """`moment` as UTC, the first of two where the clock repeats it; UsageError where the clock skips it."""
    found = readings(moment, zone)
    if not found:
        raise skipped_time(where, field, moment, zone)
    return found[0]


def skipped_time(where: str, field: str, moment: datetime, zone: ZoneInfo) -> UsageError:
    """The message for a local time that daylight saving leaves out."""
    right = f"no such time in {zone.key}: the clock is set forward over it; leave it out"
    return bad_value(where, field, moment.isoformat(sep=" "), right)


def horizon_start(where: str, given: datetime | None, zone: ZoneInfo, notes: list[str]) -> datetime:
    """When the horizon begins, in UTC: `given`, else Monday 00:00 of DEFAULT_START's date in `zone`."""
    if given is not None:
        return to_utc(where, "demand.start", given, zone)
    notes.append(f"no start given: taken to begin on Monday {DEFAULT_START:%Y-%m-%d} 00:00 {zone.key}")
    return to_utc(where, "demand.start", DEFAULT_START, zone)
