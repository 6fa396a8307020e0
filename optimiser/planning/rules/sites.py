"""A plan stays in few places and on few machine types, so that people can run it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable
from dataclasses import replace

from optimiser.planning.model import Model
from optimiser.planning.parts import least_sites
from optimiser.planning.problem import Problem
from optimiser.planning.rules.rule import Rule, policy_with
from optimiser.planning.rules.view import PlanView
from optimiser.policy import Policy


def limit_sites(m: Model) -> None:
    """At most so many sites (provider × region) are used, or as many as other rules ask for.

    used[i] ≤ site[s(i)],   Σ_s site[s] ≤ max_sites
    """
    _limit(m, "limit_sites", _most_sites(m.problem.policy), [option.site for option in m.problem.options])


def limit_instance_types(m: Model) -> None:
    """At most so many instance types are used.

    used[i] ≤ type[t(i)],   Σ_t type[t] ≤ max_instance_types
    """
    types = [option.instance_type for option in m.problem.options]
    _limit(m, "limit_instance_types", m.problem.policy.max_instance_types, types)


def _limit(
    m: Model, name: str, limit: int | None, groups: list[Hashable] | list[str] | list[tuple[str, str]]
) -> None:
    if limit is None:
        return
    members: dict[Hashable, list[int]] = defaultdict(list)
    for i, group in enumerate(groups):
        members[group].append(i)
    picks = [m.programme.binary(f"{name}_{g}") for g in range(len(members))]
    for g, inside in enumerate(members.values()):
        for i in inside:
            m.add(f"{name}_{g}_{i}", [(m.used[i], 1.0), (picks[g], -1.0)], "<=", 0)
    m.add(name, [(pick, 1.0) for pick in picks], "<=", limit)


def verify_limit_sites(view: PlanView) -> list[str]:
    """Sites in use are no more than allowed."""
    options = [view.option_of(name) for name in view.used()]
    used = sorted({(option["provider"], option["region"]) for option in options})
    limit = view.policy["max_sites"]
    if limit is not None:
        providers = math.ceil(1 / float(view.policy.get("max_share_per_provider", 1)) - 1e-9)
        both = 2 if view.policy.get("survive_region_loss", False) else 1
        limit = max(limit, both, providers, int(view.policy.get("min_regions", 1)))
    return (
        [f"{len(used)} sites in use, {limit} allowed: {used}"]
        if limit is not None and len(used) > limit
        else []
    )


def verify_limit_instance_types(view: PlanView) -> list[str]:
    """Instance types in use are no more than allowed."""
    used = sorted({view.option_of(name)["instance_type"] for name in view.used()})
    limit = view.policy["max_instance_types"]
    return (
        [f"{len(used)} instance types in use, {limit} allowed: {used}"]
        if limit is not None and len(used) > limit
        else []
    )


def sites_in_words(policy: Policy) -> str:
    """How many sites."""
    most = _most_sites(policy)
    return "" if most is None else f"at most {most} site{'s' * (most > 1)}"


def _most_sites(policy: Policy) -> int | None:
    return None if policy.max_sites is None else max(policy.max_sites, least_sites(policy))


def types_in_words(policy: Policy) -> str:
    """How many instance types."""
    most = policy.max_instance_types
    return "" if most is None else f"at most {most} instance type{'s' * (most > 1)}"


def one_more_type(problem: Problem) -> Problem:
    """The problem with one more instance type allowed."""
    most = problem.policy.max_instance_types
    change = {"max_instance_types": None if most is None else most + 1}
    return replace(problem, policy=problem.policy.model_copy(update=change))


LIMIT_SITES = Rule(
    name="limit_sites",
    rows=limit_sites,
    scope="horizon",
    verify=verify_limit_sites,
    limit=sites_in_words,
    without=policy_with(max_sites=None),
    eased="max_sites: null",
    decides_on_sites=True,
)

LIMIT_INSTANCE_TYPES = Rule(
    name="limit_instance_types",
    rows=limit_instance_types,
    scope="horizon",
    verify=verify_limit_instance_types,
    limit=types_in_words,
    without=one_more_type,
    eased="max_instance_types one higher",
)
