"""The rows of the rules on the schedule: what is up stays up, starts and stops within an hour, changes a day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

from optimiser.planning.model import Model
from optimiser.planning.periods import before, days
from optimiser.planning.problem import BY_THE_HOUR
from optimiser.planning.solve import Terms, Variable


def keep_up(m: Model) -> None:
    """What starts runs for min_up_hours.

    Σ_{q begun in the min_up_hours up to p} started[c, q]  ≤  running[c, p]      ∀ column c, period p
    """
    hours = m.problem.policy.min_up_hours
    if not hours:
        return
    for c in _by_the_hour(m):
        started = m.started(c)
        for p, lately in enumerate(m.begun_within(hours)):
            m.add(f"keep_up_{c}_{p}", [*_sum(started, lately), (m.running[c][p], -1.0)], "<=", 0)


def limit_starts(m: Model) -> None:
    """No more units of an option start within an hour than max_starts_per_hour.

    Σ_{c of i} Σ_{q begun in the hour up to p} started[c, q]  ≤  max_starts_per_hour      ∀ option i, period p
    """
    _limit_moves(m, "limit_starts", m.problem.policy.max_starts_per_hour, m.started)


def limit_stops(m: Model) -> None:
    """No more units of an option stop within an hour than max_stops_per_hour.

    Σ_{c of i} Σ_{q begun in the hour up to p} stopped[c, q]  ≤  max_stops_per_hour      ∀ option i, period p
    """
    _limit_moves(m, "limit_stops", m.problem.policy.max_stops_per_hour, m.stopped)


def limit_schedule_changes(m: Model) -> None:
    """On no calendar day (UTC) does any count change more than max_schedule_changes_per_day times.

    |running[c, p] − running[c, p − 1]|  ≤  M · changed[p]      Σ_{p on day} changed[p]  ≤  max      ∀ c, p, day
    """
    most = m.problem.policy.max_schedule_changes_per_day
    if most is None:
        return
    changed = [m.programme.binary(f"changed_{p}") for p in m.periods]
    for c in _by_the_hour(m):
        units = m.most_units(m.columns[c].option)
        for p, earlier in enumerate(before(m.problem).tolist()):
            for way, sign in (("up", 1.0), ("down", -1.0)):
                move = [(m.running[c][p], sign), (m.running[c][earlier], -sign)]
                m.add(f"changed_{way}_{c}_{p}", [*move, (changed[p], -units)], "<=", 0)
    of_day = defaultdict(list)
    for p, day in enumerate(days(m.problem).tolist()):
        of_day[day].append((changed[p], 1.0))
    for day, changes in of_day.items():
        m.add(f"limit_schedule_changes_{day}", changes, "<=", most)


def _by_the_hour(m: Model) -> list[int]:
    """Columns that follow the hour."""
    return [c for c, column in enumerate(m.columns) if column.purchase.how in BY_THE_HOUR]


def _sum(variables: list[Variable], periods: Iterable[int]) -> Terms:
    """Σ of a column's variables over periods, of which one may be listed more than once."""
    times: dict[int, float] = defaultdict(float)
    for q in periods:
        times[q] += 1.0
    return [(variables[q], factor) for q, factor in times.items()]


def _limit_moves(m: Model, name: str, most: int | None, moved: Callable[[int], list[Variable]]) -> None:
    if most is None:
        return
    of_option = defaultdict(list)
    for c in _by_the_hour(m):
        of_option[m.columns[c].option.id].append(moved(c))
    for number, columns in enumerate(of_option.values()):
        for p, lately in enumerate(m.begun_within(1.0)):
            terms = [term for variables in columns for term in _sum(variables, lately)]
            m.add(f"{name}_{number}_{p}", terms, "<=", most)
