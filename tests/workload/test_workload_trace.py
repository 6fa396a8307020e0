"""Request traces: periods, totals, CSV and Parquet alike, and what makes a trace unfit."""

from __future__ import annotations

import itertools
import sys
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimiser.errors import UsageError
from optimiser.workload import SizeBucket, load_workload
from optimiser.workload.trace import Trace, trace_periods

FROM_TRACE = {"demand": "demand: {trace: trace.csv}", "sizes": "sizes: {from_trace: true}"}


@pytest.fixture
def write_trace(write_workload):
    def write(text, name="trace.csv", **parts):
        path = write_workload(**{**FROM_TRACE, **parts})
        (path.parent / name).write_text(text, encoding="utf-8")
        return path

    return write


def rows(times, prompt=100, output=10, header="time,prompt_tokens,output_tokens"):
    return "\n".join([header, *(f"{time},{prompt},{output}" for time in times)]) + "\n"


def a_trace(seconds):
    seconds = np.array(seconds, dtype=np.float64)
    ones = np.ones(len(seconds))
    return Trace(
        where="t.csv",
        first=datetime(2026, 1, 5, tzinfo=UTC),
        first_offset_s=0.0,
        seconds=seconds,
        prompt_tokens=ones,
        output_tokens=ones,
    )


@given(
    gaps=st.lists(st.floats(0, 2500), min_size=1, max_size=60),
    last=st.floats(0.001, 100),
)
def test_periods_hold_every_request_once_and_cover_the_span(gaps, last):
    seconds = np.cumsum([0.0, *gaps, last])
    periods = trace_periods(a_trace(seconds), None, ZoneInfo("UTC"), "w.yaml", [])
    assert sum(p.mean_rps * p.hours * 3600 for p in periods) == pytest.approx(len(seconds))
    assert sum(p.hours for p in periods) == pytest.approx(seconds[-1] / 3600)
    assert all(p.hours == 1.0 for p in periods[:-1])
    for before, after in itertools.pairwise(periods):
        assert (after.start - before.start) == timedelta(hours=1)
    for p in periods:
        low = (p.start - periods[0].start).total_seconds()
        if p.hours * 3600 < 600 - 1e-6:
            assert p.peak_10min_rps is None
        elif p.peak_10min_rps is not None:
            # No 10 minutes anywhere within the period may hold more than a sliding count finds.
            inside = seconds[(seconds >= low) & (seconds <= low + p.hours * 3600 + 1e-6)]
            sliding = max(((inside >= s) & (inside <= s + 600)).sum() for s in inside) if len(inside) else 0
            assert p.mean_rps - 1e-9 <= p.peak_10min_rps <= max(sliding / 600, p.mean_rps) + 1e-9


def test_rates_and_peaks_worked_by_hand(write_trace):
    # Hour 1: one request a minute, and 60 more from 1,200 s to 1,259 s; then 30 minutes, one every 2 minutes.
    times = sorted([*range(0, 3600, 60), *range(1200, 1260), *range(3600, 5401, 120)])
    workload = load_workload(write_trace(rows(times)))
    first, second = workload.periods
    assert (first.hours, second.hours) == (1.0, 0.5)
    assert first.mean_rps == pytest.approx(120 / 3600)
    assert first.peak_10min_rps == pytest.approx((11 + 60) / 600)  # both ends of the window count
    assert second.mean_rps == pytest.approx(16 / 1800)
    assert any("0.50 hours" in note for note in workload.notes)


def test_a_short_last_part_joins_the_hour_before(write_trace):
    workload = load_workload(write_trace(rows([*range(0, 3600, 100), 3900])))
    (only,) = workload.periods
    assert only.hours == pytest.approx(3900 / 3600)
    assert only.mean_rps == pytest.approx(37 / 3900)


def test_a_trace_under_an_hour_is_one_period_and_says_so(write_trace):
    workload = load_workload(write_trace(rows(range(0, 1801, 10))))
    (only,) = workload.periods
    assert only.hours == 0.5
    assert any("30.0 minutes" in note for note in workload.notes)


