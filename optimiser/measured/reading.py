"""What a benchmark's file says, and the one way to take a number or a text out of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from optimiser.errors import bad_value

# Beyond this, a figure in any unit used here is none of a language model's.
LARGEST = 1e12
TEXT_LENGTH = 200


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One benchmark run as its file tells it; None and "" are what the file does not say.

    prompt_tokens and output_tokens are means per request, requests those completed, failed those that were not.
    concurrency is the number of requests kept in flight (a closed loop), request_rate the requests offered per second
    (an open loop); where both are None, all requests were there from the start. batch_limit is how many of them each
    rank and stage of a replica runs at once at most; the others wait. Rates are over all replicas. ttft_ms
    and tpot_ms are means at the client, tpot_ms without the first token; ttft_p99_ms and tpot_p99_ms their 99th
    percentiles. first_token_at_client is false where TTFT leaves out HTTP and tokenising. evenly_spaced is true where
    requests came at equal intervals: nobody queues then as requests of their own accord do, and TTFT does not tell of
    theirs. weight_precision is what the file says of quantisation, in its own word where that is none known here, dtype
    what weights are in where neither that nor the checkpoint's name says more. remarks are what of the file was left
    out.
    """

    format: str
    prompt_tokens: float
    output_tokens: float
    requests_per_second: float
    requests: int | None = None
    failed: int = 0
    concurrency: float | None = None
    batch_limit: float | None = None
    request_rate: float | None = None
    ttft_ms: float | None = None
    ttft_p99_ms: float | None = None
    tpot_ms: float | None = None
    tpot_p99_ms: float | None = None
    first_token_at_client: bool = True
    evenly_spaced: bool = False
    model: str = ""
    gpu: str = ""
    gpu_count: int | None = None
    replicas: int | None = None
    tensor_parallel: int | None = None
    pipeline_parallel: int | None = None
    attention_data_parallel: bool | None = None
    weight_precision: str = ""
    dtype: str = ""
    kv_precision: str = ""
    engine: str = ""
    engine_version: str = ""
    measured_on: date | None = None
    remarks: tuple[str, ...] = ()


def value_at(data: Any, path: str) -> Any:
    """What stands at a path like "metrics.requests.mean" in nested mappings; None where nothing does."""
    for name in path.split("."):
        data = data.get(name) if isinstance(data, Mapping) else None
    return data


def number(data: Any, where: str, *paths: str) -> float | None:
    """The number above 0 at the first of the paths where there is one; None where none is.

    Raises UsageError for what is no finite number above 0; infinity, as text too ("inf", "Infinity"), is one that is
    not told.
    """
    for path in paths:
        value = value_at(data, path)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if value is None or value == "" or _is_infinite(value):
            continue
        return above_zero(value, where, path)
    return None


def _is_infinite(value: object) -> bool:
    return str(value).strip().lower() in ("inf", "infinity") if isinstance(value, str | float) else False


def timed(data: Any, where: str, *paths: str) -> float | None:
    """As number, of a time whose 0 stands for one that was not measured (no streaming, answers of one token)."""
    return number(data, where, *(path for path in paths if not _is_nought(value_at(data, path))))


def _is_nought(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == 0


def needed(data: Any, where: str, *paths: str) -> float:
    """As number. Raises UsageError where there is none."""
    found = number(data, where, *paths)
    if found is None:
        raise bad_value(where, paths[0], None, "is missing: no figure to anchor estimates on without it")
    return found


def whole(data: Any, where: str, *paths: str) -> int | None:
    """As number, for what is counted. Raises UsageError for a broken count."""
    found = number(data, where, *paths)
    if found is not None and not found.is_integer():
        raise bad_value(where, paths[0], found, "must be a whole number")
    return None if found is None else int(found)


def count(data: Any, where: str, *paths: str) -> int:
    """A whole number that may be 0; 0 where none is told."""
    present = [path for path in paths if value_at(data, path) not in (None, 0, 0.0, "", "0")]
    return (whole(data, where, present[0]) or 0) if present else 0


def above_zero(value: object, where: str, name: str) -> float:
    """The number that a value is. Raises UsageError for anything but a finite number above 0."""
    try:
        found = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not 0 < found < LARGEST:
        raise bad_value(
            where, name, str(value)[:TEXT_LENGTH], f"must be a number above 0 and below {LARGEST:g}"
        )
    return found


def text(data: Any, *paths: str) -> str:
    """The text at the first of the paths where there is one, on one line; "" where none is."""
    for path in paths:
        value = value_at(data, path)
        if isinstance(value, list) and value:
            value = value[0]
        if isinstance(value, str | int | float) and not isinstance(value, bool) and value != "":
            return " ".join(str(value).split())[:TEXT_LENGTH]
    return ""


def check_poisson(data: Any, where: str, *paths: str) -> None:
    """UsageError where a shape of Gamma-distributed gaps between requests is told that is not 1.

    Gaps of shape k have a coefficient of variation of 1 / √k; estimates take requests offered at a rate to have come as
    a Poisson process, k = 1, and would have the waits of bursts be those of the engine.
    """
    for path in paths:
        shape = number(data, where, path)
        if shape is not None and shape != 1.0:
            right = (
                f"must be 1 (Poisson): gaps between requests varied {1.0 / math.sqrt(shape):,.3g} × as much as those "
                "that estimates are anchored on, so first tokens waited otherwise"
            )
            raise bad_value(where, path, shape, right)


def day(value: object) -> date | None:
    """The day of a time as benchmarks write it: 20260601-101500, ISO 8601, or seconds since 1970; else None."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC).date()
        if isinstance(value, str):
            return date.fromisoformat(value[:8] if value[:8].isdigit() else value[:10])
    except (ValueError, OverflowError, OSError):
        pass
    return None
