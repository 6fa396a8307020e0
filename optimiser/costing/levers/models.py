"""Another model in the place of the baseline's: the next size down, or another architecture."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from optimiser.costing.levers.lever import (
    Asks,
    Changed,
    Given,
    InPlace,
    Lever,
    NotHere,
    Outcome,
    with_model,
)
from optimiser.performance.parameters import active_parameter_count, parameter_count
from optimiser.performance.specs import ModelSpec
from optimiser.recommend import Request

# qwen3-235b-a22b and mixtral-8x22b: what stands before the size.
_SIZED = re.compile(r"^(?P<family>.+?)-(?:\d+x)?\d+(?:\.\d+)?b(?:-a\d+(?:\.\d+)?b)?$")
_VERSION = re.compile(r"^(?P<name>[a-z]+)-?(?P<major>\d+)(?:\.\d+)?$")


def family_of(name: str) -> str:
    """A model's name before its size: llama-3.1 of llama-3.1-70b, "" where it names no size."""
    match = _SIZED.match(name)
    return match["family"] if match else ""


def _generation_of(family: str) -> str:
    """A family without its minor version: llama-3 of llama-3.1."""
    match = _VERSION.match(family)
    return f"{match['name']}-{match['major']}" if match else family


def next_size_down(model: ModelSpec, models: Mapping[str, ModelSpec]) -> ModelSpec | None:
    """The largest model of the same family with fewer weights, and fewer for each token; of the same generation where
    the family has none. Of equal sizes the last by name."""
    family = family_of(model.name)
    if not family:
        return None
    for kin in (lambda one: one == family, lambda one: _generation_of(one) == _generation_of(family)):
        smaller = [
            one
            for one in models.values()
            if kin(family_of(one.name))
            and parameter_count(one) < parameter_count(model)
            and active_parameter_count(one) < active_parameter_count(model)
        ]
        if smaller:
            return max(smaller, key=lambda one: (round(parameter_count(one) / 1e9), one.name))
    return None


def _served_instead(request: Request, model: ModelSpec, note: str) -> Changed:
    """Another model under the same demand, sizes, target and precisions; drafts of the former one are left out."""
    techniques = request.workload.techniques
    if techniques.speculative_decoding:
        note += "; without speculative decoding, whose drafts are of the former model"
    changed = with_model(request, model, techniques=replace(techniques, speculative_decoding=None))
    left = parameter_count(model) / parameter_count(request.config.find_model(request.workload.model))
    return Changed(request=changed, setting=f"--set model={model.name}", note=note, weights_left=left)


def _distil(request: Request, given: Given) -> Outcome:
    model = request.config.find_model(request.workload.model)
    if given.distil is not None:
        student = request.config.find_model(given.distil)
        if student.name == model.name:
            return InPlace(why=f"already {student.name}")
        return _served_instead(request, student, f"{student.name} taught by {model.name}")
    down = next_size_down(model, request.config.models)
    if down is None:
        return NotHere(why="no smaller model of its family in models.yaml: name one with --distil MODEL")
    note = f"{down.name} as published, or taught by {model.name} on your own traffic"
    return _served_instead(request, down, note)


def _architecture(request: Request, given: Given) -> Outcome:
    model = request.config.find_model(request.workload.model)
    if given.architecture is not None:
        other = request.config.find_model(given.architecture)
        if other.name == model.name:
            return InPlace(why=f"already {other.name}")
        return _served_instead(request, other, "you said that it is good enough")
    row = given.facts.instead.get(model.name)
    if row is None:
        if model.moe:
            return InPlace(
                why="already a mixture of experts" + (" with latent attention" if model.mla else "")
            )
        return NotHere(
            why="no model of the same class of quality in levers.yaml: name one with --architecture MODEL"
        )
    found = _served_instead(request, request.config.find_model(row.model), "of the same class of quality")
    return replace(found, quality=f"{row.figure} ({row.benchmark}; {row.source})")


LEVERS = (
    Lever(
        name="distil",
        title="a smaller model",
        group="model",
        asks=Asks.ANSWERS,
        apply=_distil,
        technique="distillation",
    ),
    Lever(
        name="architecture",
        title="mixture of experts or latent attention",
        group="model",
        asks=Asks.ANSWERS,
        apply=_architecture,
        technique="architecture",
    ),
)
