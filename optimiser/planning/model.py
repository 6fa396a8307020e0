"""The whole problem as one compact PuLP model: every rule a row, every unit a whole number.

Exact and readable, and far too slow for a week of hours at fleet scale (that is what `decompose` is for): the
fast path is checked against it on small cases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from optimiser.planning.leaves import Bought, Solution
from optimiser.planning.periods import before, recent
from optimiser.planning.problem import SIGNED, Option, Problem
from optimiser.planning.requirements import Levels, levels
from optimiser.planning.solve import Programme, Solved, Terms, Variable, value


@dataclass
class Model:
    """Variables of a problem. running[c][p] is units of column c in period p, counted on from scenario to scenario (one
    variable all along for what is signed); used[i] whether option i is bought at all; largest[i] and smallest[i] pick
    the extreme unit in use. The horizon repeats: its last period comes before its first.
    """

    problem: Problem
    programme: Programme
    columns: tuple[Bought, ...]
    running: list[list[Variable]]
    used: list[Variable] = field(default_factory=list)
    largest: list[Variable] = field(default_factory=list)
    smallest: list[Variable] = field(default_factory=list)
    levels: list[Levels] = field(default_factory=list)
    _moves: dict[tuple[int, int], list[Variable]] = field(default_factory=dict)

    @property
    def periods(self) -> range:
        """Indices of the periods of every scenario."""
        return range(len(self.problem.hours))

    def add(self, name: str, terms: Terms, sense: str, right: float) -> None:
        """A named row Σ coefficient · variable (sense "<=", "=", ">=") right."""
        self.programme.row(name, terms, sense, right)

    def capacity(self, period: int, keep: Callable[[Bought], bool] = lambda _: True) -> Terms:
        """Σ rate · running over the columns kept, req/s."""
        return [
            (self.running[c][period], column.option.rate_rps)
            for c, column in enumerate(self.columns)
            if keep(column)
        ]

    def required(self, period: int, factor: float) -> Terms:
        """factor · T, the capacity required in the period, which follows the unit that is sized for."""
        values = [float(level.total[level.slot_of_period[period]]) for level in self.levels]
        return [(pick, factor * value) for pick, value in zip(self.largest, values, strict=True)]

    def most_units(self, option: Option) -> int:
        """More units of one option than any sensible plan runs: enough for the peak twice over, and the floor."""
        peak = max(float(level.total.max()) for level in self.levels)
        return 2 * int(np.ceil(peak / option.rate_rps)) + self.problem.policy.min_firm_instances + 1

    def started(self, c: int) -> list[Variable]:
        """At least how many units of column c more run in each period than in the one before.

        moved[c, p]  ≥  running[c, p] − running[c, p − 1]
        """
        return self._moved(c, 1)

    def stopped(self, c: int) -> list[Variable]:
        """At least how many fewer."""
        return self._moved(c, -1)

    def _moved(self, c: int, sign: int) -> list[Variable]:
        if (c, sign) not in self._moves:
            name = "started" if sign > 0 else "stopped"
            moved = [self.programme.variable(f"{name}_{c}_{p}") for p in self.periods]
            for p, earlier in enumerate(before(self.problem).tolist()):
                change = [(self.running[c][p], -float(sign)), (self.running[c][earlier], float(sign))]
                self.add(f"{name}_at_least_{c}_{p}", [(moved[p], 1.0), *change], ">=", 0)
            self._moves[c, sign] = moved
        return self._moves[c, sign]

    def begun_within(self, hours: float) -> list[list[int]]:
        """Per period, those that began in so many hours up to its own beginning, itself among them."""
        return recent(self.problem, hours)


def build_model(problem: Problem, rules: Iterable[Callable[[Model], None]]) -> Model:
    """Variables, objective (USD over the horizon, expected) and the rows of the given rules."""
    columns = tuple(Bought(option, purchase) for option in problem.options for purchase in option.purchases)
    model = Model(problem, Programme("fleet"), columns, [])
    model.levels = [levels(problem, option.rate_rps) for option in problem.options]
    for c, column in enumerate(columns):
        model.running.append(_running(model, c, column))
    hours = problem.hours
    model.programme.minimise(_objective(model, hours))
    _pick_extremes(model)
    for rows in rules:
        rows(model)
    return model


def _running(model: Model, c: int, column: Bought) -> list[Variable]:
    if column.purchase.how in SIGNED:
        return [model.programme.variable(f"units_{c}", whole=True)] * len(model.periods)
    return [model.programme.variable(f"units_{c}_{p}", whole=True) for p in model.periods]


def _objective(model: Model, hours: np.ndarray) -> Terms:
    terms: Terms = []
    for c, column in enumerate(model.columns):
        usd = column.purchase.usd_per_unit_hour
        if column.purchase.how in SIGNED:
            terms.append((model.running[c][0], usd * float(hours.sum())))
        else:
            terms += [(model.running[c][p], usd * float(hours[p])) for p in model.periods]
    return terms


def _pick_extremes(model: Model) -> None:
    """Binaries: option i is used, is the largest in use, is the smallest in use.

    running[c, p] ≤ M · used[i]        Σ largest = Σ smallest = 1        largest[i], smallest[i] ≤ used[i]
    rate[i] · used[i] ≤ Σ_j rate[j] · largest[j]
    Σ_j rate[j] · smallest[j] ≤ rate[i] + M · (1 − used[i])
    """
    options = model.problem.options
    rates = [option.rate_rps for option in options]
    names = range(len(options))
    model.used = [model.programme.binary(f"used_{i}") for i in names]
    model.largest = [model.programme.binary(f"largest_{i}") for i in names]
    model.smallest = [model.programme.binary(f"smallest_{i}") for i in names]
    index = {option.id: i for i, option in enumerate(options)}
    for c, column in enumerate(model.columns):
        i = index[column.option.id]
        for p in (0,) if column.purchase.how in SIGNED else model.periods:
            model.add(
                f"only_if_used_{c}_{p}",
                [(model.running[c][p], 1), (model.used[i], -model.most_units(column.option))],
                "<=",
                0,
            )
    for name, picks in (("largest", model.largest), ("smallest", model.smallest)):
        model.add(f"one_{name}", [(pick, 1) for pick in picks], "=", 1)
        for i in names:
            model.add(f"{name}_is_used_{i}", [(picks[i], 1), (model.used[i], -1)], "<=", 0)
    for i in names:
        largest: Terms = [(pick, -rate) for pick, rate in zip(model.largest, rates, strict=True)]
        model.add(f"largest_bounds_{i}", [(model.used[i], rates[i]), *largest], "<=", 0)
        smallest: Terms = [(pick, rate) for pick, rate in zip(model.smallest, rates, strict=True)]
        model.add(
            f"smallest_bounds_{i}",
            [*smallest, (model.used[i], max(rates))],
            "<=",
            rates[i] + max(rates),
        )


def solve_compact(
    problem: Problem,
    rules: Iterable[Callable[[Model], None]],
    gap: float = 1e-6,
    time_limit_s: float = 60,
    nodes: int | None = None,
) -> tuple[Solution | None, Solved]:
    """The optimum of the whole problem under the given rules, by HiGHS, or the best of so many nodes; None where it is
    infeasible."""
    model = build_model(problem, rules)
    solved = model.programme.solve(gap, time_limit_s, nodes)
    if solved.usd is None:
        return None, solved
    units = np.array(
        [[round(value(variable)) for variable in column] for column in model.running], dtype=np.int64
    )
    used = [bool(row.any()) for row in units]
    columns = tuple(column for column, any_units in zip(model.columns, used, strict=True) if any_units)
    sized_for = sum(
        option.rate_rps * round(value(pick))
        for pick, option in zip(model.largest, problem.options, strict=True)
    )
    return Solution(columns, units[used].T, sized_for), solved
