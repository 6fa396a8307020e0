"""From a workload and the config to what every instance type would do for it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from optimiser.config import Config
from optimiser.errors import bad_value, did_you_mean
from optimiser.measured.anchoring import anchors_of
from optimiser.measured.store import stored_measurements
from optimiser.performance.anchor import Anchors
from optimiser.performance.estimate import estimate_shapes
from optimiser.performance.estimate_types import Estimate, Rejection
from optimiser.performance.setups import Candidate
from optimiser.performance.specs import ModelSpec
from optimiser.performance.trial import AnchorsOf, Question
from optimiser.policy import Policy
from optimiser.policy.running import DEFAULT_CONFIDENCE
from optimiser.pooling import Key, least_running_rps, pooled_answers
from optimiser.workload import Target, Workload
from providers.shape import InstanceShape


def estimates_for(
    workload: Workload, config: Config, policy: Policy, *, each_size: bool = False
) -> list[Estimate | Rejection]:
    """What every instance type the policy considers would do for the workload, or why it is out; with each_size, or
    where the workload is routed by size, also what it would do for each size of request alone.

    Raises as model_for and anchors_for do.
    """
    model, anchors = model_for(workload, config), anchors_for(workload, config)
    shapes = considered_shapes(config, policy)

    def at(target: Target | None, among: Collection[Key] | None = None) -> list[Estimate | Rejection]:
        return estimate_shapes(
            model,
            workload.buckets,
            target,
            [one for one in shapes if among is None or (one.provider, one.instance_type) in among],
            config.gpus,
            config.fit,
            workload.weight_precision,
            workload.kv_precision,
            workload.engine,
            anchors,
            workload.techniques,
            each_size or workload.routing == "by_size",
            choice_confidence(policy),
        )

    target = workload.target
    if target is None or target.service_arrival_cv == 1:
        return at(target)
    return pooled_answers(at, target, least_running_rps(workload, policy), policy)


def choice_confidence(policy: Policy) -> float:
    """The confidence at which the set-ups of a machine are compared: the plan's, but no less than the default.

    With less, or with a margin of its own, errors would not count, and a set-up would be chosen for the error in it.
    """
    if policy.performance_margin is not None:
        return DEFAULT_CONFIDENCE
    return max(policy.performance_confidence, DEFAULT_CONFIDENCE)


def anchors_for(workload: Workload, config: Config) -> AnchorsOf | None:
    """What estimates of set-ups rest on besides the roofline: what was measured and imported into the config
    directories, and where that says nothing and `performance: silicon` holds, measured operators. None: nothing.

    Raises UsageError where those are asked for and not installed.
    """
    stored = config.measurements
    known = stored_measurements(config.directories) if stored is None else stored
    measured = anchors_of(known)
    if (workload.performance or config.settings.performance) == "roofline":
        return measured if known else None
    # Nobody else pays for the room's import.
    from optimiser.silicon.library import require_library
    from optimiser.silicon.surfaces import operators_of

    require_library(workload.name if workload.performance else config.settings.source)

    def with_operators(question: Question, candidates: Sequence[Candidate]) -> Anchors:
        found = measured(question, candidates) or (None,) * len(candidates)
        rest = [one for one, anchor in zip(candidates, found, strict=True) if anchor is None]
        operators = iter(operators_of(question, rest))
        return tuple(next(operators) if anchor is None else anchor for anchor in found)

    return with_operators


def model_for(workload: Workload, config: Config) -> ModelSpec:
    """The workload's model, as an engine that is known can serve it.

    Raises UsageError for an unknown model or engine, and for requests longer than the model's context.
    """
    if workload.engine not in config.fit.engines:
        raise bad_value(
            workload.name, "engine", workload.engine, did_you_mean(workload.engine, config.fit.engines)
        )
    model = config.find_model(workload.model)
    longest = max(bucket.prompt_tokens + bucket.output_tokens for bucket in workload.buckets)
    if longest > model.max_context:
        right = f"{model.name} supports {model.max_context:,} tokens, prompt and output together"
        raise bad_value(workload.name, "longest request", round(longest), right)
    return model


def considered_shapes(config: Config, policy: Policy) -> list[InstanceShape]:
    """The instance types whose GPU, maker, provider and name the policy considers."""

    def allowed(value: str, names: Iterable[str] | None) -> bool:
        return names is None or value in names

    return [
        shape
        for shape in config.shapes.values()
        if config.gpus[shape.gpu].vendor in policy.gpu_vendors
        and allowed(shape.gpu, policy.gpus)
        and allowed(shape.provider, policy.providers)
        and allowed(shape.instance_type, policy.instance_types)
    ]
