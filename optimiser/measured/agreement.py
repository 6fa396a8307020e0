"""Whether runs of one set-up agree where they repeat each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optimiser.measured.measurement import Measurement
from optimiser.performance.anchor import MEASURED_ERROR, Array

# Contexts, and loads of one context, so near each other are one place. Factors at the same load are averaged.
SAME_CONTEXT, SAME_LOAD = 1.15, 1.02
# Runs at loads so near each other are repeats: what the model is off by changes little from one to the other.
REPEATED_LOAD = 1.5


def spread_of(contexts: Array, loads: Array, logs: Array, measurements: Sequence[Measurement]) -> float:
    """How far repeats lie from their middle, as a share; 0 where they agree as well as measurements do.

    Repeats have one context, and loads near each other or the same one asked for. Of two that are a factor r apart the
    middle, by which estimates go, is √r from each.
    """
    asked = np.array([one.concurrency or one.request_rate or 0.0 for one in measurements])
    kinds = np.array([one.request_rate is None for one in measurements])

    def near(values: Array, width: float) -> Array:
        ratios = values[:, None] / values[None, :]
        return np.asarray((ratios <= width) & (ratios >= 1.0 / width))

    same_asked = near(np.maximum(asked, 1e-9), SAME_LOAD) & (kinds[:, None] == kinds)
    repeats = near(contexts, SAME_CONTEXT) & (near(loads, REPEATED_LOAD) | (same_asked & (asked > 0)))
    apart = float(np.where(repeats, np.abs(logs[:, None] - logs[None, :]), 0.0).max())
    share = float(np.expm1(apart / 2))
    return share if share > MEASURED_ERROR else 0.0
