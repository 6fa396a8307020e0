"""Cases as arrays: what their predictions need and the fitted factors do not change, worked out once.

A fit asks again and again with other factors; predict() then evaluates nothing but the model itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from optimiser.accuracy.sets import INSTANCE_GPUS, Case, How
from optimiser.performance.layouts import Array, Layouts
from optimiser.performance.mix import Mix
from optimiser.performance.model_work import ModelWork
from optimiser.performance.parameters import kv_bytes_for_context
from optimiser.performance.physics import Engine, Kernel, Physics
from optimiser.performance.setups import Candidate, Hardware, layouts_of, single_candidates
from optimiser.performance.specs import Efficiency
from optimiser.performance.trial import Question, engine_sequences, memory_of, question_of
from optimiser.workload import SizeBucket, Target

# Layouts are prepared for GPUs that reach their peak with kernels that do, and scaled by the factors asked about.
IDEAL = Physics(**{item.name: 1.0 for item in fields(Physics)})
PEAK = Efficiency(generation="", compute=1.0, bandwidth=1.0, relative_error=0.0, fitted=False, source="")


@dataclass(frozen=True, kw_only=True)
class Group:
    """Cases of one model, one pair of precisions, one kernel, engine and kind, an entry for each layout that comes into
    question: case is its index, (entries,), candidates are the layouts themselves, the other arrays are (entries, 1)
    as at_load.py has set-ups.

    candidates are the layouts as set-ups, (entries,), and question what is asked of them, without the target.
    places is how many sequences a replica has room for, load that of one replica; run_requests and run_s are
    infinite where the run's length is not known. from_plan is as in Case.
    """

    how: How
    target: Target | None
    kernel: Kernel
    question: Question
    candidates: tuple[Candidate, ...]
    work: ModelWork
    mix: Mix
    layouts: Layouts
    case: NDArray[np.intp]
    places: Array
    replicas: Array
    load: Array
    run_requests: Array
    run_s: Array
    from_plan: bool


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Cases that the memory model has room for, in their order, and grouped; indices of groups are into cases."""

    cases: tuple[Case, ...]
    groups: tuple[Group, ...]


def prepare(cases: Sequence[Case], engines: Mapping[str, Engine]) -> tuple[Prepared, tuple[Case, ...]]:
    """The cases ready to be predicted, and those left over that the memory model says do not fit."""
    alike: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for index, case in enumerate(cases):
        served = (case.served.weight_precision, case.served.kv_precision, case.served.kernel, case.engine)
        alike[case.model.name, *served, case.how, case.target, case.from_plan].append(index)
    groups = []
    fits = np.zeros(len(cases), dtype=np.bool_)
    for some in alike.values():
        group = _group([cases[index] for index in some], engines)
        group = replace(group, case=np.array(some, dtype=np.intp)[group.case])
        fits[group.case] = True
        if len(group.case):
            groups.append(group)
    place = np.cumsum(fits) - 1
    prepared = Prepared(
        cases=tuple(case for case, fit in zip(cases, fits, strict=True) if fit),
        groups=tuple(replace(group, case=place[group.case]) for group in groups),
    )
    return prepared, tuple(case for case, fit in zip(cases, fits, strict=True) if not fit)


def _candidates(case: Case, engine: Engine) -> list[tuple[Candidate, float]]:
    """The layouts that come into question, each with the replicas of it that the row's GPUs hold."""
    gpus = min(case.row.gpu_count, INSTANCE_GPUS)
    several = "pcie" if case.gpu.link.startswith("PCIe") else "nvlink"
    hardware = Hardware(
        gpu=case.gpu,
        efficiency=PEAK,
        served=case.served,
        engine=engine,
        physics=IDEAL,
        gpu_count=gpus,
        gpu_link=several if gpus > 1 else "none",
        network_gbps=None,
    )
    if case.split is None:
        instances = case.row.gpu_count / gpus
        return [(found, found.replicas * instances) for found in single_candidates(case.model, hardware)]
    split = case.split
    found = Candidate(
        hardware=hardware,
        shards=split.shards,
        ranks=split.ranks,
        stages=split.stages,
        instances=1,
        replicas=1,
    )
    return [(found, split.replicas)]


def _group(cases: Sequence[Case], engines: Mapping[str, Engine]) -> Group:
    """Cases alike in all that Group names, indexed by their place in `cases`; those that fit alone."""
    first, engine = cases[0], engines[cases[0].engine]
    tried = [(index, *found) for index, case in enumerate(cases) for found in _candidates(case, engine)]
    candidates = [candidate for _, candidate, _ in tried]
    size = SizeBucket(prompt_tokens=first.prompt, output_tokens=first.output, share=1.0)
    served = first.served
    question = question_of(first.model, [size], None, [(served.weight_precision, served.kv_precision)])
    layouts = layouts_of(candidates)
    need = memory_of(question, candidates, layouts)
    case = np.array([index for index, _, _ in tried], dtype=np.intp)
    prompt, output, cached = (
        np.array([getattr(item, name) for item in cases])[case] for name in ("prompt", "output", "cached")
    )
    held = kv_bytes_for_context(first.model, prompt + output, served.kv_precision)
    fits = np.flatnonzero(need.kv_room_bytes / layouts.ranks >= held)
    layouts, case = layouts.select(fits), case[fits]
    sizes = [values[fits][:, None, None] for values in (prompt, output, np.ones_like(output), cached)]
    places = np.minimum(
        np.floor(need.kv_room_bytes[fits] / held[fits]),
        engine_sequences(engine) * layouts.ranks * layouts.stages,
    )
    replicas = np.array([float(number) for _, _, number in tried])[fits]

    def column(name: str, unknown: float) -> Array:
        values = [getattr(item, name) for item in cases]
        return np.array([unknown if value is None else value for value in values])[case][:, None]

    return Group(
        how=first.how,
        target=first.target,
        kernel=first.served.kernel,
        question=question,
        candidates=tuple(candidates[index] for index in fits),
        work=question.work,
        mix=Mix.of(*sizes[:3], cached=sizes[3]),
        layouts=layouts,
        case=case,
        places=places[:, None],
        replicas=replicas[:, None],
        load=column("load", np.nan) / replicas[:, None],
        run_requests=column("run_requests", np.inf),
        run_s=column("run_s", np.inf),
        from_plan=first.from_plan,
    )
