"""Predictions of many cases at once, by the functions that estimates are made with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from optimiser.accuracy.prepare import Group, Prepared
from optimiser.accuracy.sets import How
from optimiser.performance.at_load import Point, evaluate, request_rate
from optimiser.performance.finite_runs import draining_s, first_wave_s
from optimiser.performance.layouts import Array, Layouts
from optimiser.performance.operating import (
    PLACES_SHARE,
    batch_at_rate,
    fastest_batch,
    largest_batch,
    lowest_batch,
)
from optimiser.performance.physics import Fit, Physics
from optimiser.performance.queueing import mean_wait_s, without_place_wait

_ROUNDS = 4
_LATENCIES = (How.CLOSED_TPOT, How.CLOSED_TTFT, How.ENGINE_TTFT)
_AT_A_RATE = (How.OPEN_TPOT, How.OPEN_TTFT, How.OPEN_ENGINE_TTFT)


@dataclass(frozen=True, kw_only=True)
class Factors:
    """What a fit finds: the physics, and per case, (cases,), the shares of the peak compute and bandwidth that
    its GPUs reach, and the step factor and latent_prompt_layer_us of its engine.
    """

    physics: Physics
    compute: Array
    bandwidth: Array
    step_factor: Array
    latent_prompt_layer_us: Array


def factors_of(prepared: Prepared, fit: Fit) -> Factors:
    """The factors of each case's GPU generation and engine."""
    reach = [fit.generations[case.gpu.generation] for case in prepared.cases]
    engines = [fit.engines[case.engine] for case in prepared.cases]
    steps = [
        one.step_factor(engine.step_factor, case.model.moe is not None)
        for one, engine, case in zip(reach, engines, prepared.cases, strict=True)
    ]
    return Factors(
        physics=fit.physics,
        compute=np.array([item.compute for item in reach]),
        bandwidth=np.array([item.bandwidth for item in reach]),
        step_factor=np.array(steps),
        latent_prompt_layer_us=np.array([one.latent_prompt_layer_us for one in engines]),
    )


def predict(prepared: Prepared, factors: Factors) -> Array:
    """The predicted figure of each case in its own unit, (cases,); the best layout where a row leaves it open, at a
    given rate the one that could serve most: who runs an open loop laid it out for throughput, not for that rate.
    """
    predicted = np.full(len(prepared.cases), np.nan)
    for group in prepared.groups:
        at = _reached(group, factors)
        values = _PREDICTIONS[group.how](group, at)[:, 0]
        if group.how in _AT_A_RATE:
            order = np.argsort((_highest_rate(group, at) * group.replicas)[:, 0], kind="stable")
            # Of several values for one case the last one stays.
            predicted[group.case[order]] = values[order]
        else:
            (np.fmin if group.how in _LATENCIES else np.fmax).at(predicted, group.case, values)
    return predicted


def load_shares(prepared: Prepared, factors: Factors) -> Array:
    """Offered rate over the highest rate, (cases,); nan where the load is not a rate."""
    shares = np.full(len(prepared.cases), np.nan)
    for group in prepared.groups:
        if group.how in _AT_A_RATE:
            highest = _highest_rate(group, _reached(group, factors))
            np.fmin.at(shares, group.case, (group.load / highest)[:, 0])
    return shares


def _highest_rate(group: Group, at: Layouts) -> Array:
    """Requests/s of one replica with all its places taken, (entries, 1)."""
    return fastest_batch(group.work, at, group.places * PLACES_SHARE, group.mix)[1]


def _reached(group: Group, factors: Factors) -> Layouts:
    compute, bandwidth = factors.compute[group.case], factors.bandwidth[group.case]
    latent_layer_s = factors.latent_prompt_layer_us[group.case] * 1e-6
    return replace(
        group.layouts,
        physics=factors.physics,
        step_factor=factors.step_factor[group.case],
        latent_prompt_layer_s=latent_layer_s,
        graph_tokens=np.full_like(latent_layer_s, np.inf) if group.from_plan else group.layouts.graph_tokens,
        weight_flops=group.layouts.weight_flops * compute * factors.physics.reach(group.kernel),
        half_flops=group.layouts.half_flops * compute,
        memory_bytes_per_s=group.layouts.memory_bytes_per_s * bandwidth,
    )


