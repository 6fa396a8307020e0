"""Cases predicted on measured operators (optimiser.silicon) instead of the roofline, where those cover them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from optimiser.accuracy.prepare import Group, Prepared
from optimiser.performance.anchor import Anchors, Operators, Uncovered
from optimiser.performance.physics import Fit
from optimiser.performance.setups import Candidate
from optimiser.performance.specs import ModelSpec
from optimiser.performance.trial import question_of
from optimiser.silicon.surfaces import operators_of
from optimiser.workload import SizeBucket

Known = dict[tuple[object, ...], Anchors]


def on_operators(prepared: Prepared, fit: Fit) -> tuple[Prepared, Mapping[int, str]]:
    """The same cases with the operators of every layout in question, and why there are none, by the case's index."""
    known: Known = {}
    uncovered: dict[int, str] = {}
    groups = []
    for group in prepared.groups:
        anchors: Anchors = ()
        for entry, case in enumerate(group.case.tolist()):
            anchors += (found := _asked(group, entry, prepared.cases[case].model, fit, known))
            if isinstance(found[0], Uncovered):
                uncovered[case] = found[0].reason
            elif not isinstance(found[0], Operators):
                uncovered[case] = "the memory model has no room for it"
        groups.append(replace(group, layouts=replace(group.layouts, anchors=anchors)))
    return replace(prepared, groups=tuple(groups)), uncovered


def _asked(group: Group, entry: int, model: ModelSpec, fit: Fit, known: Known) -> Anchors:
    """What operators say of one layout at one size of request; worked out once for those alike.

    Corrections are to the roofline as it is fitted, which is what the prepared layouts become when they are judged.
    """
    candidate = group.candidates[entry]
    hardware = candidate.hardware
    served = hardware.served
    size = SizeBucket(
        prompt_tokens=float(group.mix.prompts[entry, 0, 0]),
        output_tokens=float(group.mix.outputs[entry, 0, 0]),
        share=1.0,
    )
    layout = (candidate.shards, candidate.ranks, candidate.stages, hardware.gpu_link)
    precisions = (served.weight_precision, served.kv_precision)
    key = (model.name, hardware.gpu.name, hardware.engine.name, precisions, layout, size)
    if key not in known:
        reached = replace(hardware, efficiency=fit.generations[hardware.gpu.generation], physics=fit.physics)
        fitted: Candidate = replace(candidate, hardware=reached)
        known[key] = operators_of(question_of(model, [size], None, [precisions]), [fitted])
    return known[key]
