"""Estimates of chosen set-ups in full: per bucket, at several loads, with what limits them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from optimiser.performance.anchor import Anchor, Operators, Uncovered, anchored
from optimiser.performance.at_load import (
    Point,
    evaluate,
    first_token_s,
    meets_first_token,
    meets_tokens,
    per_token_s,
    prompt_first_token_s,
)
from optimiser.performance.beside_measured import contradiction, error_of, measured_rows, off_beside
from optimiser.performance.disagreement import far_apart, model_rates, roofline_rates
from optimiser.performance.doubts import (
    OPERATORS_ERROR,
    SERVER_ERROR,
    beside_plain_serving,
    doubts_of,
    fading,
    relative_error_of,
    unmeasured,
)
from optimiser.performance.estimate_types import Estimate, LoadPoint
from optimiser.performance.layouts import Array, Layouts
from optimiser.performance.memory import GIB
from optimiser.performance.operating import (
    PLACES_SHARE,
    batch_at_rate,
    fastest_batch,
    largest_batch,
    lowest_batch,
)
from optimiser.performance.queueing import without_place_wait, without_wait
from optimiser.performance.setups import Candidate, Hardware
from optimiser.performance.trial import Question, Trial

UTILISATIONS = (0.25, 0.50, 0.80, 1.0)
# Latencies without a target are means: there is no percentile to meet.
OFFLINE_PERCENTILE = 50.0
_DRAFTS_AFTER = (
    "measured steps are taken as those without drafts, which come on top: a run measured with speculative decoding "
    "counts them twice, so forget it (`optimiser measure forget`)"
)
# A load so much above the largest shows which condition stops it there.
_BEYOND = 1.05


def estimates_of(question: Question, trial: Trial, rows: Sequence[int]) -> list[Estimate]:
    """Estimates of the trial's candidates at `rows`, in order; provider and instance type are left empty."""
    chosen, place = np.unique(trial.alike[rows], return_inverse=True)
    layouts = trial.layouts.select(chosen)
    rate, largest = trial.rate[chosen], trial.largest[chosen]
    fastest, places = trial.fastest[chosen], trial.places[chosen]
    shares = np.array([UTILISATIONS])
    loads = batch_at_rate(question.work, layouts, rate * shares[:, :-1], fastest, question.mix)
    lowest = lowest_batch(question.work, layouts, places, question.mix)
    loads = np.concatenate([loads, fastest, lowest], axis=1)
    point = evaluate(question.work, layouts, loads, places, question.mix)
    if question.target is None:
        point = replace(point, wait=without_wait(point.wait))
    limits = _limited_by(question, layouts, largest, fastest, places, trial.max_places[chosen])
    buckets = _bucket_rates(question, trial, chosen, layouts)
    columns = _latencies(question, point)
    plain = [
        _estimate(question, trial, row, index, point, columns, buckets[index], limits[index])
        for row, index in zip(rows, place.tolist(), strict=True)
    ]
    roofline = roofline_rates(question, trial, chosen)[place].tolist()
    return [_anchored(question, trial, row, *pair) for row, *pair in zip(rows, plain, roofline, strict=True)]


def _estimate(
    question: Question,
    trial: Trial,
    row: int,
    index: int,
    point: Point,
    latencies: tuple[Array, Array, Array],
    bucket_rates: Array,
    limited_by: str,
) -> Estimate:
    candidate, hardware = trial.candidates[row], trial.candidates[row].hardware
    ttft, tpot, bucket_ttft = (array[index] for array in latencies)
    full = len(UTILISATIONS) - 1
    per_unit = candidate.replicas * point.rate[index]
    low = bool(doubts_of(question, candidate, float(trial.places[row, 0])))
    room = trial.need.kv_room_bytes[row].item()
    return Estimate(
        provider="",
        instance_type="",
        gpu=hardware.gpu.name,
        engine=hardware.engine.label,
        setup=candidate.setup(),
        requests_per_second=float(per_unit[full]),
        bucket_requests_per_second=tuple((candidate.replicas * bucket_rates).tolist()),
        ttft_ms=float(ttft[full]),
        tpot_ms=float(tpot[full]),
        bucket_ttft_ms=tuple(bucket_ttft.tolist()),
        unloaded_ttft_ms=float(ttft[full + 1]),
        concurrency_per_replica=float(point.batch[index, full]),
        kv_room_tokens_per_replica=float(room / question.held_bytes[hardware.pair] * question.held_tokens),
        weights_gib_per_gpu=float(trial.need.weights_bytes_per_gpu[row]) / GIB,
        prefill_time_share=float(point.steady.prefill_time_share[index, full]),
        limited_by=limited_by,
        load_points=tuple(
            LoadPoint(
                utilisation=share,
                requests_per_second=float(per_unit[load]),
                concurrency_per_replica=float(point.batch[index, load]),
                ttft_ms=float(ttft[load]),
                tpot_ms=float(tpot[load]),
            )
            for load, share in enumerate(UTILISATIONS)
        ),
        method=_method(hardware),
        relative_error=relative_error_of(question, candidate, low),
        low_confidence=low,
        notes=_notes(question, candidate, float(trial.places[row, 0])),
    )


