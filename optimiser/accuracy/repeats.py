"""Set-ups that a table measures more than once: how far apart its own figures are, below which no model can be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from optimiser.accuracy.sets import Case
from optimiser.accuracy.summary import Judged


def of_repeated(judged: Iterable[Judged]) -> tuple[Judged, ...]:
    """The figures of set-ups measured more than once."""
    return tuple(item for alike in _set_ups(judged) for item in alike)


def by_their_median(judged: Iterable[Judged]) -> tuple[Judged, ...]:
    """The same figures, each predicted as the median of its set-up's: what a model that knew them all would say."""
    return tuple(
        Judged(case=item.case, predicted=float(np.median([one.case.measured for one in alike])))
        for alike in _set_ups(judged)
        for item in alike
    )


def _set_ups(judged: Iterable[Judged]) -> list[list[Judged]]:
    found: dict[tuple[object, ...], list[Judged]] = defaultdict(list)
    for item in judged:
        found[_set_up(item.case)].append(item)
    return [alike for alike in found.values() if len(alike) > 1]


def _set_up(case: Case) -> tuple[object, ...]:
    """All that a prediction knows of a case: not who measured it, nor with which release of the engine."""
    served = (case.served.weight_precision, case.served.kv_precision)
    sizes = (case.prompt, case.output, case.load, case.target)
    return (
        case.how,
        case.model.name,
        case.gpu.name,
        case.row.gpu_count,
        case.split,
        served,
        case.engine,
        sizes,
    )
