"""What is planned on of an estimate: its lower bound. It is in the rates of the options, so it needs no row."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from optimiser.planning.options import four_digits_down
from optimiser.planning.problem import Option, Problem
from optimiser.planning.rules.rule import Term
from optimiser.planning.rules.view import TOLERANCE, PlanView
from optimiser.policy import Policy

# A rate rounded down to four digits loses less than one in a thousand.
LEAST_LEFT_BY_ROUNDING = 1 - 1e-3


def verify_plan_on_lower_bound(view: PlanView) -> list[str]:
    """Options in use are planned at no more than the policy leaves of their estimates, and are rounded down only.

    The share is 1 − performance_margin, else (2 (1 − performance_confidence))^log2(1 + error).
    """
    faults = []
    for option in {view.option_of(name)["id"]: view.option_of(name) for name in view.used()}.values():
        share = _planned_share(view.policy, option)
        left, rate = float(option["estimated_rps"]) * share, float(option["rate_rps"])
        if abs(1 - share - float(option["margin"])) > TOLERANCE:
            faults.append(f"{option['id']}: the margin is {option['margin']:.6g}, not {1 - share:.6g}")
        if not LEAST_LEFT_BY_ROUNDING * left <= rate <= left * (1 + TOLERANCE):
            faults.append(f"{option['id']}: planned at {rate:.6g} req/s, its lower bound is {left:.6g}")
    return faults


def caution_in_words(policy: Policy) -> str:
    """What is planned on of every estimate."""
    if policy.performance_margin is not None:
        margin = policy.performance_margin
        return f"{margin * 100:g} % off every estimated rate" if margin else ""
    confidence = policy.performance_confidence
    return f"what is served in {confidence * 100:g} % of such cases" if confidence > 0.5 else ""


def at_the_estimates(problem: Problem) -> Problem:
    """The problem planned on what the estimates say, nothing taken off."""
    policy = problem.policy.model_copy(update={"performance_margin": 0.0})
    return replace(problem, options=tuple(map(_at_its_estimate, problem.options)), policy=policy)


def _at_its_estimate(option: Option) -> Option:
    estimate = option.estimate
    return replace(
        option,
        rate_rps=four_digits_down(estimate.requests_per_second),
        bucket_rates_rps=estimate.bucket_requests_per_second,
        margin=0.0,
    )


def _planned_share(policy: dict[str, Any], option: dict[str, Any]) -> float:
    if policy["performance_margin"] is not None:
        return 1.0 - float(policy["performance_margin"])
    below = 2.0 * (1.0 - float(policy["performance_confidence"]))
    return math.exp(math.log2(1.0 + float(option["estimate_relative_error"])) * math.log(below))


PLAN_ON_LOWER_BOUND = Term(
    name="plan_on_lower_bound",
    verify=verify_plan_on_lower_bound,
    limit=caution_in_words,
    without=at_the_estimates,
    eased="performance_margin: 0",
    always_priced=True,
)