def test_csv_and_parquet_give_the_same_workload(write_trace):
    rng = np.random.default_rng(7)
    times = np.cumsum(rng.exponential(9.0, 900)).round(4)
    prompt, output = rng.integers(1, 9000, 900), rng.integers(1, 900, 900)
    lines = [f"{t},{p},{o}" for t, p, o in zip(times, prompt, output, strict=True)]
    text = "\n".join(["# a comment", "t_seconds,prompt_tokens,output_tokens", *lines]) + "\n"
    from_csv = load_workload(write_trace(text))
    path = write_trace(text, demand="demand: {trace: trace.parquet}")
    columns = {
        "t_seconds": times,
        "prompt_tokens": prompt.astype(np.int32),
        "output_tokens": output.astype(np.int32),
    }
    pq.write_table(pa.table(columns), path.parent / "trace.parquet")
    assert load_workload(path) == from_csv
    assert 900 * sum(b.share * b.prompt_tokens for b in from_csv.buckets) == pytest.approx(prompt.sum())
    assert 900 * sum(b.share * b.output_tokens for b in from_csv.buckets) == pytest.approx(output.sum())
    assert len(from_csv.periods) == 2 + (times[-1] - times[0] >= 7800)


def test_azure_columns_and_times_are_understood(write_trace):
    # The first lines of such a file have seven decimals; the header is theirs.
    text = rows(
        ["2023-11-16 18:15:46.6805900", "2023-11-16 18:15:50.9951690", "2023-11-16 18:30:46.6805900"],
        header="TIMESTAMP,ContextTokens,GeneratedTokens",
    )
    workload = load_workload(write_trace(text))
    (only,) = workload.periods
    assert only.start == datetime(2023, 11, 16, 18, 15, 46, 680590, tzinfo=UTC)
    assert only.hours == pytest.approx(0.25)
    assert workload.buckets == (SizeBucket(prompt_tokens=100.0, output_tokens=10.0, share=1.0),)


@pytest.mark.parametrize(
    ("times", "zone", "first"),
    [
        (
            ["2026-07-01T12:00:00", "2026-07-01T12:30:00"],
            "Europe/Berlin",
            datetime(2026, 7, 1, 10, tzinfo=UTC),
        ),
        (
            ["2026-07-01T12:00:00Z", "2026-07-01T12:30:00Z"],
            "Europe/Berlin",
            datetime(2026, 7, 1, 12, tzinfo=UTC),
        ),
        (
            ["2026-07-01T12:00:00+09:00", "2026-07-01T12:30:00+09:00"],
            "UTC",
            datetime(2026, 7, 1, 3, tzinfo=UTC),
        ),
        ([1782907200, 1782909000], "UTC", datetime(2026, 7, 1, 12, tzinfo=UTC)),
        ([30, 1830], "UTC", datetime(2026, 1, 5, 0, 0, 30, tzinfo=UTC)),
    ],
)
def test_times_are_read_as_documented(write_trace, times, zone, first):
    workload = load_workload(write_trace(rows(times), timezone=f"timezone: {zone}"))
    assert workload.periods[0].start == first
    assert workload.periods[0].hours == pytest.approx(0.5)


def test_parquet_times_with_and_without_a_zone(write_trace):
    moments = [datetime.fromisoformat("2026-07-01T12:00"), datetime.fromisoformat("2026-07-01T13:00")]
    for kind, first in (
        (pa.timestamp("us"), datetime(2026, 7, 1, 10, tzinfo=UTC)),
        (pa.timestamp("ns", tz="UTC"), datetime(2026, 7, 1, 12, tzinfo=UTC)),
    ):
        path = write_trace("", demand="demand: {trace: t.parquet}", timezone="timezone: Europe/Berlin")
        columns = {"time": pa.array(moments, kind), "prompt_tokens": [5, 6], "output_tokens": [7, 8]}
        pq.write_table(pa.table(columns), path.parent / "t.parquet")
        assert load_workload(path).periods[0].start == first


def test_lengths_alone_need_neither_times_nor_order(write_trace):
    text = "output_tokens,prompt_tokens\n10,100\n30,300\n"
    path = write_trace(text, demand="demand: {requests_per_second: 1}", sizes="sizes: {trace: trace.csv}")
    buckets = load_workload(path).buckets
    assert sum(b.share * b.prompt_tokens for b in buckets) == pytest.approx(200)
    assert sum(b.share * b.output_tokens for b in buckets) == pytest.approx(20)


