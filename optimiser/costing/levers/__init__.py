"""The levers on a serving bill: LEVERS, and each GPU alone."""

from __future__ import annotations

from optimiser.config import Config
from optimiser.costing.levers import buying, latency, models, precision, pruned, serving
from optimiser.costing.levers.lever import Lever

LEVERS: tuple[Lever, ...] = (
    *precision.LEVERS,
    *models.LEVERS,
    *pruned.LEVERS,
    *serving.LEVERS,
    *latency.LEVERS,
    *buying.LEVERS,
)


def levers_for(config: Config) -> dict[str, Lever]:
    """Every lever by name, those of the config's GPUs last."""
    return {one.name: one for one in (*LEVERS, *buying.gpu_levers(config))}
