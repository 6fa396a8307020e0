"""What a rule is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from optimiser.planning.leaves import Solution
from optimiser.planning.model import Model
from optimiser.planning.problem import Floats, Problem
from optimiser.planning.rules.running import Running
from optimiser.planning.rules.view import PlanView
from optimiser.policy import Policy

RPS = "req/s"
UNITS = "instances"


@dataclass(frozen=True, kw_only=True)
class Term:
    """What a plan obeys. verify returns what a finished plan breaks, one sentence each.

    limit says it in words under a policy ("" where it is off). slack is the distance to the limit per period, in
    `unit` (None where there is no such number). without is the problem with it off or eased as `eased` says (None
    where nothing does that); wanted is what a solution of that takes beyond the limit, in words. Its cost is always
    shown where always_priced, else on request; with decides_on_sites it is eased everywhere, else in the chosen sites.
    """

    name: str
    verify: Callable[[PlanView], list[str]]
    limit: Callable[[Policy], str]
    slack: Callable[[Running], Floats] | None = None
    unit: str = ""
    without: Callable[[Problem], Problem] | None = None
    eased: str = ""
    wanted: Callable[[Problem, Solution], str] | None = None
    always_priced: bool = False
    decides_on_sites: bool = False


@dataclass(frozen=True, kw_only=True)
class Rule(Term):
    """A term that limits what runs: rows adds it to the compact model, scope is "period" where it can be checked
    inside one period and "horizon" where it couples periods.
    """

    rows: Callable[[Model], None]
    scope: str


def policy_with(**change: Any) -> Callable[[Problem], Problem]:
    """The problem under a policy with some fields changed."""
    return lambda problem: replace(problem, policy=problem.policy.model_copy(update=change))
