"""Where several instances as one replica may serve more than each by itself: one is too small, or crowded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from optimiser.performance.memory import MIB
from optimiser.performance.setups import (
    GROUP_SIZES,
    Candidate,
    Hardware,
    Instance,
    group_candidates,
    single_candidates,
)
from optimiser.performance.trial import AnchorsOf, Question, Trial, rows_by_hardware, trial_of

# With KV cache for fewer requests than this a step is mostly the reading of weights, which more would share.
FEW_PLACES = 64.0


def crowded(question: Question, trial: Trial, rows: Sequence[int]) -> bool:
    """Whether one instance, whose set-ups are the trial's at `rows`, holds the model with little room for KV cache.

    That is where even in the set-up with the most room, over all of its replicas, the cache has less than the weights
    take once, or holds fewer than FEW_PLACES requests. Two instances hold the weights once: of two instances' memory M
    each, (2M − W) / 2 is left per instance, which is over half as much again as M − W where W is more than M − W.
    """
    chosen = np.array(rows)
    replicas = np.array([trial.candidates[row].replicas for row in rows])
    room = float((trial.need.kv_room_bytes[chosen] * replicas).max())
    places = float((trial.places[chosen, 0] * replicas).max())
    weights = float(question.work.resident_bytes[trial.candidates[rows[0]].hardware.pair])
    return room < weights or places < FEW_PLACES


def _serves(trial: Trial, rows: Sequence[int]) -> bool:
    """Whether one instance by itself meets the target in any of its set-ups."""
    return bool((trial.largest[np.array(rows), 0] > 0.0).any())


def _alike_alone(hardware: Iterable[Hardware]) -> list[Hardware]:
    """For each, the first among them that does the same as one instance by itself: the network matters to groups."""
    first: dict[Instance, Hardware] = {}
    return [first.setdefault(item.instance, item) for item in hardware]


def tried_on(
    question: Question, hardware: Sequence[Hardware], anchors_of: AnchorsOf | None
) -> tuple[Trial | None, list[list[int]]]:
    """Set-ups that hold the model, tried, and for each hardware its rows of the trial: those within one instance, and
    groups of them where one is too small, crowded or too slow for the target. None where no set-up holds the model.

    What is alike within one instance is tried once.
    """
    stand_ins = _alike_alone(hardware)
    once = {id(item): item for item in stand_ins}.values()
    alone = _tried(question, [_singles(question, item) for item in once], anchors_of)
    singles = rows_by_hardware(alone)
    roomy = {
        key
        for key, rows in singles.items()
        if alone and _serves(alone, rows) and not crowded(question, alone, rows)
    }
    wanting = [item for item, stand_in in zip(hardware, stand_ins, strict=True) if id(stand_in) not in roomy]
    grouped = _tried(question, [_groups(question, item) for item in wanting], anchors_of)
    groups, before = rows_by_hardware(grouped), len(alone.candidates) if alone else 0
    rows = [
        [*singles.get(id(stand_in), []), *(before + row for row in groups.get(id(item), []))]
        for item, stand_in in zip(hardware, stand_ins, strict=True)
    ]
    return (alone.beside(grouped) if alone and grouped else alone or grouped), rows


def _tried(
    question: Question, candidates: Sequence[Sequence[Candidate]], anchors_of: AnchorsOf | None
) -> Trial | None:
    every = [candidate for some in candidates for candidate in some]
    return trial_of(question, every, anchors_of(question, every) if anchors_of else ())


def _least_gpus(question: Question, hardware: Hardware) -> float:
    """So many of its GPUs hold the weights and nothing else; fewer make no replica."""
    return float(question.work.resident_bytes[hardware.pair] / (hardware.gpu.usable_mib * MIB))


def _singles(question: Question, hardware: Hardware) -> list[Candidate]:
    return single_candidates(question.model, hardware, _least_gpus(question, hardware))


def _groups(question: Question, hardware: Hardware) -> list[Candidate]:
    return [
        candidate
        for instances in GROUP_SIZES
        if instances * hardware.gpu_count >= _least_gpus(question, hardware)
        for candidate in group_candidates(question.model, hardware, instances)
    ]
