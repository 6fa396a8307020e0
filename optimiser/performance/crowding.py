"""Where several instances as one replica may serve more than each by itself: one is too small, or crowded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optimiser.performance.setups import (
    GROUP_SIZES,
    Candidate,
    Hardware,
    group_candidates,
    single_candidates,
)
from optimiser.performance.trial import Question, Trial

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


def with_groups(question: Question, hardware: Hardware) -> list[Candidate]:
    """Set-ups within one instance and of groups of them; empty where its network joins no groups."""
    groups = [one for size in GROUP_SIZES for one in group_candidates(question.model, hardware, size)]
    return [*single_candidates(question.model, hardware), *groups] if groups else []
