"""What an anchored estimate says of the measurements that it rests on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optimiser.measured.measurement import Measurement
from optimiser.performance.anchor import Array
from optimiser.performance.setups import Candidate

# A step so many times longer or shorter than the model's is told: an option may be wrong.
FAR_OFF = 1.5
EVENLY_SPACED = "first tokens measured with evenly spaced requests do not count, as those hardly queue"


def _versions(measurements: Sequence[Measurement]) -> tuple[str, ...]:
    return tuple(sorted({one.engine_version for one in measurements if one.engine_version}))


def engine_of(candidate: Candidate, measurements: Sequence[Measurement]) -> str:
    """The engine with the versions that were measured."""
    versions = ", ".join(_versions(measurements)) or "of a version not told"
    return f"{candidate.hardware.engine.name} {versions}"


def basis_of(candidate: Candidate, measurements: Sequence[Measurement]) -> str:
    """How many measurements of which days and versions there are."""
    days = sorted({one.measured_on for one in measurements if one.measured_on})
    if not days:
        when = "of a day not told"
    else:
        when = f"of {days[0]}" if days[0] == days[-1] else f"of {days[0]} to {days[-1]}"
    many = "1 measurement" if len(measurements) == 1 else f"{len(measurements)} measurements"
    return f"{many} {when} on {engine_of(candidate, measurements)}"


def doubts_of(steps: Array, spread: float, measurements: Sequence[Measurement]) -> tuple[str, ...]:
    """What is odd about measurements whose steps are off by the logarithms `steps` (runs), by `spread` apart."""
    found = []
    worst = float(steps[np.abs(steps).argmax()])
    if abs(worst) > np.log(FAR_OFF):
        times, which = float(np.exp(abs(worst))), "longer" if worst > 0 else "shorter"
        found.append(
            f"steps were measured {times:.1f} × {which} than the model has them: see `optimiser measure list`"
        )
    if spread:
        found.append(
            f"runs at one size and load disagree by {(1 + spread) ** 2:.2f} ×, which widens the error: see "
            "`optimiser measure list`"
        )
    if len(_versions(measurements)) > 1:
        found.append(f"measured on several versions, averaged: {', '.join(_versions(measurements))}")
    return tuple(found)


def first_tokens_left_out(one: Measurement) -> bool:
    """Whether a run's TTFT tells nothing since its requests came at equal intervals."""
    return one.evenly_spaced and one.request_rate is not None and one.ttft_ms is not None
