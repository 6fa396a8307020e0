"""Demand as one rate, a list of hours and a batch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from optimiser.errors import UsageError
from optimiser.workload import load_workload

NIGHTLY = 'demand: {batch: {requests: 288000, start: "22:00", deadline_hours: 8, every: day}}'


def test_one_rate_is_a_flat_week_from_monday(write_workload):
    workload = load_workload(write_workload())
    assert len(workload.periods) == 168
    assert {(p.mean_rps, p.hours, p.peak_10min_rps, p.exact) for p in workload.periods} == {
        (2.0, 1.0, None, False)
    }
    first = workload.periods[0].start
    assert (first, first.weekday()) == (datetime(2026, 1, 5, tzinfo=UTC), 0)
    assert [p.start for p in workload.periods] == [first + timedelta(hours=n) for n in range(168)]
    assert any("flat week" in note for note in workload.notes)
    assert any("2026-01-05 00:00 UTC" in note for note in workload.notes)


def test_a_list_keeps_its_length_and_order_and_is_scaled(write_workload):
    demand = "demand: {hourly_requests_per_second: [1, 0, 2.5], scale: 2, start: 2026-03-01T05:00:00}"
    workload = load_workload(write_workload(demand=demand))
    assert [p.mean_rps for p in workload.periods] == [2.0, 0.0, 5.0]
    assert [p.start.hour for p in workload.periods] == [5, 6, 7]
    assert not any("start" in note for note in workload.notes)


def test_start_is_local_time_of_the_workloads_zone(write_workload):
    for start, in_utc in (
        ("2026-07-01T00:00:00", datetime(2026, 6, 30, 22, tzinfo=UTC)),
        ("2026-01-07T00:00:00", datetime(2026, 1, 6, 23, tzinfo=UTC)),
        ("2026-01-07T00:00:00-05:00", datetime(2026, 1, 7, 5, tzinfo=UTC)),
        ("2026-01-07", datetime(2026, 1, 6, 23, tzinfo=UTC)),
    ):
        path = write_workload(
            timezone="timezone: Europe/Berlin", demand=f"demand: {{requests_per_second: 1, start: {start}}}"
        )
        assert load_workload(path).periods[0].start == in_utc


def test_a_nightly_batch_runs_in_its_window_alone(write_workload):
    periods = load_workload(write_workload(demand=NIGHTLY)).periods
    running = [n for n, p in enumerate(periods) if p.mean_rps > 0]
    # 22:00 to 06:00 every night; Sunday's night runs on at the start of the week.
    assert running == sorted({(24 * day + 22 + hour) % 168 for day in range(7) for hour in range(8)})
    assert {periods[n].mean_rps for n in running} == {10.0}  # 288,000 requests in 8 × 3,600 s
    assert all(p.exact and p.peak_10min_rps is None for p in periods)
    assert sum(p.mean_rps * p.hours * 3600 for p in periods) == pytest.approx(7 * 288_000)


def test_batch_tokens_become_requests_by_the_mean_length(write_workload):
    # 1,000 prompt and 200 output tokens a request: 72 million prompt tokens are 72,000 requests in 10 hours.
    for amount in (
        "input_tokens: 72.0e+6",
        "output_tokens: 14.4e+6",
        "input_tokens: 72000000, output_tokens: 14.5e+6",
    ):
        demand = f"demand: {{batch: {{{amount}, start: '08:00', deadline_hours: 10, every: day}}}}"
        periods = load_workload(write_workload(demand=demand)).periods
        assert max(p.mean_rps for p in periods) == pytest.approx(2.0)
        assert [n for n, p in enumerate(periods[:24]) if p.mean_rps] == list(range(8, 18))


def test_a_weekly_batch_names_its_day(write_workload):
    demand = 'demand: {batch: {requests: 3600, start: "Sat 22:00", deadline_hours: 30, every: week}}'
    periods = load_workload(write_workload(demand=demand)).periods
    running = [n for n, p in enumerate(periods) if p.mean_rps > 0]
    assert running == [*range(4), *range(5 * 24 + 22, 168)]  # 26 hours to the end of the week, 4 after it


def test_a_weekly_batch_without_a_day_opens_on_the_first(write_workload):
    demand = 'demand: {batch: {requests: 3600, start: "03:00", deadline_hours: 2, every: week}}'
    periods = load_workload(write_workload(demand=demand)).periods
    assert [n for n, p in enumerate(periods) if p.mean_rps > 0] == [3, 4]


def test_an_unquoted_clock_time_is_understood(write_workload):
    # YAML 1.1 reads 22:00 as the integer 1320.
    unquoted = load_workload(write_workload(demand=NIGHTLY.replace('"', "")))
    assert unquoted.periods == load_workload(write_workload(demand=NIGHTLY)).periods


def test_a_batch_keeps_its_local_hour_when_the_clock_changes(write_workload):
    # Week of Monday 2025-03-24; Berlin goes from UTC+1 to UTC+2 on Sunday the 30th.
    demand = (
        'demand: {start: 2025-03-24T00:00:00, batch: {requests: 3600, start: "12:00", deadline_hours: 1, '
        "timezone: Europe/Berlin}}"
    )
    workload = load_workload(write_workload(demand=demand))
    running = [p.start for p in workload.periods if p.mean_rps > 0]
    assert workload.periods[0].start == datetime(2025, 3, 23, 23, tzinfo=UTC)
    assert [moment.hour for moment in running] == [11] * 6 + [10]
    assert workload.timezone == "Europe/Berlin"


BATCH_FAULTS = {
    "longer than a day": (("deadline_hours: 8", "deadline_hours: 25"), ["deadline_hours = 25", "at most 24"]),
    "longer than a week": (
        ("deadline_hours: 8, every: day", "deadline_hours: 169, every: week"),
        ["deadline_hours = 169", "at most 168"],
    ),
    "no deadline": (("deadline_hours: 8", "deadline_hours: 0"), ["demand.batch.deadline_hours = 0"]),
    "part of an hour": (("deadline_hours: 8", "deadline_hours: 7.5"), ["deadline_hours = 7.5", "whole"]),
    "not every month": (("every: day", "every: month"), ["demand.batch.every = 'month'", "'day' or 'week'"]),
    "no amount": (("requests: 288000, ", ""), ["demand.batch has no amount"]),
    "amounts at odds": (
        ("requests: 288000", "input_tokens: 1000000, output_tokens: 300000"),
        ["demand.batch.output_tokens = 300000", "200000"],
    ),
    "no clock time": (("22:00", "late"), ["demand.batch.start = 'late'", "22:00"]),
    "hour 24": (("22:00", "24:00"), ["demand.batch.start = '24:00'"]),
    "a weekday for every day": (("22:00", "Sat 22:00"), ["demand.batch.start = 'Sat 22:00'", "no weekday"]),
    "no such weekday": (("22:00", "Sut 22:00"), ["demand.batch.start = 'Sut 22:00'"]),
    "half past": (("22:00", "22:30"), ["demand.batch.start = '22:30'", "whole number of hours"]),
    "unknown zone": (("every: day", "timezone: Mars"), ["demand.batch.timezone = 'Mars'"]),
}


@pytest.mark.parametrize(("change", "words"), BATCH_FAULTS.values(), ids=BATCH_FAULTS.keys())
def test_a_fault_in_a_batch_is_named(write_workload, change, words):
    path = write_workload(demand=NIGHTLY.replace(*change))
    with pytest.raises(UsageError) as caught:
        load_workload(path)
    for word in words:
        assert word in str(caught.value)
