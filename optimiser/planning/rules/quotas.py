"""Nothing runs beyond the quotas that are granted, nor more GPUs than the policy allows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from optimiser.planning.caps import Cap, gpu_caps, quota_caps
from optimiser.planning.leaves import Solution
from optimiser.planning.model import Model
from optimiser.planning.problem import Floats, Problem
from optimiser.planning.rules.rule import UNITS, Rule, policy_with
from optimiser.planning.rules.running import Running
from optimiser.planning.rules.view import TOLERANCE, PlanView, worst
from optimiser.policy import Policy


def respect_quotas(m: Model) -> None:
    """What a provider counts as one quota stays within what it has granted.

    Σ_{c in quota} taken[c] · running[c, p]  ≤  granted      ∀ known quota, period p

    taken is vCPUs or GPUs of a unit, as the provider counts; commitments and on demand count together, spot apart.
    """
    _rows(m, "respect_quotas", quota_caps(m.problem))


def limit_gpus(m: Model) -> None:
    """No more GPUs run at once than the policy allows, however they are paid.

    Σ_c gpus[c] · running[c, p]  ≤  max_gpus      ∀ period p
    """
    _rows(m, "limit_gpus", gpu_caps(m.problem))


def _rows(m: Model, name: str, caps: Iterable[Cap]) -> None:
    for number, cap in enumerate(caps):
        for p in m.periods:
            terms = [
                (m.running[c][p], float(taken))
                for c, column in enumerate(m.columns)
                if (taken := cap.taken_by(column.option, column.purchase.how))
            ]
            if terms:
                m.add(f"{name}_{number}_{p}", terms, "<=", cap.amount)


def verify_respect_quotas(view: PlanView) -> list[str]:
    """Every quota with a granted amount holds what counts in it, in every period."""
    if not view.policy["within_quotas"]:
        return []
    taken: dict[tuple[str, str, str, bool], list[int]] = defaultdict(lambda: [0] * len(view.hours))
    for name in view.used():
        option, spot = view.option_of(name), view.how(name) == "spot"
        family = option["spot_quota_family"] if spot else option["quota_family"]
        per_instance = "vcpus_per_instance" if option["quota_unit"] == "vcpu" else "gpus_per_instance"
        each = option[per_instance] * option["instances_per_unit"]
        here = taken[option["provider"], option["region"], family, spot]
        for p in view.periods():
            here[p] += each * view.units[name][p]
    faults = []
    for quota in view.plan["quotas"]:
        key = (quota["provider"], quota["region"], quota["family"], quota["spot"])
        for p in view.periods() if quota["granted"] is not None and key in taken else ():
            beyond = taken[key][p] - quota["granted"]
            if beyond > TOLERANCE:
                text = f"{view.when(p)}: {taken[key][p]:,} {quota['unit']} of {key}, {quota['granted']:,g} granted"
                faults.append((beyond, text))
    return worst(faults)


def verify_limit_gpus(view: PlanView) -> list[str]:
    """GPUs running in any period are no more than allowed."""
    most = view.policy["max_gpus"]
    if most is None:
        return []
    each = {
        name: view.option_of(name)["gpus_per_instance"] * view.option_of(name)["instances_per_unit"]
        for name in view.used()
    }
    running = [sum(gpus * view.units[name][p] for name, gpus in each.items()) for p in view.periods()]
    return worst(
        [
            (n - most, f"{view.when(p)}: {n} GPUs run, {most} allowed")
            for p, n in enumerate(running)
            if n > most
        ]
    )


def quotas_in_words(policy: Policy) -> str:
    """Whether granted quotas are kept."""
    return "no more than the quotas granted, where they are known" if policy.within_quotas else ""


def gpus_in_words(policy: Policy) -> str:
    """The most GPUs."""
    most = policy.max_gpus
    return "" if most is None else f"at most {most:,} GPU{'s' * (most > 1)} at once"


def quota_slack(run: Running) -> Floats:
    """Units that the fullest quota in use still takes, of the smallest in it."""
    return _room(run, quota_caps(run.problem))


def gpu_slack(run: Running) -> Floats:
    """Units that fit beside the GPUs in use, of the smallest in use."""
    return _room(run, gpu_caps(run.problem))


def _room(run: Running, caps: Iterable[Cap]) -> Floats:
    """inf where the solution takes nothing of any cap."""
    room = np.full(len(run.planned), np.inf)
    for cap in caps:
        each = [cap.taken_by(one.option, one.purchase.how) for one in run.solution.columns]
        if any(each):
            room = np.minimum(room, (cap.amount - cap.taken(run.solution)) / min(filter(None, each)))
    return room


def quotas_wanted(problem: Problem, solution: Solution) -> str:
    """The quotas that a solution takes more of than is granted, with the amount that would do."""
    return " and ".join(
        f"{cap.key.provider} {cap.key.region} {cap.key.family} ({'spot' if cap.key.spot else 'on demand'}): "
        f"{cap.taken(solution).max():,.0f}, {cap.amount:,} granted"
        for cap in quota_caps(problem)
        if cap.key and cap.taken(solution).max() > cap.amount
    )


def gpus_wanted(problem: Problem, solution: Solution) -> str:
    """The GPUs that a solution runs at its largest."""
    return " and ".join(f"{cap.taken(solution).max():,.0f} GPUs" for cap in gpu_caps(problem))


RESPECT_QUOTAS = Rule(
    name="respect_quotas",
    rows=respect_quotas,
    scope="period",
    verify=verify_respect_quotas,
    limit=quotas_in_words,
    slack=quota_slack,
    unit=UNITS,
    without=policy_with(within_quotas=False),
    eased="within_quotas: false",
    wanted=quotas_wanted,
    always_priced=True,
    decides_on_sites=True,
)

LIMIT_GPUS = Rule(
    name="limit_gpus",
    rows=limit_gpus,
    scope="period",
    verify=verify_limit_gpus,
    limit=gpus_in_words,
    slack=gpu_slack,
    unit=UNITS,
    without=policy_with(max_gpus=None),
    eased="max_gpus: null",
    wanted=gpus_wanted,
    always_priced=True,
    decides_on_sites=True,
)
