"""Demand profiles, and local time in zones with daylight saving."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimiser.errors import UsageError
from optimiser.workload import load_workload
from optimiser.workload.csv_table import CsvTable
from optimiser.workload.profile import profile_periods

DEMAND = "demand: {profile: profile.csv}"


@pytest.fixture
def write_profile(write_workload):
    def write(text, timezone="", demand=DEMAND):
        path = write_workload(demand=demand, timezone=f"timezone: {timezone}" if timezone else "")
        (path.parent / "profile.csv").write_text(text, encoding="utf-8")
        return path

    return write


def test_hours_count_from_the_start_in_the_file(write_profile):
    path = write_profile(
        "# made by hand\n# start: 2026-07-01T00:00:00\n# timezone: Europe/Berlin\n"
        "hour,mean_rps,peak_10min_rps\n0,1.5,2\n1,0,\n2, 3 ,3\n"
    )
    workload = load_workload(path)
    first = datetime(2026, 6, 30, 22, tzinfo=UTC)
    assert workload.timezone == "Europe/Berlin"
    assert [(p.start, p.mean_rps, p.peak_10min_rps) for p in workload.periods] == [
        (first, 1.5, 2.0),
        (first + timedelta(hours=1), 0.0, None),
        (first + timedelta(hours=2), 3.0, 3.0),
    ]


def test_the_workload_file_has_the_last_word_on_start_and_zone(write_profile):
    text = "# start: 2026-07-01T00:00:00\n# timezone: Europe/Berlin\nhour,mean_rps\n0,1\n"
    demand = "demand: {profile: profile.csv, start: 2026-02-01T00:00:00}"
    workload = load_workload(write_profile(text, timezone="America/New_York", demand=demand))
    assert workload.periods[0].start == datetime(2026, 2, 1, 5, tzinfo=UTC)
    assert workload.timezone == "America/New_York"


def test_without_any_start_the_week_begins_on_monday_and_says_so(write_profile):
    workload = load_workload(write_profile("hour,mean_rps\n0,1\n1,2\n"))
    assert workload.periods[0].start == datetime(2026, 1, 5, tzinfo=UTC)
    assert any("2026-01-05" in note for note in workload.notes)


def test_scale_multiplies_mean_and_peak(write_profile):
    demand = "demand: {profile: profile.csv, scale: 0.5}"
    workload = load_workload(write_profile("hour,mean_rps,peak_10min_rps\n0,2,3\n1,4,\n", demand=demand))
    assert [(p.mean_rps, p.peak_10min_rps) for p in workload.periods] == [(1.0, 1.5), (2.0, None)]


def test_the_hour_that_autumn_repeats_stands_twice(write_profile):
    # Berlin sets the clock back from 03:00 to 02:00 on 2025-10-26: 02:00 is 00:00 UTC, then 01:00 UTC.
    rows = [f"2025-10-26T0{hour}:00:00,{rate}" for hour, rate in ((1, 1), (2, 2), (2, 3), (3, 4))]
    periods = load_workload(write_profile("\n".join(["timestamp,mean_rps", *rows]), "Europe/Berlin")).periods
    assert [(p.start.hour, p.start.day, p.mean_rps) for p in periods] == [
        (23, 25, 1.0),
        (0, 26, 2.0),
        (1, 26, 3.0),
        (2, 26, 4.0),
    ]


def test_the_hour_that_spring_skips_is_not_there(write_profile):
    # New York goes from 02:00 EST to 03:00 EDT on 2025-03-09: 01:00 is 06:00 UTC and 03:00 is 07:00 UTC.
    text = "timestamp,mean_rps\n2025-03-09 01:00,1\n2025-03-09 03:00,2\n"
    periods = load_workload(write_profile(text, "America/New_York")).periods
    assert [p.start.hour for p in periods] == [6, 7]


@given(
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]),
    # Days on which one of these zones changes its clock, and an ordinary one.
    day=st.sampled_from(
        ["2025-03-09", "2025-03-30", "2025-04-05", "2025-10-04", "2025-10-26", "2025-11-02", "2025-07-01"]
    ),
    first=st.integers(-30, 24),
    hours=st.integers(1, 60),
)
def test_local_wall_clock_comes_back_as_the_utc_hours_it_was_written_from(zone, day, first, hours):
    begin = datetime.fromisoformat(f"{day}T00:00+00:00") + timedelta(hours=first)
    starts = [begin + timedelta(hours=n) for n in range(hours)]
    local = [start.astimezone(ZoneInfo(zone)) for start in starts]
    # A first row that could mean two hours is taken for the first of them: begin where it is plain.
    if local[0].fold:
        starts, local = starts[1:], local[1:]
    rows = [
        (n, {"timestamp": moment.replace(tzinfo=None).isoformat(), "mean_rps": "1"})
        for n, moment in enumerate(local)
    ]
    table = CsvTable(where="p.csv", comments={}, header=("timestamp", "mean_rps"), rows=tuple(rows))
    periods = profile_periods(table, ZoneInfo(zone), None, "w.yaml", []) if rows else ()
    assert [p.start for p in periods] == starts


HEAD = "hour,mean_rps,peak_10min_rps\n"
FAULTS = {
    "a gap": (HEAD + "0,1,1\n2,1,1\n", "", ["line 3", "hour = '2'", "none missing"]),
    "an hour twice": (HEAD + "0,1,1\n0,1,1\n", "", ["line 3", "hour = '0'", "none twice"]),
    "a late beginning": (HEAD + "1,1,1\n", "", ["line 2", "hour = '1'", "from 0"]),
    "a gap in time": (
        "timestamp,mean_rps\n2026-01-05T00:00,1\n2026-01-05T02:00,1\n",
        "",
        ["line 3", "'2026-01-05T02:00'", "2026-01-05T01:00:00+00:00 is expected"],
    ),
    "a time twice": (
        "timestamp,mean_rps\n2026-01-05T00:00,1\n2026-01-05T00:00,1\n",
        "",
        ["line 3", "2026-01-05T01:00:00+00:00 is expected"],
    ),
    "an autumn hour once": (
        "timestamp,mean_rps\n2025-10-26T02:00,1\n2025-10-26T03:00,1\n",
        "Europe/Berlin",
        ["line 3", "2025-10-26T02:00:00+01:00 is expected"],
    ),
    "a spring hour that is none": (
        "timestamp,mean_rps\n2025-03-30T01:00,1\n2025-03-30T02:00,1\n",
        "Europe/Berlin",
        ["line 3", "2025-03-30 02:00:00", "no such time in Europe/Berlin"],
    ),
    "no time": ("timestamp,mean_rps\nMonday,1\n", "", ["line 2", "timestamp = 'Monday'", "ISO 8601"]),
    "a negative rate": (HEAD + "0,-1,1\n", "", ["line 2", "mean_rps = '-1'"]),
    "a rate that is no number": (HEAD + "0,nan,1\n", "", ["line 2", "mean_rps = 'nan'"]),
    "an infinite rate": (HEAD + "0,inf,inf\n", "", ["line 2", "mean_rps = 'inf'"]),
    "an empty rate": (HEAD + "0,,1\n", "", ["line 2", "mean_rps = ''"]),
    "a peak under the mean": (
        HEAD + "0,2,1\n",
        "",
        ["line 2", "peak_10min_rps = '1'", "at least its mean_rps of 2"],
    ),
    "all zero": (HEAD + "0,0,0\n1,0,0\n", "", ["demand.profile", "every rate is 0"]),
    "no rows": (HEAD, "", ["no rows"]),
    "an empty file": ("", "", ["no rows"]),
    "a misspelt column": ("hour,mean_rps,peak_10min\n0,1,1\n", "", ["'peak_10min'", "mean peak_10min_rps"]),
    "no rate": ("hour,peak_10min_rps\n0,1\n", "", ["hour,peak_10min_rps", "mean_rps"]),
    "both times": ("hour,timestamp,mean_rps\n0,2026-01-05,1\n", "", ["one of hour and timestamp"]),
    "a ragged row": (HEAD + "0,1\n", "", ["line 2", "3 values"]),
    "a bad start": ("# start: Monday\n" + HEAD + "0,1,1\n", "", ["# start = 'Monday'"]),
    "a bad zone": (
        "# timezone: Europe/Berln\n" + HEAD + "0,1,1\n",
        "",
        ["# timezone = 'Europe/Berln'", "mean Europe/Berlin"],
    ),
}


@pytest.mark.parametrize(("text", "timezone", "words"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_in_a_profile_is_named_with_its_line(write_profile, text, timezone, words):
    with pytest.raises(UsageError) as caught:
        load_workload(write_profile(text, timezone))
    for word in words:
        assert word in str(caught.value)


def test_a_start_that_differs_from_the_timestamps_is_refused(write_profile):
    demand = "demand: {profile: profile.csv, start: 2026-02-01T00:00:00}"
    path = write_profile("timestamp,mean_rps\n2026-01-05T00:00,1\n", demand=demand)
    with pytest.raises(
        UsageError, match=r"demand\.start = '2026-02-01T00:00:00'.*2026-01-05T00:00:00\+00:00"
    ):
        load_workload(path)
