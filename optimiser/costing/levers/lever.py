"""What a lever is: a plain function that takes the question and gives another one, or why it does not apply."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from optimiser.config.levers import LeverFacts
from optimiser.performance.specs import ModelSpec
from optimiser.recommend import Request


class Asks(IntEnum):
    """What a lever asks of those who read the answers: nothing, the same model in fewer bits, or other answers or
    waiting times."""

    NOTHING = 0
    PRECISION = 1
    ANSWERS = 2


@dataclass(frozen=True, kw_only=True)
class Given:
    """What the user says of techniques that no file tells; None where nothing was said.

    prune_share, prefix_hit (of prompt tokens) and response_hit (of requests) are shares; accepted_tokens are tokens a
    sequence gains per step, with draft_tokens proposed; draft_parameters are weights, None: one layer and the head.
    """

    facts: LeverFacts
    distil: str | None = None
    architecture: str | None = None
    prune_share: float = 0.25
    prefix_hit: float | None = None
    response_hit: float | None = None
    accepted_tokens: float | None = None
    draft_tokens: int | None = None
    draft_parameters: float | None = None


@dataclass(frozen=True, kw_only=True)
class Changed:
    """The question under the lever, the setting that makes it so, and what has to be known of it.

    quality is a published figure of this very change, where levers.yaml has it for the model rather than the technique;
    weights_left the share of the model's weights that are left, where there are fewer.
    """

    request: Request
    setting: str
    note: str = ""
    quality: str = ""
    weights_left: float | None = None


@dataclass(frozen=True, kw_only=True)
class InPlace:
    """The baseline has it already; without is the question if it had not, None where that says nothing."""

    why: str
    without: Request | None = None


@dataclass(frozen=True, kw_only=True)
class NotHere:
    """It does not apply, and why."""

    why: str


Outcome = Changed | InPlace | NotHere
Apply = Callable[[Request, Given], Outcome]


@dataclass(frozen=True, kw_only=True)
class Lever:
    """One technique at one strength. Of a group at most one enters a combination, and none with combine False.

    technique is what published figures of its price in quality stand under in levers.yaml, "" where it has none. named:
    the user asked for it by name.
    """

    name: str
    title: str
    group: str
    asks: Asks
    apply: Apply
    technique: str = ""
    combine: bool = True
    named: bool = False


def with_workload(request: Request, **changes: Any) -> Request:
    """The question with fields of its workload replaced."""
    return replace(request, workload=replace(request.workload, **changes))


def with_model(request: Request, model: ModelSpec, **changes: Any) -> Request:
    """The question about another model, which the config need not hold, with fields of its workload replaced."""
    config = replace(request.config, models={**request.config.models, model.name: model})
    return replace(with_workload(request, model=model.name, **changes), config=config)


def with_policy(request: Request, **changes: object) -> Request:
    """The question with fields of its policy replaced."""
    return replace(request, policy=request.policy.model_copy(update=changes))
