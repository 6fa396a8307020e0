"""Finding the constants that explain a table of measurements best: few, physical, the same for every model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date

import numpy as np

from optimiser.accuracy import sets
from optimiser.accuracy.least_squares import minimise
from optimiser.accuracy.matrix_shares import MATRIX_SHARES, serving_share
from optimiser.accuracy.predict import Factors, predict
from optimiser.accuracy.prepare import Prepared, prepare
from optimiser.accuracy.sets import Case, Goal
from optimiser.accuracy.summary import Judged, judge
from optimiser.errors import UsageError
from optimiser.performance.layouts import Array
from optimiser.performance.physics import Engine, Physics

# Where every fit begins, and what it is drawn to: a GEMM's saturation and launches of 5 µs for half a dozen
# kernels a layer as published for one engine or another, shares of a peak between a half and one.
EXPECTED = Physics(
    saturation_rows=32.0,
    fill_rows=32.0,
    tile_depth=256.0,
    grouped_share=0.7,
    block_scaled_share=0.6,
    unpacked_share=0.6,
    routing_spread=0.7,
    activation_passes=20.0,
    layer_overhead_us=30.0,
    moe_layer_overhead_us=20.0,
    latent_layer_overhead_us=10.0,
    block_scaled_layer_overhead_us=20.0,
    sequence_overhead_us=5.0,
    pipeline_loss=0.1,
    link_share=0.7,
    prompt_layer_us=300.0,
    engine_first_token_ms=2.0,
    request_overhead_ms=10.0,
)
# (compute, bandwidth) of a generation, and how long an engine takes for a step against the reference.
EXPECTED_REACH, EXPECTED_STEP_FACTOR, EXPECTED_LATENT_PROMPT_LAYER_US = (0.65, 0.8), 1.05, 1000.0
# TensorRT-LLM sets the pace: step factors and the generations' shares cannot both be free.
REFERENCE_ENGINE = "trtllm"
# What the first token alone tells of; it is fitted last, with all else as it then is.
FIRST_TOKEN = ("prompt_layer_us", "engine_first_token_ms", "request_overhead_ms")
FIRST_TOKEN_SETS = (sets.UNLOADED_TTFT, sets.FEW_TTFT)
THROUGHPUT = tuple(one.name for one in fields(Physics) if one.name not in FIRST_TOKEN)
# Every set counts as much as another, whatever its size; server results are few and of one model.
WEIGHTS: dict[Goal, float] = {
    sets.OFFLINE_DENSE: 1.0,
    sets.OFFLINE_MOE: 1.0,
    sets.TPOT_DENSE: 1.0,
    sets.TPOT_MOE: 1.0,
    sets.SERVER: 0.5,
}
# A constant that goes off by a factor of e costs as much as this mean error in every set. With a third of it the
# table itself is met a little better and GPU generations left out worse: TPOT of MoE 17 % instead of 12 %.
PULL = 0.05
# No guide to the bandwidth of one that was not measured: another vendor, and cards of which six figures are known.
NOT_USUAL = ("CDNA3", "Hopper PCIe")
ROUNDS = 15
# What a fit is judged on that never saw it: every case by a fit without all those of the same key.
LEFT_OUT: dict[str, Callable[[Case], str]] = {
    "model_left_out": lambda case: case.model.name,
    "generation_left_out": lambda case: case.gpu.generation,
    "gpu_left_out": lambda case: case.gpu.name,
    "fifth_left_out": lambda case: f"lines {case.row.line % 5} modulo 5",
}


@dataclass(frozen=True, kw_only=True)
class Solution:
    """What a fit found: generations to (compute, bandwidth), engines other than REFERENCE_ENGINE to step factors,
    and engines to latent_prompt_layer_us.
    """

    physics: Physics
    generations: dict[str, tuple[float, float]]
    step_factors: dict[str, float]
    latent_prompt_layers_us: dict[str, float] = field(default_factory=dict)

    @property
    def usual(self) -> tuple[float, float]:
        """(compute, bandwidth) for a generation of which nothing is known: the geometric mean of those measured."""
        known = [np.log(reach) for name, reach in self.generations.items() if name not in NOT_USUAL]
        compute, bandwidth = np.exp(np.mean(known, axis=0)) if known else EXPECTED_REACH
        return float(compute), float(bandwidth)

    def unmeasured(self, generation: str) -> tuple[float, float]:
        """(compute, bandwidth) of a generation as if it had not been measured: compute by its matrix share."""
        compute, bandwidth = self.usual
        part = serving_share({name: one for name, (one, _) in self.generations.items() if name != generation})
        published = MATRIX_SHARES.get(generation)
        return (part * published.share if part and published else compute), bandwidth

    def reach(self, generation: str) -> tuple[float, float]:
        """(compute, bandwidth) of a generation, measured or not."""
        return self.generations.get(generation) or self.unmeasured(generation)

    def step_factor(self, engine: str) -> float:
        """The engine's step factor, the mean of those measured where it was not."""
        if engine == REFERENCE_ENGINE:
            return 1.0
        known = list(self.step_factors.values()) or [EXPECTED_STEP_FACTOR]
        return self.step_factors.get(engine, float(np.mean(known)))

    def latent_prompt_layer_us(self, engine: str) -> float:
        """The engine's latent_prompt_layer_us; where it was not measured that of the slowest that was, to be safe."""
        known = self.latent_prompt_layers_us
        return known.get(engine, max(known.values(), default=EXPECTED_LATENT_PROMPT_LAYER_US))

    def factors(self, cases: Sequence[Case]) -> Factors:
        """The factors of cases, of whatever generation and engine."""
        known = {name: self.reach(name) for name in {case.gpu.generation for case in cases}}
        reach = np.array([known[case.gpu.generation] for case in cases])
        pace = np.array([self.step_factor(case.engine) for case in cases])
        latent = np.array([self.latent_prompt_layer_us(case.engine) for case in cases])
        return Factors(
            physics=self.physics,
            compute=reach[:, 0],
            bandwidth=reach[:, 1],
            step_factor=pace,
            latent_prompt_layer_us=latent,
        )


