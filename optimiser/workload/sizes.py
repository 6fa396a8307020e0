"""Request sizes: one pair, buckets, quantiles of each length or the lengths in a trace, as size buckets.

Quantile and trace sizes are cut at fixed quantiles of the prompt and of the output length (PROMPT_EDGES_PCT ×
OUTPUT_EDGES_PCT), narrow at the top, so that the longest few percent, which decide whether a latency target
holds, have buckets of their own. A bucket stands at the mean lengths of its requests: total tokens are kept.

A quantile file is a CSV with `#` comments and the columns

    field,quantile_pct,tokens
    prompt_tokens,50,900
    output_tokens,50,41

where field is prompt_tokens or output_tokens, quantile_pct rises from row to row within 0 to 100 and reaches
at least 99, and tokens never falls. Between two rows the quantile function is a straight line; before the
first row and after the last it is level. The two lengths are taken to be independent of each other.

How much of a prompt is found in the KV cache stands beside its length, or is one share of every prompt.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from optimiser.errors import UsageError, bad_value, did_you_mean
from optimiser.workload.csv_table import CsvTable, number, read_csv
from optimiser.workload.resolved import SizeBucket
from optimiser.workload.schema import SizesFields
from optimiser.workload.trace import Lengths, Trace, read_lengths
from optimiser.workload.volume import cached_share

PROMPT_EDGES_PCT = (0.0, 30.0, 60.0, 80.0, 95.0, 99.0, 100.0)
OUTPUT_EDGES_PCT = (0.0, 40.0, 70.0, 90.0, 98.0, 100.0)

_FIELDS = ("prompt_tokens", "output_tokens")
_LEAST_LAST_PCT = 99.0


def size_buckets(
    path: Path, sizes: SizesFields, trace: Trace | None, notes: list[str]
) -> tuple[SizeBucket, ...]:
    """The size buckets of the workload file at `path`, shares summing to 1; trace is its demand.trace.

    What had to be assumed is added to notes. Raises UsageError.
    """
    buckets = _buckets(path, sizes, trace, notes)
    if sizes.cached_prefix_share is not None:
        if any(bucket.cached_prefix_tokens for bucket in buckets):
            right = "leave it out: the prompts above already say how much of each is cached"
            raise bad_value(str(path), "sizes.cached_prefix_share", sizes.cached_prefix_share, right)
        share = sizes.cached_prefix_share
        buckets = tuple(
            replace(one, cached_prefix_tokens=min(one.prompt_tokens * share, one.prompt_tokens - 1.0))
            for one in buckets
        )
    for bucket in buckets:
        if bucket.cached_prefix_tokens > bucket.prompt_tokens - 1.0 + 1e-6:
            right = f"below prompt_tokens = {bucket.prompt_tokens:g}: the last token is always computed"
            raise bad_value(str(path), "cached_prefix_tokens", bucket.cached_prefix_tokens, right)
    if share := cached_share(buckets):
        notes.append(
            f"{share:.0%} of prompt tokens are taken to be found in the KV cache: requests must reach a replica that "
            "holds their prefix, and it needs room for prefixes beside the requests it serves"
        )
    return buckets


def _buckets(path: Path, sizes: SizesFields, trace: Trace | None, notes: list[str]) -> tuple[SizeBucket, ...]:
    if sizes.buckets is not None:
        total = sum(bucket.share for bucket in sizes.buckets)
        if abs(total - 1) > 1e-6:
            raise bad_value(
                str(path), "sum of sizes.buckets shares", round(total, 9), "shares sum to 1, within 1e-6"
            )
        return tuple(
            SizeBucket(**{**bucket.model_dump(), "share": bucket.share / total}) for bucket in sizes.buckets
        )
    if sizes.quantiles is not None:
        notes.append("prompt and output lengths come from separate quantiles and are taken to be independent")
        return quantile_buckets(read_csv(path.parent / sizes.quantiles))
    if sizes.prompt_tokens is not None and sizes.output_tokens is not None:
        notes.append("every request is taken to have the same size: a spread of sizes needs more capacity")
        one = SizeBucket(
            prompt_tokens=sizes.prompt_tokens,
            output_tokens=sizes.output_tokens,
            share=1.0,
            cached_prefix_tokens=sizes.cached_prefix_tokens or 0.0,
        )
        return (one,)
    lengths = trace if sizes.trace is None else read_lengths(path.parent / sizes.trace)
    if lengths is None:
        raise bad_value(
            str(path), "sizes.from_trace", sizes.from_trace, "only where demand.trace names a trace"
        )
    return joint_buckets(lengths.prompt_tokens, lengths.output_tokens, lengths.cached_prefix_tokens)


def joint_buckets(
    prompt_tokens: Lengths,
    output_tokens: Lengths,
    cached_prefix_tokens: Lengths | None = None,
    prompt_edges_pct: tuple[float, ...] = PROMPT_EDGES_PCT,
    output_edges_pct: tuple[float, ...] = OUTPUT_EDGES_PCT,
) -> tuple[SizeBucket, ...]:
    """Requests (one entry a request, in tokens) binned on both lengths together; empty bins are left out.

    share · prompt_tokens summed over the buckets is the mean prompt length of the requests, and the same for
    the output and what is cached: each bucket stands at its own means.
    """
    columns = len(output_edges_pct) - 1
    cell = _bin(prompt_tokens, prompt_edges_pct) * columns + _bin(output_tokens, output_edges_pct)
    cells = (len(prompt_edges_pct) - 1) * columns
    counts = np.bincount(cell, minlength=cells)
    prompts = np.bincount(cell, weights=prompt_tokens, minlength=cells)
    outputs = np.bincount(cell, weights=output_tokens, minlength=cells)
    hits = np.zeros_like(prompt_tokens) if cached_prefix_tokens is None else cached_prefix_tokens
    cached = np.bincount(cell, weights=hits, minlength=cells)
    return tuple(
        SizeBucket(
            prompt_tokens=float(prompts[n] / counts[n]),
            output_tokens=float(outputs[n] / counts[n]),
            share=float(counts[n] / len(prompt_tokens)),
            cached_prefix_tokens=float(cached[n] / counts[n]),
        )
        for n in np.flatnonzero(counts)
    )


def _bin(lengths: Lengths, edges_pct: tuple[float, ...]) -> NDArray[np.int64]:
    inner = np.quantile(lengths, np.array(edges_pct[1:-1]) / 100.0)
    return np.searchsorted(inner, lengths, side="left").astype(np.int64)


def quantile_buckets(table: CsvTable) -> tuple[SizeBucket, ...]:
    """The grid of prompt × output buckets of a quantile file, 6 × 5. Raises UsageError."""
    prompt_share, prompt_tokens = _means_between(
        *_quantile_function(table, "prompt_tokens"), PROMPT_EDGES_PCT
    )
    output_share, output_tokens = _means_between(
        *_quantile_function(table, "output_tokens"), OUTPUT_EDGES_PCT
    )
    return tuple(
        SizeBucket(prompt_tokens=float(p), output_tokens=float(o), share=float(p_share * o_share))
        for p, p_share in zip(prompt_tokens, prompt_share, strict=True)
        for o, o_share in zip(output_tokens, output_share, strict=True)
    )


def _means_between(pct: Lengths, tokens: Lengths, edges_pct: tuple[float, ...]) -> tuple[Lengths, Lengths]:
    """(share, mean length) of each bin between two edges.

    mean of bin [a, b] = 1/(b − a) · ∫_a^b Q(u) du, with Q the straight-line quantile function: exact by the
    trapezium rule on the file's points and the edges together.
    """
    edges = np.array(edges_pct)
    points = np.union1d(pct, edges)
    lengths = np.interp(points, pct, tokens)
    steps = np.diff(points) * (lengths[1:] + lengths[:-1]) / 2
    integral = np.append(0.0, np.cumsum(steps))[np.searchsorted(points, edges)]
    return np.diff(edges) / 100.0, np.diff(integral) / np.diff(edges)


def _quantile_function(table: CsvTable, field: str) -> tuple[Lengths, Lengths]:
    """(quantile in percent, length in tokens) of one field of a quantile file."""
    missing = [column for column in ("field", "quantile_pct", "tokens") if column not in table.header]
    if missing:
        raise bad_value(table.where, "columns", ",".join(table.header), f"no {missing[0]} among them")
    pct: list[float] = []
    tokens: list[float] = []
    for line, row in table.rows:
        where = f"{table.where}: line {line}"
        if row["field"] not in _FIELDS:
            raise bad_value(where, "field", row["field"], did_you_mean(row["field"], _FIELDS))
        if row["field"] != field:
            continue
        at = number(where, "quantile_pct", row["quantile_pct"], "a percentage from 0 to 100")
        if at > 100 or (pct and at <= pct[-1]):
            raise bad_value(where, "quantile_pct", row["quantile_pct"], "0 to 100, rising from row to row")
        right = "a token count of 1 or more, no lower than the row before"
        tokens.append(number(where, "tokens", row["tokens"], right, least=max([1.0, *tokens[-1:]])))
        pct.append(at)
    if not pct:
        raise UsageError(f"{table.where}: no rows for {field}: both lengths need their quantiles")
    if pct[-1] < _LEAST_LAST_PCT:
        right = f"quantiles up to at least {_LEAST_LAST_PCT:g}: the longest requests decide the latency"
        raise bad_value(table.where, f"last quantile_pct of {field}", pct[-1], right)
    return np.array(pct), np.array(tokens)