def _anchored(
    question: Question, trial: Trial, row: int, estimate: Estimate, roofline_rate: float
) -> Estimate:
    """The same estimate, saying what measurements it rests on, or which there are of other set-ups beside it."""
    candidate = trial.candidates[row]
    anchor = trial.layouts.anchors[row] if trial.layouts.anchors else None
    if isinstance(anchor, Operators):
        far = far_apart(float(trial.rate[row, 0]), roofline_rate, candidate.replicas)
        estimate = _on_operators(question, candidate, anchor, estimate, far)
    elif isinstance(anchor, Uncovered):
        note = f"roofline, since measured operators do not cover this set-up: {anchor.reason}"
        estimate = replace(estimate, notes=(*estimate.notes, note))
    if not isinstance(anchor, Anchor):
        return _beside_measured(question, trial, candidate.hardware, estimate)
    prompt, output = (
        float((question.shares * tokens).sum()) for tokens in (question.prompts, question.outputs)
    )
    # Which load meets a limit on first tokens, only those measured of requests that queue tell.
    floor = anchor.first_token_spread if anchor.queues else max(anchor.first_token_spread, SERVER_ERROR)
    if question.target is None:
        floor = 0.0
    beside = bool(beside_plain_serving(question))
    if beside:
        floor = estimate.relative_error
    doubts = unmeasured(candidate, float(trial.places[row, 0])) + fading(question)
    apart = contradiction(question, trial, row)
    found = anchored(estimate, anchor, prompt, output, max(floor, error_of(apart)), doubts)
    if question.work.drafts:
        found = replace(found, notes=(*found.notes, _DRAFTS_AFTER))
    if apart == 1.0:
        return replace(found, low_confidence=found.low_confidence or beside)
    return replace(found, low_confidence=True, notes=(*found.notes, _contradicted(question, trial, row)))


def _contradicted(question: Question, trial: Trial, row: int) -> str:
    """What to say of measurements whose rate is so far from the model's."""
    measured = float(trial.rate[row, 0])
    model = float(model_rates(question, trial, np.array([row]))[0])
    return (
        f"measured, a replica serves {measured:.3g} requests/s, by the model {model:.3g}: one of the two is far off, "
        "which widens the error; see `optimiser measure list`"
    )


def _on_operators(
    question: Question, candidate: Candidate, operators: Operators, estimate: Estimate, far: str | None
) -> Estimate:
    """An estimate made with the steps of measured operators, saying so; far tells how far it is from the roofline's."""
    low = estimate.low_confidence or far is not None
    return replace(
        estimate,
        engine=operators.engine,
        method=f"{operators.basis}, with the roofline's batching, queueing and memory",
        relative_error=relative_error_of(question, candidate, low, OPERATORS_ERROR),
        low_confidence=low,
        notes=(*estimate.notes, *operators.notes, *([far] if far else [])),
    )


def _beside_measured(question: Question, trial: Trial, hardware: Hardware, estimate: Estimate) -> Estimate:
    """The estimate of a set-up that was not measured, with what measurements of others on its hardware say of it."""
    rows = measured_rows(trial, hardware)
    if not rows:
        return estimate
    setups = [trial.candidates[row].setup() for row in rows]
    splits = {setup.tensor_parallel * setup.pipeline_parallel for setup in setups}
    named = " and ".join("1 GPU" if gpus == 1 else f"{gpus} GPUs" for gpus in sorted(splits))
    rate = max(float(trial.rate[row, 0]) * trial.candidates[row].replicas for row in rows)
    served = f"{rate:.3g} requests/s" if rate else "it misses the target"
    note = f"this set-up was not measured; with {named} a replica it was: {served}, and plans count on less of it"
    off = off_beside(question, trial, rows)
    doubted = off - 1.0 > estimate.relative_error
    if doubted:
        note += f": the model is off by {off:.2f} × there, which is the error here"
    return replace(
        estimate,
        relative_error=round(max(estimate.relative_error, off - 1.0), 4),
        low_confidence=estimate.low_confidence or doubted,
        notes=(*estimate.notes, note),
    )


