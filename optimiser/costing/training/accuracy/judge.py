"""Published runs against what is estimated for them: GPU-hours, and the energy that goes with hours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from optimiser.carbon.power import kwh
from optimiser.config import Config
from optimiser.costing.training.accuracy.published import GPUS_PER_NODE, MODELS, Recipe, machine_of, recipe_of
from optimiser.costing.training.accuracy.table import Run, left_out, read_runs
from optimiser.costing.training.interruptions import checkpoint_gb, frozen_gb
from optimiser.costing.training.job import Method, TrainingJob
from optimiser.costing.training.layouts import ALL, possible_layouts
from optimiser.costing.training.memory import memory
from optimiser.costing.training.node import Node, node_of
from optimiser.costing.training.pace import RUN_SHARE
from optimiser.costing.training.step import step_time
from optimiser.costing.training.ways import Terms, course
from optimiser.costing.training.work import token_flops
from optimiser.performance.specs import ModelSpec
from optimiser.policy import Policy

_TERA = 1e12


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One run. GPU-hours per 1e12 tokens, measured and predicted; of throughputs both are of steps alone."""

    run: Run
    measured: float
    predicted: float
    layout: str

    @property
    def ratio(self) -> float:
        """Predicted over measured."""
        return self.predicted / self.measured

    @property
    def error(self) -> float:
        """|predicted / measured − 1|."""
        return abs(self.ratio - 1)


@dataclass(frozen=True, kw_only=True)
class Energy:
    """A row's energy in MWh, as its authors say it (published_mwh) and as GPU-hours × W come to (mwh_by_hours), and
    what they say it emitted. At least one of the two energies is there.
    """

    model: str
    published_mwh: float | None
    mwh_by_hours: float | None
    tonnes: float

    @property
    def mwh(self) -> float:
        """As published, else by hours."""
        return self.published_mwh or self.mwh_by_hours or math.nan

    @property
    def kg_per_kwh(self) -> float:
        """Tonnes over MWh."""
        return self.tonnes / self.mwh


@dataclass(frozen=True, kw_only=True)
class TrainingAccuracy:
    """Whole runs, throughputs, and rows left out by reason; energies of rows that have what they take."""

    table: str
    rows: int
    whole: tuple[Judged, ...]
    throughputs: tuple[Judged, ...]
    left_out: tuple[tuple[Run, str], ...]
    energies: tuple[Energy, ...]

    def left_one_out(self) -> tuple[float, ...]:
        """Errors of whole runs where what a run keeps of its steps' rate is the median of the other runs alone."""
        ratios = [one.ratio for one in self.whole]
        others = [ratios[:at] + ratios[at + 1 :] for at in range(len(ratios))]
        return tuple(
            abs(ratio / median(rest) - 1) for ratio, rest in zip(ratios, others, strict=True) if rest
        )


def judge(path: Path, config: Config) -> TrainingAccuracy:
    """Every row of a table judged or left out. Raises UsageError for a bad table."""
    runs = read_runs(path)
    found: list[Judged] = []
    out: list[tuple[Run, str]] = []
    for run in runs:
        result = left_out(run) or _judged(run, config)
        if isinstance(result, Judged):
            found.append(result)
        else:
            out.append((run, result))
    return TrainingAccuracy(
        table=str(path),
        rows=len(runs),
        whole=tuple(one for one in found if one.run.whole),
        throughputs=tuple(one for one in found if not one.run.whole),
        left_out=tuple(out),
        energies=_energies(runs),
    )


def _judged(run: Run, config: Config) -> Judged | str:
    """The run beside its estimate, or why there is none."""
    machine, recipe = machine_of(run, config.gpus), recipe_of(run)
    if machine is None:
        return f"{run.hardware}: not hardware that is estimated"
    if recipe is None:
        return "how it was trained is not known here (optimiser/costing/training/accuracy/published.py)"
    name, how = recipe
    model = config.models.get(name) or MODELS[name]
    node = node_of(*machine, config.fit, "fp8" if run.eight_bit else "bf16")
    if isinstance(node, str):
        return node
    job = _job(run, name, how)
    found = _hours_per_tera(model, job, node, run, how, config)
    if found is None:
        return "the memory model has no room for it"
    hours, layout = found
    predicted = _whole_run(hours, run, model, job, how, config) if run.whole else hours
    return Judged(run=run, measured=_measured(run, model, job, node), predicted=predicted, layout=layout)


