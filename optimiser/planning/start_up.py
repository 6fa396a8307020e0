"""How long a machine takes until it serves: made ready by the cloud, image pulled, weights loaded, engine warm."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from optimiser.performance.estimate_types import Estimate
from optimiser.planning.problem import BY_THE_HOUR, Option
from optimiser.policy import Policy
from providers.shape import InstanceShape

GB_PER_GIB = 2**30 / 1e9
MINUTES_PER_HOUR = 60
SECONDS_PER_MINUTE = 60
NAMED = 3


@dataclass(frozen=True, kw_only=True)
class StartUpTimes:
    """settings.yaml, `start_up`: minutes until a machine of one GPU, or of several, has booted, until the container's
    image is there, and until the engine is warm; source says where they are from.
    """

    one_gpu_boot_minutes: float
    several_gpus_boot_minutes: float
    image_minutes: float
    engine_minutes: float
    source: str


def start_up_minutes(
    estimate: Estimate, shape: InstanceShape, times: StartUpTimes, load_gb_per_s: float
) -> float:
    """Minutes from asking for a unit until it serves, one step after the other.

    boot + image + weights / load rate + engine. Weights are those of one replica's share of an instance: replicas on
    one instance read them once, and the instances of a group load at the same time.
    """
    setup = estimate.setup
    own_gpus = setup.tensor_parallel * setup.pipeline_parallel // setup.instances_per_unit
    weights_gb = estimate.weights_gib_per_gpu * GB_PER_GIB * max(own_gpus, 1)
    boot = times.one_gpu_boot_minutes if shape.gpu_count == 1 else times.several_gpus_boot_minutes
    loading = weights_gb / load_gb_per_s / SECONDS_PER_MINUTE
    return round(boot + times.image_minutes + loading + times.engine_minutes, 1)


def too_slow(policy: Policy, minutes: float) -> bool:
    """Whether a start takes longer than the schedule looks ahead; start_up_hours 0 takes starts as instant."""
    return 0 < policy.start_up_hours * MINUTES_PER_HOUR < minutes


def may_stand_idle(policy: Policy, options: Iterable[Option]) -> bool:
    """Whether all of these start soon enough for nothing to run in hours without demand."""
    within = policy.scale_to_zero_within_s
    return within is not None and all(one.start_up_minutes * SECONDS_PER_MINUTE <= within for one in options)


def that_may_idle(chosen: Sequence[Option], policy: Policy) -> tuple[Option, ...]:
    """The options where those that start too late for hours without demand are not bought by the hour."""
    kept = []
    for option in chosen:
        if not may_stand_idle(policy, [option]):
            steady = tuple(one for one in option.purchases if one.how not in BY_THE_HOUR)
            option = replace(option, purchases=steady)
        if option.purchases:
            kept.append(option)
    return tuple(kept)


def slow_start_notes(options: Iterable[Option], policy: Policy) -> tuple[str, ...]:
    """Which machines that serve are not bought by the hour, since they start too late."""
    slow = {
        one.instance_type: one.start_up_minutes for one in options if too_slow(policy, one.start_up_minutes)
    }
    if not slow:
        return ()
    named = ", ".join(f"{name} ({minutes:.0f} min)" for name, minutes in sorted(slow.items())[:NAMED])
    more = f" and {len(slow) - NAMED:,} more" if len(slow) > NAMED else ""
    return (
        f"start-up takes longer than start_up_hours = {policy.start_up_hours}: held all along on demand, and not "
        f"bought on spot: {named}{more}",
    )
