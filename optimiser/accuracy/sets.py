"""The sets that measurements are judged in, and what is to be predicted of each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from optimiser.accuracy.names import engine_of
from optimiser.accuracy.table import Measurement
from optimiser.performance.estimate import DEFAULT_ENGINE
from optimiser.performance.precision import Served
from optimiser.performance.specs import GpuSpec, ModelSpec
from optimiser.workload import Target

# GPUs of one instance: how more of them are joined, a table does not say.
INSTANCE_GPUS = 8


class How(StrEnum):
    """What was measured, and under which load."""

    OFFLINE = "output tokens/s, every request at hand"
    BATCH = "output tokens/s of a given batch"
    SERVER = "output tokens/s under latency limits"
    CLOSED_TPOT = "mean TPOT in ms at a given concurrency"
    CLOSED_TTFT = "mean TTFT in ms at a given concurrency"
    ENGINE_TTFT = "TTFT in ms of a request alone, inside the engine"
    OPEN_TPOT = "mean TPOT in ms at a given rate"
    OPEN_TTFT = "mean TTFT in ms at a given rate"
    OPEN_ENGINE_TTFT = "mean TTFT in ms at a given rate, inside the engine"


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A set's name and the median and p90 of the absolute error to reach (0.1 is 10 %), None where none is set."""

    name: str
    median: float | None = None
    p90: float | None = None

    def met_by(self, median: float, p90: float) -> bool | None:
        """Whether both are within the goal, None where it sets none."""
        if self.median is None or self.p90 is None:
            return None
        return median <= self.median and p90 <= self.p90


OFFLINE_DENSE = Goal(name="offline, dense", median=0.10, p90=0.28)
OFFLINE_MOE = Goal(name="offline, MoE", median=0.18, p90=0.45)
TPOT_DENSE = Goal(name="TPOT, dense", median=0.10, p90=0.28)
TPOT_MOE = Goal(name="TPOT, MoE", median=0.20, p90=0.50)
SERVER = Goal(name="server", median=0.12, p90=0.35)
INTERACTIVE = Goal(name="interactive", median=0.20, p90=0.50)
UNLOADED_TTFT = Goal(name="TTFT unloaded", median=0.15, p90=0.35)
FEW_TTFT = Goal(name="TTFT, few at once")
OPEN_TTFT = Goal(name="TTFT open loop", median=0.20, p90=0.45)
OTHER_TTFT = Goal(name="TTFT otherwise")
OPEN_TPOT = Goal(name="TPOT open loop")
SETS = (
    OFFLINE_DENSE,
    OFFLINE_MOE,
    TPOT_DENSE,
    TPOT_MOE,
    SERVER,
    INTERACTIVE,
    UNLOADED_TTFT,
    FEW_TTFT,
    OPEN_TTFT,
    OTHER_TTFT,
    OPEN_TPOT,
)
# For every set that has a goal, on the GPU generations that were left out of a fit.
GENERATION_LEFT_OUT = Goal(name="generation left out", median=0.18, p90=0.45)


@dataclass(frozen=True, kw_only=True)
class Split:
    """How a replica lies on its GPUs, as setups.Candidate has it: shards × ranks × stages of them."""

    shards: int
    ranks: int
    stages: int
    replicas: int


@dataclass(frozen=True, kw_only=True)
class Case:
    """One figure of one measurement, with all that its prediction needs.

    measured is in the unit of `how`; prompt and output are mean tokens per request. load is the batch, the
    requests in flight or requests/s over all GPUs, None where `how` needs none. split is None where the
    measurement leaves it to the engine's users: the best one counts then. Finite runs drain: run_requests is
    their number, run_s their length in seconds, where known. An engine that is not known is taken for DEFAULT_ENGINE.
    cached is how many tokens of a prompt are not computed anew; from_plan, that the engine's steps are compiled plans.
    """

    row: Measurement
    judged_in: Goal
    how: How
    measured: float
    model: ModelSpec
    gpu: GpuSpec
    served: Served
    prompt: float
    output: float
    load: float | None = None
    target: Target | None = None
    split: Split | None
    run_requests: float | None = None
    run_s: float | None = None
    cached: float = 0.0
    from_plan: bool = False

    @property
    def engine(self) -> str:
        """The engine as config/performance.yaml names it."""
        name = engine_of(self.row.engine)
        return DEFAULT_ENGINE if name == "other" else name


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A measurement that is not judged, and why; detail tells its kind among those of the same reason."""

    row: Measurement
    reason: str
    detail: str = ""
