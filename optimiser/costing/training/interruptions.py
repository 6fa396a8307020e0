"""What failures and lost machines do to a run that saves checkpoints: how often to save, and how long it takes then."""

from __future__ import annotations

import math
from dataclasses import dataclass

from optimiser.costing.training.job import TrainingJob
from optimiser.costing.training.memory import STATE_BYTES, WEIGHT_BYTES
from optimiser.costing.training.work import trained_parameters
from optimiser.performance.parameters import parameter_count
from optimiser.performance.specs import ModelSpec

# Unexpected interruptions per GPU and hour: 419 in 54 days of 16,384 H100 (Llama 3, arXiv 2407.21783, section 3.3.4).
FAILURES_PER_GPU_HOUR = 419 / (16_384 * 54 * 24)
# Until a gang of firm machines goes on after a failure: noticed, a spare in its place or the process begun anew, ranks
# joined, before the checkpoint is read. At most this is consistent with more than 90 % effective training time at that
# rate of failures (the same section), with a checkpoint every 8 minutes: 1 / (e^(10.2/186) · 1.043) = 0.91.
FIRM_RESTART_MINUTES = 10.0
# Beyond so many restarts in the time between two interruptions a run makes no progress worth its money.
_HOPELESS = 20.0


@dataclass(frozen=True, kw_only=True)
class Interrupted:
    """A run of `hours` that would take work_hours undisturbed; hours between two interruptions (mtbf_hours), and hours
    of work between two checkpoints.
    """

    work_hours: float
    hours: float
    mtbf_hours: float
    checkpoint_every_hours: float

    @property
    def wasted_share(self) -> float:
        """Share of the hours that goes to checkpoints, work done again, the start and restarts."""
        return 1.0 - self.work_hours / self.hours


def checkpoint_gb(model: ModelSpec, job: TrainingJob) -> float:
    """One checkpoint in GB: what is trained, in 16 bit, and its optimiser states."""
    if job.storage.checkpoint_gb is not None:
        return job.storage.checkpoint_gb
    return trained_parameters(model, job) * (WEIGHT_BYTES + STATE_BYTES[job.states]) / 1e9


def frozen_gb(model: ModelSpec, job: TrainingJob) -> float:
    """The weights that adapters are trained beside in GB, in 16 bit as they are stored: no checkpoint holds them, and
    every instance reads them whenever it starts (in QLoRA they are quantised on the way). 0 where all is trained.
    """
    return parameter_count(model) * WEIGHT_BYTES / 1e9 if job.method.adapters_alone else 0.0


def best_interval(checkpoint_hours: float, mtbf_hours: float) -> float:
    """Hours of work between two checkpoints: √(2·δ·M) (Young, A first order approximation to the optimum checkpoint
    interval, 1974), which supposes δ far below M; kept to M where it is not.
    """
    return min(math.sqrt(2 * checkpoint_hours * mtbf_hours), mtbf_hours)


def interrupted(
    work_hours: float,
    mtbf_hours: float,
    checkpoint_hours: float,
    restart_hours: float,
    start_hours: float | None = None,
) -> Interrupted | None:
    """The expected course of a run whose interruptions come at a constant rate; None where it would hardly ever end.

        T = S + M · e^(R/M) · (e^((τ + δ)/M) − 1) · T₀/τ      (Daly, 2006, equation 20)

    (A higher order estimate of the optimum checkpoint interval for restart dumps, Future Generation Computer Systems)

    with S hours to start at all (as long as a restart where not given), M between interruptions, R lost with each
    restart, τ between checkpoints of δ hours.
    """
    every = best_interval(checkpoint_hours, mtbf_hours)
    if (restart_hours + every + checkpoint_hours) / mtbf_hours > _HOPELESS:
        return None
    stretched = math.exp(restart_hours / mtbf_hours) * math.expm1((every + checkpoint_hours) / mtbf_hours)
    return Interrupted(
        work_hours=work_hours,
        hours=(restart_hours if start_hours is None else start_hours)
        + mtbf_hours * stretched * work_hours / every,
        mtbf_hours=mtbf_hours,
        checkpoint_every_hours=every,
    )
