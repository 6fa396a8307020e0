"""Requests served by continuous batching on the device: how long first tokens take as the load grows.

The decoder is that of bench/steps.py. Steps that decode alone are CUDA graphs, each for a few sequences more than the
last, as engines have them; steps with prompts are launched one kernel after the other. Every sequence looks back at the
mean context: caches of different lengths need a mask, which torch's FlashAttention does not take.
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_left
from collections.abc import Iterator
from functools import partial

from optimiser.calibration.bench.steps import decoder, hidden, needed_bytes, stepped
from optimiser.calibration.bench.timing import Bench, captured, first_line, no_room, release, settle
from optimiser.calibration.continuous_batching import (
    WARM_UP_SHARE,
    Run,
    StepOf,
    first_token_s,
    poisson_arrivals,
    prompts_a_step,
    serve,
    settled_steps,
)
from optimiser.calibration.points import PERCENTILES, LeftOut, ServedLoad
from optimiser.calibration.sizes import LOADS, Sizes

SERVING = "serving"
SEED = 20261122
FEWEST_REQUESTS = 20
REFILLS = 2
# Decode steps are captured for 1, 2, 4 and every so many sequences, and padded to the next.
_GRAPH_EVERY = 8


def serving(bench: Bench, sizes: Sizes) -> Iterator[ServedLoad | LeftOut]:
    """The highest rate, then the loads, with the most layers that fit."""
    needs = {depth: _needed(sizes, depth) for depth in sizes.depths}
    depth = max((one for one in needs if no_room(bench, needs[one]) is None), default=min(needs))
    reason = no_room(bench, needs[depth])
    try:
        if reason is None:
            yield from _loads(bench, sizes, depth)
    except RuntimeError as error:
        reason = first_line(error)
    finally:
        release(bench)
    if reason is not None:
        service = sizes.service
        asked = {
            "layers": depth,
            "prompt": service.prompt,
            "output": service.output,
            "places": service.places,
        }
        yield LeftOut(
            section=SERVING, case=sizes.step_model.name, precision=sizes.half, sizes=asked, reason=reason
        )


def _loads(bench: Bench, sizes: Sizes, depth: int) -> Iterator[ServedLoad]:
    service, step = sizes.service, stepper(bench, sizes, depth)
    highest = _saturated(step, sizes, depth)
    yield highest
    for load in LOADS:
        rate = highest.rate_rps * load
        requests = max(min(service.requests, int(rate * service.longest_s)), FEWEST_REQUESTS)
        arrivals = poisson_arrivals(requests, rate, SEED)
        run = _served(step, sizes, arrivals, (service.output,) * requests)
        yield _found(run, sizes, depth, int(requests * WARM_UP_SHARE), load, rate)


def _saturated(step: StepOf, sizes: Sizes, depth: int) -> ServedLoad:
    """All places taken without a break: the rate at which they are refilled, REFILLS times each.

    The first requests are of every length up to the output, or all would end, and their successors begin, at once.
    """
    places, output = sizes.service.places, sizes.service.output
    first = [math.ceil(output * (place + 1) / places) for place in range(places)]
    outputs = (*first, *[output] * (REFILLS * places + 1))
    run = _served(step, sizes, (0.0,) * len(outputs), outputs)
    rate = REFILLS * places / (run.first_s[-1] - run.first_s[places])
    return _found(run, sizes, depth, places, 1.0, rate)


def _served(step: StepOf, sizes: Sizes, arrivals: tuple[float, ...], outputs: tuple[int, ...]) -> Run:
    service = sizes.service
    return serve(step, arrivals, outputs, prompt=service.prompt, places=service.places)


def stepper(bench: Bench, sizes: Sizes, depth: int) -> StepOf:
    """The step of so many sequences and prompts, warmed up."""
    model, half, service = sizes.step_model, sizes.half, sizes.service
    made = decoder(bench, model, depth, service.places, _context(sizes), half)
    most = prompts_a_step(service.prompt, service.places)
    rows = hidden(bench, model, service.places + most * service.prompt, half)
    alone = {
        size: captured(bench, partial(stepped, made, rows[:size], size, 0))
        for size in graph_sizes(service.places)
    }
    order = sorted(alone)

    def step(decoding: int, prompts: int) -> None:
        if prompts:
            stepped(made, rows[: decoding + prompts * service.prompt], decoding, prompts)
        else:
            alone[order[bisect_left(order, decoding)]]()
        settle(bench)

    # Kernels are loaded and memory is found at their first use.
    for prompts in {1, most // 2 or 1, most}:
        for decoding in (0, service.places):
            step(decoding, prompts)
    return step


def graph_sizes(places: int) -> tuple[int, ...]:
    """Sequences that a decode step is captured for."""
    few = {size for size in (1, 2, 4) if size < places}
    return tuple(sorted(few | set(range(_GRAPH_EVERY, places, _GRAPH_EVERY)) | {places}))


def _context(sizes: Sizes) -> int:
    """What a decoding sequence looks back at on average."""
    return sizes.service.prompt + sizes.service.output // 2


def _needed(sizes: Sizes, depth: int) -> float:
    service = sizes.service
    chunk = prompts_a_step(service.prompt, service.places) * service.prompt
    return needed_bytes(sizes.step_model, depth, service.places, _context(sizes), chunk, sizes.half)


def _found(run: Run, sizes: Sizes, depth: int, skipped: int, load: float, rate: float) -> ServedLoad:
    """What the requests after those skipped tell."""
    service, steps = sizes.service, settled_steps(run, skipped)
    alone = [step.seconds for step in steps if not step.prompts]
    mixed = [step for step in steps if step.prompts]
    names = [f"{percentile}" for percentile in PERCENTILES] if load < 1 else []
    return ServedLoad(
        case=sizes.step_model.name,
        precision=sizes.half,
        layers=depth,
        prompt=service.prompt,
        output=service.output,
        places=service.places,
        load=load,
        rate_rps=rate,
        requests=len(run.first_s) - skipped,
        duration_s=max(run.last_s) - run.arrival_s[0],
        ttft_s=dict(zip(names, first_token_s(run, skipped, PERCENTILES), strict=False)),
        decoding=statistics.fmean(step.decoding for step in steps),
        decode_step_s=statistics.fmean(alone) if alone else None,
        mixed_step_s=statistics.fmean(step.seconds for step in mixed),
        mixed_prompts=statistics.fmean(step.prompts for step in mixed),
    )
