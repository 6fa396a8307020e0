"""Which GPUs, from which cloud, on which tier, hour by hour, serve an LLM for the least money.

    from optimiser import Policy, load_book, load_config, load_workload
    from optimiser.recommend import Request, recommend

Names load on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.2.0"

_HOMES = {
    "Config": "optimiser.config",
    "NoFeasiblePlan": "optimiser.errors",
    "OptimiserError": "optimiser.errors",
    "Plan": "optimiser.planning.plan",
    "Policy": "optimiser.policy",
    "PriceBook": "optimiser.prices.book",
    "StalePrices": "optimiser.errors",
    "UsageError": "optimiser.errors",
    "Workload": "optimiser.workload",
    "load_book": "optimiser.prices.book",
    "load_config": "optimiser.config",
    "load_workload": "optimiser.workload",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'optimiser' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