def _offline(group: Group, at: Layouts) -> Array:
    """The offline rate as estimates have it, over a run as long as the measured one: N requests take N/λ and the
    time to drain; no more than N run at once.
    """
    own = group.run_requests / group.replicas
    batch, rate = fastest_batch(group.work, at, np.minimum(group.places * PLACES_SHARE, own), group.mix)
    requests = np.minimum(own, group.run_s * rate)
    return _tokens(group, 1.0 / (1.0 / rate + draining_s(group.work, at, batch, group.mix) / requests))


def _server(group: Group, at: Layouts) -> Array:
    largest = largest_batch(group.work, at, group.places, group.mix, group.target)
    return _tokens(group, fastest_batch(group.work, at, largest, group.mix)[1])


def _batch(group: Group, at: Layouts) -> Array:
    batch = np.minimum(group.load, group.places)
    return _tokens(group, request_rate(group.work, at, batch, group.mix)[0])


def _tokens(group: Group, rate: Array) -> Array:
    """Output tokens/s of all replicas at `rate` requests/s of each."""
    return np.asarray(rate * group.mix.traffic.output * group.replicas)


def _closed(group: Group, at: Layouts) -> tuple[Array, Array]:
    """(TPOT, mean TTFT) in seconds with `load` requests in flight, of which those past their first token decode:
    B + rate · TTFT = load by Little's law, B at most the places there are.

    A request meets the load − 1 others alone: what it waits for, and the prompts that prolong its steps, are
    theirs (the arrival theorem of closed networks; exact for one request, where nothing is in its way). The mean
    TTFT of a run counts those that it began with, all at once, by their share (first_wave_s).
    """
    others = np.maximum(1.0 - 1.0 / group.load, 0.0)
    batch = np.minimum(group.load, group.places)
    for _ in range(_ROUNDS):
        point = evaluate(group.work, at, batch, group.places, group.mix)
        waited = others * mean_wait_s(without_place_wait(point.wait))
        first_token = np.minimum(point.own_s[..., 0] + waited, group.load / point.rate)
        decoding = group.load / (1.0 + first_token * point.rate / batch)
        batch = np.minimum(np.sqrt(batch * decoding), group.places)
    first_token = first_token + _burst_share(group) * (_first_wave_s(group, at) - first_token)
    left = (group.load - batch) / point.rate
    alone = point.steady.decode_step_s
    step = alone + others * (point.steady.step_s - alone)
    return step, np.where(batch < group.places, first_token, np.maximum(first_token, left))


def _burst_share(group: Group) -> Array:
    """The share of a closed loop's requests that came when it began; 0 where the run's length is not known."""
    return np.minimum(group.load * group.replicas / group.run_requests, 1.0)


def _first_wave_s(group: Group, at: Layouts) -> Array:
    inside = first_wave_s(group.work, at, np.minimum(group.load, group.places), group.mix)
    return inside + at.physics.first_token_overhead_ms * 1e-3


def _engine_first_token(group: Group, at: Layouts) -> Array:
    """A prompt alone, without what a request meets on its way to the engine and back."""
    alone = lowest_batch(group.work, at, group.places, group.mix)
    point = evaluate(group.work, at, alone, group.places, group.mix)
    return np.asarray(point.own_s[..., 0] * 1e3 - at.physics.request_overhead_ms)


def _open(group: Group, at: Layouts) -> Point:
    largest = group.places * PLACES_SHARE
    batch = batch_at_rate(group.work, at, group.load, largest, group.mix)
    return evaluate(group.work, at, batch, group.places, group.mix)


def _open_first_token(group: Group, at: Layouts) -> Array:
    point = _open(group, at)
    return (mean_wait_s(point.wait) + point.own_s[..., 0]) * 1e3


_PREDICTIONS: dict[How, Callable[[Group, Layouts], Array]] = {
    How.OFFLINE: _offline,
    How.BATCH: _batch,
    How.SERVER: _server,
    How.CLOSED_TPOT: lambda group, at: _closed(group, at)[0] * 1e3,
    How.CLOSED_TTFT: lambda group, at: _closed(group, at)[1] * 1e3,
    How.ENGINE_TTFT: _engine_first_token,
    How.OPEN_TPOT: lambda group, at: _open(group, at).steady.step_s * 1e3,
    How.OPEN_TTFT: _open_first_token,
    How.OPEN_ENGINE_TTFT: lambda group, at: _open_first_token(group, at) - at.physics.request_overhead_ms,
}
