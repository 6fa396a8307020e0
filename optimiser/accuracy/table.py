"""A table of serving measurements as typed rows."""

from __future__ import annotations

import hashlib
import math
import types
import typing
from dataclasses import dataclass, fields
from pathlib import Path

from optimiser.errors import UsageError, bad_value
from optimiser.prices.snapshot import read_table


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One published measurement; a field per column, None where the cell is empty, `line` in the file.

    Lengths (isl, osl) are tokens per request, concurrency requests in flight over all GPUs of the row,
    request_rate offered requests/s, throughput_tok_s_total_output output tokens/s over all GPUs, samples_s
    finished requests/s. tp is empty where the row does not say how the model was split; attn is "tp", or "dep"
    (with the number of GPUs) for data-parallel attention with spread experts. params_b and active_params_b are
    in 1e9. ttft_ms and tpot_ms are the statistic that latency_stat names.
    """

    line: int
    source: str
    source_version: str | None
    model: str
    params_b: float | None
    active_params_b: float | None
    gpu: str
    gpu_count: int
    tp: int | None
    pp: int | None
    attn: str | None
    precision_weights: str | None
    precision_kv: str | None
    precision_source: str | None
    engine: str | None
    isl: float | None
    osl: float | None
    isl_source: str | None
    scenario: str
    concurrency: float | None
    request_rate: float | None
    throughput_tok_s_total_output: float | None
    throughput_tok_s_in_out: float | None
    samples_s: float | None
    ttft_ms: float | None
    tpot_ms: float | None
    latency_stat: str | None
    constraint: str | None
    notes: str | None


T = typing.TypeVar("T")
COLUMNS = tuple(field.name for field in fields(Measurement) if field.name != "line")


def read_measurements(path: Path) -> tuple[Measurement, ...]:
    """Every row of a measurement table, in order. Raises as read_rows does."""
    return read_rows(path, Measurement)


def read_rows(path: Path, cls: type[T]) -> tuple[T, ...]:
    """Every row of a table as a dataclass of a field per column and its line; other columns are passed over.

    Raises UsageError, naming the file and where there is one the line, column and value, for a file that
    cannot be read, lacks a column or has no rows, for an empty cell that must be filled, and for a number
    that is none, is not above 0, or is not whole where GPUs are counted.
    """
    kinds = _kinds(cls)
    columns = tuple(name for name in kinds if name != "line")
    rows: list[T] = []
    make: typing.Callable[..., T] = cls
    for line, cells in read_table(path):
        missing = [name for name in columns if name not in cells]
        if missing:
            raise UsageError(f"{path}: column {missing[0]!r} is missing: needed are {', '.join(columns)}")
        values = {name: _value(cells[name], *kinds[name], f"{path} line {line}", name) for name in columns}
        rows.append(make(line=line, **values))
    if not rows:
        raise UsageError(f"{path}: no rows: a header line and at least one measurement are expected")
    return tuple(rows)


def digest_of(path: Path) -> str:
    """SHA-256 of a table's bytes: whether it is the one that a fit was made of."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _kinds(cls: type) -> dict[str, tuple[type, bool]]:
    """Per field its type, and whether the cell may be empty."""
    kinds: dict[str, tuple[type, bool]] = {}
    for name, hint in typing.get_type_hints(cls).items():
        optional = isinstance(hint, types.UnionType)
        kinds[name] = (typing.get_args(hint)[0] if optional else hint, optional)
    return kinds


def _value(cell: str, kind: type, optional: bool, where: str, name: str) -> typing.Any:
    if not cell:
        if optional:
            return None
        raise bad_value(where, name, cell, "must be filled in every row")
    if kind is str:
        return cell
    try:
        number = float(cell)
    except ValueError:
        raise bad_value(where, name, cell, "must be a number, or empty where it is not known") from None
    if not (math.isfinite(number) and number > 0):
        raise bad_value(where, name, cell, "must be a number above 0, or empty where it is not known")
    if kind is int:
        if not number.is_integer():
            raise bad_value(where, name, cell, "must be a whole number")
        return int(number)
    return number
