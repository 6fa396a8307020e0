"""What the nearest run lacks of what was asked for, in the words of a refusal."""

from __future__ import annotations

import math
from collections.abc import Iterable

from optimiser.costing.training.job import TrainingJob
from optimiser.costing.training.job_file import MOST_DAYS
from optimiser.costing.training.ways import Terms, Way, course, planned_hours
from optimiser.planning.plan import HOURS_PER_MONTH

_PER_SECOND, _PER_MINUTE, _PER_DAY = 3600, 60, 24
# Given as limits are: rounded up, so that what a message names is enough.
_CENTS = 100


def lasting(hours: float) -> str:
    """A length of time in the unit that says most: 8.64e-05 s, 25 min, 24.0 h, 44.1 days."""
    if hours < 2 / _PER_MINUTE:
        return f"{hours * _PER_SECOND:.3g} s"
    if hours < 2:
        return f"{hours * _PER_MINUTE:,.0f} min"
    return f"{hours:,.1f} h" if hours < 2 * _PER_DAY else f"{hours / _PER_DAY:,.1f} days"


def would_do(limit: str, ways: Iterable[Way]) -> str:
    """The least that a limit of the policy would have to be for one of these ways; nothing of one without an amount."""
    every = list(ways)
    if limit == "max_gpus":
        return f" ({min(way.pace.gpus for way in every):,} would do)"
    if limit == "max_monthly_usd":
        least = min(way.usd / max(way.hours / HOURS_PER_MONTH, 1.0) for way in every)
        return f" (runs in time cost ${math.ceil(least * _CENTS) / _CENTS:,.2f} a month at the least)"
    return ""


def what_helps(job: TrainingJob, way: Way, terms: Terms) -> str:
    """What would let the fastest way end by the job's deadline: more time, more GPUs of as much yield, or fewer tokens.
    After the start all time counts as work, so GPUs are the fewest that could do and tokens the most.
    """
    leg, time = way.legs[0], f"at least {lasting(way.hours)}"
    if way.hours > MOST_DAYS * _PER_DAY:
        time += f" (at most {MOST_DAYS:,} days can be planned)"
    start = course(0.0, way.pace.nodes, way.pace.gpus, terms, leg.price if leg.tier == "spot" else None)
    left = job.deadline_hours - (start.hours if start else 0.0)
    if left <= 0:
        return f"allow {time}: the start alone takes longer than there is"
    share = left / planned_hours(way.pace, terms.policy)
    if share >= 1:
        return f"allow {time}"
    gpus = f"{math.ceil(way.pace.gpus / share):,} such GPUs and a batch_tokens to match"
    return f"it takes {time}, or at least {gpus}, or at most {job.tokens * share:.2g} tokens"