def _method(hardware: Hardware) -> str:
    reach = hardware.efficiency
    basis = f"fitted to {reach.source}" if reach.fitted else "assumed, no measurement of this generation"
    own = f", {hardware.calibrated.told}" if hardware.calibrated else ""
    return (
        f"roofline with continuous batching and a prefill queue on {hardware.engine.label}; {reach.generation} reaches "
        f"{reach.compute:.0%} of its compute and {reach.bandwidth:.0%} of its bandwidth ({basis}){own}"
    )


def _notes(question: Question, candidate: Candidate, places: float) -> tuple[str, ...]:
    served = candidate.hardware.served
    notes = [*served.notes, *served.cache_notes]
    if candidate.ranks > 1:
        notes.append(f"attention data-parallel over {candidate.ranks} GPUs, experts spread over all of them")
    if candidate.instances > 1:
        network = candidate.hardware.network_gbps
        notes.append(f"one replica over {candidate.instances} instances, joined by {network:g} Gbit/s")
    if adapters := question.work.adapters:
        gib = adapters * question.work.adapter.size_bytes[candidate.hardware.pair] / GIB
        notes.append(
            f"weights hold {adapters:,} LoRA adapters on all linear layers but routed experts: {gib:.1f} GiB"
        )
    notes += doubts_of(question, candidate, places)
    notes += fading(question)
    if not (question.outputs > 1.0).any():
        notes.append("answers of one token have no time per output token: its target holds whatever it is")
    longest = float((question.prompts + question.outputs).max())
    if longest > question.model.max_context:
        limit = f"{question.model.max_context:,} tokens that {question.model.name} supports"
        notes.append(f"requests of up to {longest:,.0f} tokens exceed the {limit}")
    return tuple(notes)


def _latencies(question: Question, point: Point) -> tuple[Array, Array, Array]:
    """TTFT and TPOT in ms, (set-ups, loads), and each bucket's TTFT at full load, (set-ups, buckets)."""
    percentile = question.target.percentile if question.target else OFFLINE_PERCENTILE
    quantile = percentile / 100.0
    ttft = first_token_s(point, question.mix, quantile) * 1e3
    tpot = per_token_s(point, question.mix, quantile if question.target else None) * 1e3
    of_prompts = prompt_first_token_s(point, quantile)[:, len(UTILISATIONS) - 1] * 1e3
    return ttft, tpot, of_prompts[:, question.mix.prompt_of]


def _bucket_rates(question: Question, trial: Trial, chosen: NDArray[np.intp], layouts: Layouts) -> Array:
    """Requests/s per replica serving one bucket alone, (set-ups, buckets), 0 where the target is missed; no buckets
    where the question does not ask for them.
    """
    if not question.each_size:
        return np.empty((len(chosen), 0))
    alone = question.mix.each_alone()
    room = trial.need.kv_room_bytes[chosen][:, None]
    places = np.minimum(np.floor(room / question.bucket_bytes[layouts.pair]), trial.max_places[chosen])
    largest = largest_batch(question.work, layouts, places, alone, question.target)
    return np.where(largest > 0, fastest_batch(question.work, layouts, largest, alone)[1], 0.0)


def _limited_by(
    question: Question, layouts: Layouts, largest: Array, fastest: Array, places: Array, max_places: Array
) -> list[str]:
    """What stops each set-up, by asking what fails just beyond its largest batch."""
    target = question.target
    room = np.where(places < max_places, "kv_room", "batch")
    if target is None:
        return [str(name) for name in np.where(fastest < largest * 0.999, "compute", room)[:, 0]]
    beyond = np.minimum(largest * _BEYOND, places)
    point = evaluate(question.work, layouts, beyond, places, question.mix)
    slow = ~meets_tokens(point, question.mix, target)
    prefill_alone = replace(point, wait=without_place_wait(point.wait))
    late = ~meets_first_token(prefill_alone, question.mix, target)
    names = np.where(slow, "tpot", np.where(late, "ttft", room))
    names = np.where(largest >= places * PLACES_SHARE * 0.999, room, names)
    return [str(name) for name in np.where(fastest < largest * 0.999, "compute", names)[:, 0]]