def _whole_run(
    hours: float, run: Run, model: ModelSpec, job: TrainingJob, how: Recipe, config: Config
) -> float:
    """GPU-hours per 1e12 tokens as `optimiser train` has them on firm machines: what a run keeps of its steps' rate,
    and failures of the cluster.
    """
    tokens = run.tokens_t or 1.0
    terms = Terms(
        deadline_hours=math.inf,
        checkpoint_gb=checkpoint_gb(model, job),
        frozen_gb=frozen_gb(model, job),
        storage_usd_per_hour=0.0,
        start_up=config.settings.start_up,
        policy=Policy(),
    )
    nodes = max(how.gpus // GPUS_PER_NODE, 1)
    gpus = nodes * GPUS_PER_NODE
    found = course(hours * tokens / RUN_SHARE / gpus, nodes, gpus, terms)
    return found.hours * gpus / tokens if found else math.inf


def _job(run: Run, name: str, how: Recipe) -> TrainingJob:
    return TrainingJob(
        name=run.model,
        model=name,
        method=Method.PRETRAINING,
        tokens=_TERA,
        sequence_tokens=how.sequence_tokens,
        batch_tokens=how.batch_tokens,
        precision="fp8" if run.eight_bit else "bf16",
        deadline_hours=0.0,
        deadline_said="",
    )


def _hours_per_tera(
    model: ModelSpec, job: TrainingJob, node: Node, run: Run, how: Recipe, config: Config
) -> tuple[float, str] | None:
    """GPU-hours of steps per 1e12 tokens with the fastest layout that fits, and that layout; llm-foundry's own runs
    shard over data-parallel ranks alone, and recompute where they say so.
    """
    nodes = max(how.gpus // node.gpus, 1)
    at = possible_layouts(model, job, node.gpus, [nodes])
    if model.name.startswith("mpt-"):
        plain = (at.tensor == 1) & (at.pipeline == 1)
        at = at.select(plain & ((at.recompute == ALL) == run.recomputed))
    at = at.select(memory(model, job, at).total <= node.usable_bytes)
    if not len(at):
        return None
    seconds = step_time(model, job, node, config.fit.physics, at).total
    best = int(np.argmin(seconds))
    hours = float(seconds[best]) / 3600 * nodes * node.gpus / job.batch_tokens * _TERA
    names = ("tensor", "pipeline", "data", "expert", "zero")
    return hours, " ".join(f"{name} {int(getattr(at, name)[best])}" for name in names)


def _measured(run: Run, model: ModelSpec, job: TrainingJob, node: Node) -> float:
    """GPU-hours per 1e12 tokens, from a published MFU where hours are not. MFU counts 8-bit peaks for 8-bit runs."""
    if run.gpu_hours is not None and run.tokens_t is not None:
        return run.gpu_hours / run.tokens_t
    peak = node.gpu.dense_tflops["fp8" if run.eight_bit else "bf16"] * _TERA
    return token_flops(model, job).model * _TERA / ((run.mfu or 1.0) * peak) / 3600


def _energies(runs: Sequence[Run]) -> tuple[Energy, ...]:
    """Rows with tonnes and MWh, or tonnes, hours and W."""
    found = []
    for run in runs:
        by_hours = None
        if run.gpu_hours is not None and run.tdp_w is not None:
            by_hours = kwh(run.tdp_w, run.gpu_hours, pue=1.0) / 1000
        if run.tco2e is not None and (run.energy_mwh or by_hours):
            one = Energy(
                model=run.model, published_mwh=run.energy_mwh, mwh_by_hours=by_hours, tonnes=run.tco2e
            )
            found.append(one)
    return tuple(found)
