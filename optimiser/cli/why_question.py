"""Which instance type `estimate --why` is asked of, and the question as the performance model takes it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from optimiser.errors import UsageError, bad_value, did_you_mean

if TYPE_CHECKING:
    from optimiser.performance.why import Why
    from optimiser.recommend import Request
    from providers.shape import InstanceShape


def why_of(request: Request, instance_type: str) -> Why:
    """The explanation of one instance type, whatever GPUs and types the policy considers, at the pool of replicas that
    share the service's bursts in a plan.

    Raises UsageError for a name that is unknown, or that several providers use and the policy does not settle.
    """
    from optimiser.estimating import anchors_for, choice_confidence, model_for
    from optimiser.performance.lifts import Asked
    from optimiser.performance.why import explain
    from optimiser.pooling import least_running_rps, pooled_why

    workload, config = request.workload, request.config
    asked = Asked(
        model=model_for(workload, config),
        buckets=workload.buckets,
        target=workload.target,
        shape=shape_named(instance_type, config.shapes, request.policy.providers),
        gpus=config.gpus,
        fit=config.fit,
        weight_precision=workload.weight_precision,
        kv_precision=workload.kv_precision,
        engine=workload.engine,
        anchors_of=anchors_for(workload, config),
        techniques=workload.techniques,
        confidence=choice_confidence(request.policy),
    )
    if workload.target is None or workload.target.service_arrival_cv == 1:
        return explain(asked)
    least_rps = least_running_rps(workload, request.policy)
    return pooled_why(asked, workload.target, least_rps, request.policy)


def shape_named(
    instance_type: str, shapes: Mapping[tuple[str, str], InstanceShape], providers: Collection[str] | None
) -> InstanceShape:
    """The one shape of that name among `providers` (None: all). Raises UsageError where there is not one."""
    named = [shape for shape in shapes.values() if shape.instance_type == instance_type]
    if not named:
        raise _wrong(instance_type, did_you_mean(instance_type, {name for _, name in shapes}))
    allowed = [shape for shape in named if providers is None or shape.provider in providers]
    if not allowed:
        where = " and ".join(shape.provider for shape in named)
        raise _wrong(instance_type, f"is of {where}, which the policy's providers leave out")
    if len(allowed) > 1:
        where = " and ".join(shape.provider for shape in allowed)
        raise _wrong(instance_type, f"{where} have one of that name: choose with --provider")
    return allowed[0]


def _wrong(instance_type: str, right: str) -> UsageError:
    return bad_value("--why", "instance_type", instance_type, right)
