"""What is to be served: the model, the sizes of requests, the demand over time, the latency target.

`load_workload` reads a workload file into a `Workload`; `optimiser.workload.schema` describes its format.
"""

from optimiser.workload.read import load_workload
from optimiser.workload.resolved import (
    DemandPeriod,
    DemandScenario,
    LoraAdapters,
    SizeBucket,
    SpeculativeDecoding,
    Target,
    Techniques,
    Workload,
)

__all__ = [
    "DemandPeriod",
    "DemandScenario",
    "LoraAdapters",
    "SizeBucket",
    "SpeculativeDecoding",
    "Target",
    "Techniques",
    "Workload",
    "load_workload",
]
