"""Request traces: a CSV or Parquet file with one row a request.

Columns, in any order, others ignored: `time` (or t_seconds, TIMESTAMP), `prompt_tokens` (or ContextTokens)
and `output_tokens` (or GeneratedTokens); TIMESTAMP, ContextTokens and GeneratedTokens are what the Azure LLM
inference traces call them, and case does not matter. `cached_prefix_tokens` (or cached_tokens) may say how much
of each prompt was found in a KV cache. time is seconds since demand.start, seconds since 1970
(from 1e9 on), or an ISO 8601 time in the workload's zone or with a UTC offset. Rows are in order of time;
token counts are 1 or more.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from optimiser.errors import UsageError, bad_value
from optimiser.workload import clock
from optimiser.workload.resolved import DemandPeriod

if TYPE_CHECKING:
    import pandas

_TIME = ("time", "t_seconds", "timestamp")
_LENGTHS = {
    "prompt_tokens": ("prompt_tokens", "contexttokens"),
    "output_tokens": ("output_tokens", "generatedtokens"),
}
_CACHED = ("cached_prefix_tokens", "cached_tokens")
Roles = Mapping[str, tuple[str, ...]]

_UNIX_SECONDS_FROM = 1e9
_LONGEST_SPAN_S = 20 * 366 * 86_400.0
_WINDOW_S = 600.0
_NOTABLE_S = 36.0


Lengths = NDArray[np.float64]
"""Lengths in tokens, one entry a request."""


@dataclass(frozen=True, kw_only=True)
class Trace:
    """Requests in order of time. seconds counts from the first request; the arrays have one entry a request.

    first is the time of the first request, None where the file counts seconds from a start of its own, in
    which case first_offset_s is that first count. seconds is empty where the file was read for lengths alone.
    cached_prefix_tokens is None where the file does not say.
    """

    where: str
    first: datetime | None
    first_offset_s: float
    seconds: NDArray[np.float64]
    prompt_tokens: Lengths
    output_tokens: Lengths
    cached_prefix_tokens: Lengths | None = None


def read_trace(path: Path, zone: ZoneInfo) -> Trace:
    """Read a trace; zone is that of times without a UTC offset.

    Raises UsageError where the file is missing, unreadable or empty, lacks a column, is not in order of time,
    or holds a token count below 1 or a time that is none; a Parquet file needs the [parquet] extra.
    """
    where = str(path)
    frame = _read(path, {"time": _TIME, **_LENGTHS})
    first, offset_s, seconds = _times(where, frame["time"], zone)
    return Trace(where=where, first=first, first_offset_s=offset_s, seconds=seconds, **_lengths(where, frame))


def read_lengths(path: Path) -> Trace:
    """Read the lengths of a trace alone: no time is needed, nor any order. Raises UsageError."""
    frame = _read(path, _LENGTHS)
    lengths = _lengths(str(path), frame)
    return Trace(where=str(path), first=None, first_offset_s=0.0, seconds=np.empty(0), **lengths)


def _lengths(where: str, frame: pandas.DataFrame) -> dict[str, Lengths]:
    lengths = {
        field: _tokens(
            where, frame[field], field, 1.0, "a token count of 1 or more (leave out requests that failed)"
        )
        for field in _LENGTHS
    }
    name = _CACHED[0]
    if name in frame:
        cached = _tokens(where, frame[name], name, 0.0, "a token count of 0 or more")
        prompts = lengths["prompt_tokens"]
        _refuse(where, name, frame[name], cached > prompts, "no more than the prompt_tokens of its row")
        # The last token of a prompt is always computed: the first of the answer follows from it.
        lengths[name] = np.minimum(cached, prompts - 1.0)
    return lengths


def _read(path: Path, roles: Roles) -> pandas.DataFrame:
    read = _read_parquet if path.suffix.lower() in (".parquet", ".pq") else _read_csv
    frame = read(path, roles)
    if frame.empty:
        raise UsageError(f"{path}: an empty trace: one row a request is expected")
    return frame


def trace_periods(
    trace: Trace, start: datetime | None, zone: ZoneInfo, where: str, notes: list[str]
) -> tuple[DemandPeriod, ...]:
    """Hourly periods from the first request on; the last ends with the last request.

    A last part under 10 minutes is joined to the hour before it. The sum of mean_rps · hours · 3600 is the
    number of requests. start is demand.start of the workload file `where`. Raises UsageError.
    """
    begin = _begin(trace, start, zone, where, notes)
    edges = _edges(float(trace.seconds[-1]))
    counts = np.histogram(trace.seconds, bins=edges)[0]
    if len(edges) == 2 and edges[1] < 3600.0:
        notes.append(f"the trace spans {edges[1] / 60:.1f} minutes: one period, with no daily shape")
    elif abs(edges[-1] - edges[-2] - 3600.0) > _NOTABLE_S:
        notes.append(f"the trace's last period is {(edges[-1] - edges[-2]) / 3600:.2f} hours long")
    return tuple(
        DemandPeriod(
            start=begin + timedelta(seconds=float(low)),
            hours=float(high - low) / 3600.0,
            mean_rps=float(count) / float(high - low),
            peak_10min_rps=_peak_10min_rps(trace.seconds, float(low), float(high), float(count)),
        )
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
    )


def _edges(span_s: float) -> NDArray[np.float64]:
    hours, rest = divmod(span_s, 3600.0)
    edges = [3600.0 * n for n in range(int(hours) + 1)]
    if hours and rest < _WINDOW_S:
        edges[-1] = span_s
    else:
        edges.append(span_s)
    return np.array(edges)


def _peak_10min_rps(seconds: NDArray[np.float64], low: float, high: float, count: float) -> float | None:
    if high - low < _WINDOW_S:
        return None
    begins = np.append(np.arange(low, high - _WINDOW_S, _WINDOW_S), high - _WINDOW_S)
    # The last request lies at the very end of the last period: both ends belong to a window.
    before = np.searchsorted(seconds, begins, side="left")
    inside = np.searchsorted(seconds, begins + _WINDOW_S, side="right") - before
    return max(float(inside.max()) / _WINDOW_S, count / (high - low))


def _begin(trace: Trace, start: datetime | None, zone: ZoneInfo, where: str, notes: list[str]) -> datetime:
    if trace.first is None:
        return clock.horizon_start(where, start, zone, notes) + timedelta(seconds=trace.first_offset_s)
    if start is not None and clock.to_utc(where, "demand.start", start, zone) != trace.first:
        right = f"leave it out: the times in {trace.where} say when it begins ({trace.first.isoformat()})"
        raise bad_value(where, "demand.start", start.isoformat(), right)
    return trace.first


def _columns(where: str, found: list[str], roles: Roles) -> dict[str, str]:
    """Column of the file -> role; UsageError lists the columns found where one is missing."""
    folded = {name.strip().casefold(): name for name in found}
    chosen = {}
    for role, names in roles.items():
        match = next((folded[name] for name in names if name in folded), None)
        if match is None:
            right = f"no {names[0]} (or {' or '.join(names[1:])}) among them"
            raise bad_value(where, "columns", ",".join(found), right)
        chosen[match] = role
    cached = [folded[name] for name in _CACHED if name in folded]
    if len(cached) > 1:
        raise bad_value(where, "columns", ",".join(cached), "say the same of a prompt: keep one of them")
    return chosen | dict.fromkeys(cached, _CACHED[0])


def _read_csv(path: Path, roles: Roles) -> pandas.DataFrame:
    import pandas as pd

    where = str(path)
    try:
        with warnings.catch_warnings():
            # Rows longer than the header are cut with a warning, or shifted by a column: neither is wanted.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(path, comment="#", encoding="utf-8-sig", low_memory=False, index_col=False)
    except pd.errors.EmptyDataError:
        raise UsageError(f"{where}: an empty file: a header line and one row a request expected") from None
    except pd.errors.ParserWarning:
        raise UsageError(f"{where}: not a readable CSV file: rows have more values than the header") from None
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise UsageError(f"{where}: not a readable CSV file: {' '.join(str(error).split())}") from None
    except OSError as error:
        raise _unreadable(where, error) from None
    chosen = _columns(where, list(frame.columns), roles)
    return frame[list(chosen)].rename(columns=chosen)


def _read_parquet(path: Path, roles: Roles) -> pandas.DataFrame:
    where = str(path)
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UsageError(
            f"{where}: a Parquet trace needs pyarrow: install the extra, cloud-pricing-optimiser[parquet], "
            "or give the trace as CSV"
        ) from None
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            chosen = _columns(where, list(file.schema_arrow.names), roles)
            frame: pandas.DataFrame = file.read(columns=list(chosen)).to_pandas()
    except pyarrow.ArrowException as error:
        raise UsageError(f"{where}: not a readable Parquet file: {' '.join(str(error).split())}") from None
    except OSError as error:
        raise _unreadable(where, error) from None
    return frame.rename(columns=chosen)


def _unreadable(where: str, error: OSError) -> UsageError:
    reason = error.strerror or "is it there, and a file?"
    return UsageError(f"{where}: cannot be read ({reason}): it is named relative to the workload file")


def _tokens(
    where: str, column: pandas.Series[Any], field: str, least: float, right: str
) -> NDArray[np.float64]:
    import pandas as pd

    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    _refuse(where, field, column, ~(np.isfinite(values) & (values >= least)), right)
    return values


def _times(
    where: str, column: pandas.Series[Any], zone: ZoneInfo
) -> tuple[datetime | None, float, NDArray[np.float64]]:
    """(time of the first request or None, its count of seconds, seconds of each request since the first)."""
    import pandas as pd

    numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    if numeric:
        seconds = column.to_numpy(dtype=np.float64, na_value=np.nan)
        _refuse(where, "time", column, ~np.isfinite(seconds), "seconds or an ISO 8601 time")
        offset_s = float(seconds[0])
        first = datetime.fromtimestamp(offset_s, UTC) if _UNIX_SECONDS_FROM <= offset_s < 1e11 else None
    else:
        moments = _moments(where, column, zone)
        seconds = ((moments - moments.iloc[0]) / pd.Timedelta(seconds=1)).to_numpy(dtype=np.float64)
        first, offset_s = moments.iloc[0].to_pydatetime(warn=False), 0.0
    unsorted = np.append(False, np.diff(seconds) < 0)
    _refuse(where, "time", column, unsorted, "no earlier than the row before it: sort the trace by time")
    span_s = float(seconds[-1] - seconds[0])
    if not 0 < span_s < _LONGEST_SPAN_S or abs(offset_s) >= 1e11:
        right = "more than 0 seconds and less than 20 years from first to last (in seconds, not ms)"
        raise bad_value(where, "time", f"{column.iloc[0]} … {column.iloc[-1]}", right)
    return first, offset_s, seconds - seconds[0]


def _moments(where: str, column: pandas.Series[Any], zone: ZoneInfo) -> pandas.Series[Any]:
    import pandas as pd

    right = "seconds or an ISO 8601 time such as 2026-01-05T00:00:00.25"
    if not pd.api.types.is_datetime64_any_dtype(column):
        text = column.astype("string")
        with_offset = text.str.contains(r"(?:[Zz]|[+-]\d\d:?\d\d)\s*$", regex=True).fillna(value=False)
        if with_offset.any():
            naive = ~with_offset.to_numpy(dtype=bool)
            _refuse(where, "time", column, naive, "a time with a UTC offset like the others")
        moments = pd.to_datetime(text, format="ISO8601", errors="coerce", utc=bool(with_offset.any()))
    else:
        moments = column
    _refuse(where, "time", column, moments.isna().to_numpy(dtype=bool), right)
    if moments.dt.tz is None:
        try:
            moments = moments.dt.tz_localize(zone, ambiguous="infer", nonexistent="raise")
        except ValueError as error:
            raise UsageError(
                f"{where}: time: the clock of {zone.key} changes within it ({error}): write UTC offsets"
            ) from None
    return moments.dt.tz_convert("UTC")


def _refuse(where: str, field: str, column: pandas.Series[Any], wrong: NDArray[np.bool_], right: str) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        raise bad_value(f"{where}: row {row + 1}", field, _plain(column.iloc[row]), right)


def _plain(value: Any) -> Any:
    import pandas as pd

    if pd.isna(value):
        return ""
    return value.item() if isinstance(value, np.generic) else value