def solve(cases: Sequence[Case], engines: Mapping[str, Engine], near: Solution | None = None) -> Solution:
    """Fit everything to the cases: what throughput and time per token tell, then what the first token tells.

    Cases of sets that are not fitted are passed over. near saves rounds where the solution of a like fit is
    known; all is drawn to what is expected just the same. Raises UsageError where no case is of such a set.
    """
    told = prepare(fitted_of(cases), engines)[0]
    if not told.cases:
        names = ", ".join(goal.name for goal in WEIGHTS)
        raise UsageError(f"there is nothing to fit: no measurement is of the sets {names}")
    solution = _throughput(told, near)
    first = prepare([case for case in cases if case.judged_in in FIRST_TOKEN_SETS], engines)[0]
    return _first_token(first, solution) if first.cases else solution


def without_each(
    cases: Sequence[Case],
    engines: Mapping[str, Engine],
    near: Solution,
    key: Callable[[Case], str],
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[Judged, ...]:
    """Every case as predicted by a fit that never saw a case of the same key, such as its model; none where all
    have one key.
    """

    def refit(others: Sequence[Case], prepared: Prepared) -> Factors:
        return solve(others, engines, near).factors(prepared.cases)

    return each_left_out(cases, engines, refit, key, tell)


def each_left_out(
    cases: Sequence[Case],
    engines: Mapping[str, Engine],
    refit: Callable[[Sequence[Case], Prepared], Factors],
    key: Callable[[Case], str],
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[Judged, ...]:
    """The same with refit(others, prepared) as the factors of prepared cases by a fit to the others."""
    judged: list[Judged] = []
    names = sorted({key(case) for case in cases})
    for name in names if len(names) > 1 else ():
        tell(name)
        others = [case for case in cases if key(case) != name]
        prepared = prepare([case for case in cases if key(case) == name], engines)[0]
        judged += judge(prepared, refit(others, prepared))
    return tuple(judged)


def fitted_of(cases: Sequence[Case]) -> list[Case]:
    """Those of the sets that tell of steps; first tokens are fitted after them, with what they gave."""
    return [case for case in cases if case.judged_in in WEIGHTS]


def weights_of(cases: Sequence[Case]) -> Array:
    """How much each error counts, (cases,): every set of WEIGHTS by its own, whatever its size."""
    goals = [case.judged_in for case in cases]
    return np.array([WEIGHTS[goal] / goals.count(goal) ** 0.5 for goal in goals])


def told_by(cases: Sequence[Case], on: date) -> str:
    """What a factor was taken from, in plain words."""
    gpus = ", ".join(sorted({case.gpu.name for case in cases}))
    models = len({case.model.name for case in cases})
    return f"{len(cases):,} figures of {models} model{'s' * (models > 1)} on {gpus}, {on}"


def rounded(value: float) -> float:
    """To three significant digits: more is noise."""
    return float(f"{value:.3g}")


def _throughput(prepared: Prepared, near: Solution | None) -> Solution:
    cases = prepared.cases
    generations = sorted({case.gpu.generation for case in cases})
    engines = sorted({case.engine for case in cases} - {REFERENCE_ENGINE})
    measured = np.array([case.measured for case in cases])
    weights = weights_of(cases)
    constants, reach = len(THROUGHPUT), len(generations)

    def of(at: Array) -> Solution:
        values = np.exp(at).tolist()
        rest = values[constants:]
        return Solution(
            physics=replace(EXPECTED, **dict(zip(THROUGHPUT, values, strict=False))),
            generations=dict(
                zip(generations, zip(rest[:reach], rest[reach : 2 * reach], strict=True), strict=True)
            ),
            step_factors=dict(zip(engines, rest[2 * reach :], strict=True)),
        )

    def vector(physics: Physics, known: Solution | None) -> Array:
        both = [known.reach(name) if known else EXPECTED_REACH for name in generations]
        paces = [known.step_factor(name) if known else EXPECTED_STEP_FACTOR for name in engines]
        constant = [getattr(physics, name) for name in THROUGHPUT]
        return np.log([*constant, *(one for one, _ in both), *(one for _, one in both), *paces])

    def errors(at: Array) -> Array:
        return np.asarray(np.log(predict(prepared, of(at).factors(cases)) / measured))

    everywhere = np.ones(len(cases), dtype=np.bool_)
    of_generation = [np.array([case.gpu.generation == name for case in cases]) for name in generations]
    of_engine = [np.array([case.engine == name for case in cases]) for name in engines]
    blocks = [[(index, everywhere)] for index in range(constants)]
    for first, masks in ((0, of_generation), (reach, of_generation), (2 * reach, of_engine)):
        blocks.append([(constants + first + index, mask) for index, mask in enumerate(masks)])
    expected = vector(EXPECTED, None)
    start = vector(near.physics, near) if near else expected
    return of(minimise(errors, weights, start, expected, PULL, blocks, ROUNDS))


def _first_token(prepared: Prepared, solution: Solution) -> Solution:
    cases, constants = prepared.cases, len(FIRST_TOKEN)
    engines = sorted({case.engine for case in cases if case.model.mla})
    measured = np.array([case.measured for case in cases])

    def of(at: Array) -> Solution:
        values = np.exp(at).tolist()
        named = dict(zip(FIRST_TOKEN, values, strict=False))
        latent = dict(zip(engines, values[constants:], strict=True))
        physics = replace(solution.physics, **named)
        return replace(solution, physics=physics, latent_prompt_layers_us=latent)

    def errors(at: Array) -> Array:
        return np.asarray(np.log(predict(prepared, of(at).factors(cases)) / measured))

    everywhere = np.ones(len(cases), dtype=np.bool_)
    expected = np.log(
        [
            *(getattr(EXPECTED, name) for name in FIRST_TOKEN),
            *[EXPECTED_LATENT_PROMPT_LAYER_US] * len(engines),
        ]
    )
    blocks = [[(index, everywhere)] for index in range(constants)]
    of_engine = [np.array([case.engine == name for case in cases]) for name in engines]
    blocks.append([(constants + index, mask) for index, mask in enumerate(of_engine)])
    weights = np.full(len(cases), len(cases) ** -0.5)
    return of(minimise(errors, weights, expected, expected, PULL, blocks, ROUNDS))