GOOD = rows([0, 10, 20])
FAULTS = {
    "empty file": ("", ["an empty file"]),
    "header alone": ("time,prompt_tokens,output_tokens\n", ["an empty trace"]),
    "unsorted": (rows([0, 20, 10]), ["row 3", "time = 10", "sort"]),
    "unsorted times": (
        rows(["2026-01-05T01:00", "2026-01-05T00:00"]),
        ["row 2", "'2026-01-05T00:00'", "sort"],
    ),
    "zero tokens": (GOOD.replace("10,100,10", "10,0,10"), ["row 2", "prompt_tokens = 0", "1 or more"]),
    "negative tokens": (GOOD.replace("10,100,10", "10,100,-4"), ["row 2", "output_tokens = -4"]),
    "no token count": (GOOD.replace("10,100,10", "10,,10"), ["row 2", "prompt_tokens = ''"]),
    "infinite tokens": (GOOD.replace("10,100,10", "10,inf,10"), ["row 2", "prompt_tokens = inf"]),
    "text for tokens": (GOOD.replace("10,100,10", "10,many,10"), ["row 2", "prompt_tokens = 'many'"]),
    "no time": (GOOD.replace("10,100,10", "soon,100,10"), ["row 1", "time = '0'", "ISO 8601"]),
    "a missing time": (GOOD.replace("10,100,10", ",100,10"), ["row 2", "time = ''"]),
    "offsets in part": (
        rows(["2026-01-05T00:00Z", "2026-01-05T01:00"]),
        ["row 2", "'2026-01-05T01:00'", "UTC offset"],
    ),
    "milliseconds": (rows([1782907200000, 1782907200500]), ["1782907200000", "not ms"]),
    "one moment": (rows([5, 5]), ["more than 0 seconds"]),
    "missing column": (
        rows([0, 1], header="time,prompt,output_tokens"),
        ["'time,prompt,output_tokens'", "no prompt_tokens"],
    ),
    "a longer row": (GOOD + "1,2,3,4,5\n", ["not a readable CSV", "line 5"]),
    "longer rows throughout": (
        GOOD.replace(",10\n", ",10,1\n"),
        ["more values than the header"],
    ),
    "two columns of what was cached": (
        rows([0, 1])
        .replace("output_tokens", "output_tokens,cached_tokens,cached_prefix_tokens")
        .replace(",10\n", ",10,1,2\n"),
        ["columns = 'cached_prefix_tokens,cached_tokens'", "keep one of them"],
    ),
    "a shorter row": (GOOD + "30,100\n", ["row 4", "output_tokens = ''"]),
}


@pytest.mark.parametrize(("text", "words"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_in_a_trace_is_named_with_its_row(write_trace, text, words):
    with pytest.raises(UsageError) as caught:
        load_workload(write_trace(text))
    for word in ["trace.csv", *words]:
        assert word in str(caught.value)


def test_a_start_beside_absolute_times_is_refused(write_trace):
    demand = "demand: {trace: trace.csv, start: 2026-02-01T00:00:00}"
    text = rows(["2026-01-05T00:00", "2026-01-05T01:00"])
    with pytest.raises(UsageError, match=r"demand\.start = '2026-02-01T00:00:00'.*2026-01-05T00:00:00"):
        load_workload(write_trace(text, demand=demand))


def test_local_times_over_a_clock_change_ask_for_offsets(write_trace):
    text = rows(["2025-10-26T02:30", "2025-10-26T04:30"])
    with pytest.raises(UsageError, match="clock of Europe/Berlin changes"):
        load_workload(write_trace(text, timezone="timezone: Europe/Berlin"))


def test_parquet_without_pyarrow_names_the_extra(write_trace, monkeypatch):
    path = write_trace("", demand="demand: {trace: t.parquet}")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"t\.parquet: .*\[parquet\].*CSV"):
        load_workload(path)


def test_a_parquet_file_that_is_none_is_refused(write_trace):
    path = write_trace("not parquet", "t.parquet", demand="demand: {trace: t.parquet}")
    with pytest.raises(UsageError, match=r"t\.parquet: not a readable Parquet file"):
        load_workload(path)
