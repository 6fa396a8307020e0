"""Anchors of set-ups: every measurement against the model at its own sizes and load.

The load that counts is how many sequences decode at once, B = requests per second × output tokens × time per token
(Little's law, all three as measured); where time per token was not measured, B follows from the requests in flight,
and for a run with all requests at hand it is the model's fullest batch. The time of a step is then B / (requests per
second × output tokens), so that a step corrected by measured over predicted gives rate and time per token both back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from optimiser.measured.agreement import SAME_CONTEXT, SAME_LOAD, spread_of
from optimiser.measured.basis import EVENLY_SPACED, basis_of, doubts_of, engine_of, first_tokens_left_out
from optimiser.measured.measurement import Measurement
from optimiser.measured.plausible import KEPT_UP
from optimiser.performance.anchor import Anchor, Anchors, Array, Factors
from optimiser.performance.at_load import Point, evaluate, request_rate
from optimiser.performance.finite_runs import draining_s
from optimiser.performance.layouts import Layouts
from optimiser.performance.mix import Mix
from optimiser.performance.model_work import ModelWork
from optimiser.performance.operating import PLACES_SHARE, fastest_batch
from optimiser.performance.parameters import kv_bytes_for_context
from optimiser.performance.precision import HALF_PRECISIONS
from optimiser.performance.queueing import mean_wait_s, without_place_wait
from optimiser.performance.setups import Candidate, layouts_of
from optimiser.performance.trial import MAX_SEQUENCES, AnchorsOf, Question, memory_of

# So few requests in flight hardly wait for each other's prompts. More of them in a closed loop come and go in waves,
# which make first tokens late in a way that arrivals of their own accord are not.
UNLOADED_REQUESTS = 4.0
_ROUNDS = 6

Key = tuple[str, str, str, str, str, int, int, bool]


def anchors_of(measurements: Sequence[Measurement]) -> AnchorsOf:
    """What the measurements say of candidates for a question; worked out once for candidates alike."""
    by_key: dict[Key, list[Measurement]] = defaultdict(list)
    for one in measurements:
        by_key[_key_of(one)].append(one)

    def of_candidates(question: Question, candidates: Sequence[Candidate]) -> Anchors:
        known: dict[tuple[Key, str], Anchor] = {}
        found: list[Anchor | None] = []
        for candidate in candidates:
            key = _key(question, candidate)
            if candidate.instances > 1 or key not in by_key:
                found.append(None)
                continue
            # GPUs that work alone are not told apart by what joins them.
            link = (
                candidate.hardware.gpu_link
                if candidate.shards * candidate.stages * candidate.ranks > 1
                else ""
            )
            if (key, link) not in known:
                known[key, link] = _anchor(question, candidate, by_key[key])
            found.append(known[key, link])
        return tuple(found) if any(found) else ()

    return of_candidates


def _key(question: Question, candidate: Candidate) -> Key:
    setup, hardware = candidate.setup(), candidate.hardware
    return (
        question.model.name,
        hardware.gpu.name,
        hardware.engine.name,
        _width(setup.weight_precision),
        _width(setup.kv_precision),
        setup.tensor_parallel,
        setup.pipeline_parallel,
        setup.attention_data_parallel,
    )


def _key_of(one: Measurement) -> Key:
    precisions = _width(one.weight_precision), _width(one.kv_precision)
    layout = one.tensor_parallel, one.pipeline_parallel, one.attention_data_parallel
    return (one.model, one.gpu, one.engine, *precisions, *layout)


def _width(precision: str) -> str:
    """The two 16-bit formats are one: they take the same time."""
    return "16 bit" if precision in HALF_PRECISIONS else precision


@dataclass(frozen=True, kw_only=True)
class _Runs:
    """Measurements as arrays (1, runs), nan where not measured; ttft only where its load tells of it."""

    work: ModelWork
    at: Layouts
    mix: Mix
    places: Array
    rate: Array
    tpot_s: Array
    ttft_s: Array
    in_flight: Array
    closed: Array
    requests: Array


def _anchor(question: Question, candidate: Candidate, measurements: Sequence[Measurement]) -> Anchor:
    """The corrections of one set-up from the measurements of it."""
    runs = _runs(question, candidate, measurements)
    batch, step_s = _measured_steps(runs)
    predicted = evaluate(runs.work, runs.at, batch, runs.places, runs.mix)
    others = np.where(runs.closed, np.maximum(1.0 - 1.0 / runs.in_flight, 0.0), 1.0)
    alone = predicted.steady.decode_step_s
    steps = np.log(step_s / (alone + others * (predicted.steady.step_s - alone)))[0]
    contexts, loads = runs.mix.traffic.context[0], np.maximum(batch / runs.at.stages[:, None], 1.0)[0]
    step_factors = _factors(contexts, loads, steps)
    spread = spread_of(contexts, loads, steps, measurements)
    lengths = runs.mix.traffic.prompt + runs.mix.traffic.output
    held = kv_bytes_for_context(question.model, lengths, candidate.hardware.served.kv_precision)
    anchor = Anchor(
        steps=step_factors,
        first_tokens=None,
        room_bytes=float((batch * held).max()) / PLACES_SHARE,
        prompts=_range(runs.mix.traffic.prompt),
        outputs=_range(runs.mix.traffic.output),
        batches=_range(batch),
        engine=engine_of(candidate, measurements),
        basis=basis_of(candidate, measurements),
        doubts=(
            *doubts_of(steps, spread, measurements),
            *([EVENLY_SPACED] if question.target and any(map(first_tokens_left_out, measurements)) else []),
        ),
        spread=spread,
    )
    told = np.isfinite(runs.ttft_s[0])
    if not told.any():
        return anchor
    stepped = evaluate(runs.work, replace(runs.at, anchors=(anchor,)), batch, runs.places, runs.mix)
    predicted_s = _first_token_s(stepped, others, runs.closed)[0]
    told &= np.isfinite(predicted_s)
    firsts = np.log(runs.ttft_s[0] / np.where(told, predicted_s, 1.0))
    if not told.any():
        return anchor
    of_told = [one for one, tells in zip(measurements, told, strict=True) if tells]
    return replace(
        anchor,
        first_tokens=_factors(contexts[told], loads[told], firsts[told]),
        queues=any(one.request_rate is not None for one in of_told),
        first_token_spread=spread_of(contexts[told], loads[told], firsts[told], of_told),
    )


def _runs(question: Question, candidate: Candidate, measurements: Sequence[Measurement]) -> _Runs:
    def column(values: Sequence[float | None], unknown: float = np.nan) -> Array:
        return np.array([[unknown if value is None else value for value in values]], dtype=np.float64)

    prompts, outputs = (
        np.array([getattr(one, name) for one in measurements]) for name in ("prompt_tokens", "output_tokens")
    )
    at = layouts_of([candidate])
    need = memory_of(question, [candidate], at)
    held = kv_bytes_for_context(question.model, prompts + outputs, candidate.hardware.served.kv_precision)
    most = float((MAX_SEQUENCES * at.ranks * at.stages)[0])
    places = np.clip(np.floor(need.kv_room_bytes[:, None] / held), 1.0, most)
    closed = [one.concurrency is not None and one.request_rate is None for one in measurements]
    return _Runs(
        work=question.plain_work,
        at=at,
        mix=Mix.of(*(tokens[None, :, None] for tokens in (prompts, outputs, np.ones_like(prompts)))),
        places=places,
        rate=column([one.requests_per_second for one in measurements]),
        tpot_s=column([one.tpot_ms for one in measurements]) / 1e3,
        ttft_s=column([one.ttft_ms if _tells_first_token(one) else None for one in measurements]) / 1e3,
        in_flight=column([one.concurrency for one in measurements], np.inf),
        closed=np.array([closed]),
        requests=column([one.requests for one in measurements], np.inf),
    )


def _tells_first_token(one: Measurement) -> bool:
    if not one.first_token_at_client or first_tokens_left_out(one):
        return False
    if one.request_rate is not None:
        return one.requests_per_second >= KEPT_UP * one.request_rate
    return one.concurrency is not None and one.concurrency <= UNLOADED_REQUESTS


def _measured_steps(runs: _Runs) -> tuple[Array, Array]:
    """Decoding sequences of a replica and seconds per step, as measured, both (1, runs)."""
    output = runs.mix.traffic.output
    # Where nothing says how many decode at once, the model's fullest batch does.
    fullest = np.minimum(runs.places * PLACES_SHARE, np.maximum(runs.requests, 1.0))
    fullest, _ = fastest_batch(runs.work, runs.at, fullest, runs.mix)
    batch, in_flight = fullest, np.where(np.isfinite(runs.in_flight), runs.in_flight, 0.0)
    # Of requests kept in flight, too, those wait in line that the replica has no place for.
    queued = (in_flight == 0) | (in_flight > runs.places)
    for _ in range(_ROUNDS):
        point = evaluate(runs.work, runs.at, batch, runs.places, runs.mix)
        first_s = _first_token_s(point, np.ones_like(batch), np.ones_like(runs.closed))
        left = in_flight - np.minimum(runs.rate * first_s, in_flight / 2)
        batch = np.where(queued, fullest, np.minimum(left, runs.places))
    # A run with requests in line until its end drains: its rate in between is higher than over the whole of it.
    drained = queued & np.isfinite(runs.requests)
    rate = np.where(drained, _rate_before_draining(runs, fullest), runs.rate)
    by_rate = batch / (rate * output)
    known = np.isfinite(runs.tpot_s)
    batch = np.where(known, runs.rate * output * runs.tpot_s, batch)
    return batch, np.where(known, runs.tpot_s, by_rate)


def _rate_before_draining(runs: _Runs, batch: Array) -> Array:
    """Requests/s in steady state of runs whose batch empties at the end.

    The share of time that draining takes is the model's, as its steps are long as the measured ones or not.
    """
    model = request_rate(runs.work, runs.at, batch, runs.mix)[0]
    lost = draining_s(runs.work, runs.at, batch, runs.mix) / runs.requests
    return np.asarray(runs.rate * (1.0 + lost * model))


def _first_token_s(point: Point, others: Array, closed: Array) -> Array:
    """Mean TTFT in seconds; in a closed loop a request meets the others alone, and always finds a place."""
    waits = mean_wait_s(without_place_wait(point.wait)), mean_wait_s(point.wait)
    return np.asarray(point.own_s[..., 0] + np.where(closed, others * waits[0], waits[1]))


def _factors(contexts: Array, loads: Array, logs: Array) -> Factors:
    """The factors in order of context and load, those at the same place averaged."""
    table: list[tuple[float, list[tuple[float, float]]]] = []
    order = np.argsort(contexts, kind="stable")
    for some in _places(contexts[order], SAME_CONTEXT):
        rows = order[some]
        rows = rows[np.argsort(loads[rows], kind="stable")]
        curve = [
            (float(np.exp(np.log(loads[rows[near]]).mean())), float(logs[rows[near]].mean()))
            for near in _places(loads[rows], SAME_LOAD)
        ]
        table.append((float(np.exp(np.log(contexts[rows]).mean())), curve))
    return Factors(
        contexts=tuple(context for context, _ in table),
        loads=tuple(tuple(load for load, _ in curve) for _, curve in table),
        logs=tuple(tuple(log for _, log in curve) for _, curve in table),
    )


def _places(values: Array, width: float) -> list[slice]:
    """Slices of increasing values of which each is within a factor of `width` of the first."""
    starts: list[int] = []
    for index, value in enumerate(values):
        if not starts or value > values[starts[-1]] * width:
            starts.append(index)
    return [slice(start, end) for start, end in zip(starts, [*starts[1:], len(values)], strict=True)]


def _range(values: Array) -> tuple[float, float]:
    return float(values.min()), float(values.max())
