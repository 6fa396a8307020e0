"""The routing table of a plan for a gateway that knows a request's prompt length, as JSON.

    {"schema_version": "1.1", "service": …, "planned_on": …, "sites": […], "periods": [{"start": …, "hours": 1.0,
      "by_prompt": [{"prompt_tokens_up_to": 412.5, "backends": {OPTION: weight, …}}, …],
      "by_prompt_and_output": [{"prompt_tokens": …, "output_tokens": …, "backends": {…}}, …]}, …]}

sites are those that the plan splits demand over ({"provider", "region", "weight", "backends"}, none where it does not):
their weights are the same in every hour, for the load balancer in front of them, and each period's weights are of all
requests, so that those of a site's backends add up to its own.

Weights sum to 1; the last prompt bound is null (no limit). A gateway does not know how long an answer will be, so
by_prompt spreads each prompt length as its requests of all output lengths together are spread:

    weight[prompt, option] = Σ_output share[size] · route[size, option] / Σ_output share[size]

which keeps every option's requests in number but not the plan's sorting by output length. by_prompt_and_output is the
plan itself, for gateways that predict the output length or read its limit (max_tokens) from the request, which take the
nearest size. Periods without demand have no rows. Bounds lie half-way between the lengths that sizes stand at.
"""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import zip_longest
from typing import Any

from optimiser.planning.plan import Plan, to_jsonable
from optimiser.planning.plan_parts import PlanBucket

SCHEMA_VERSION = "1.1"
DIGITS = 6
# Sizes whose prompts differ by less are of one prompt length: of a trace every size has a mean of its own.
SAME_LENGTH = 1.15


def render(plan: Plan, *, explain: bool = False, colour: bool = False) -> str:  # noqa: ARG001
    """The routing table, of several scenarios that of the first; of a plan that sends every size alike, weights for
    requests of any length."""
    service = plan.services[0]
    routes: dict[int, dict[int, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    alike: dict[int, dict[str, float]] = defaultdict(dict)
    for one in (row for row in plan.routing if row.scenario == 0):
        if one.bucket is None:
            alike[one.period][one.option] = one.share
        else:
            routes[one.period][one.bucket][one.option] = one.share
    table = {
        "schema_version": SCHEMA_VERSION,
        "service": service.name,
        "scenario": plan.scenarios[0].name,
        "planned_on": plan.planned_on,
        "sites": [
            {
                "provider": one.provider,
                "region": one.region,
                "weight": one.traffic_share,
                "backends": [
                    o.id for o in plan.options if (o.provider, o.region) == (one.provider, one.region)
                ],
            }
            for one in plan.sites
        ],
        "backends": {option.id: option.instance_type for option in plan.options},
        "periods": [
            {"start": period.start, "hours": period.hours, **_tables(service.buckets, routes[p], alike[p])}
            for p, period in enumerate(plan.periods)
        ],
    }
    return json.dumps(to_jsonable(table), indent=1, ensure_ascii=False) + "\n"


def _tables(
    sizes: tuple[PlanBucket, ...], routes: dict[int, dict[str, float]], alike: dict[str, float]
) -> dict[str, Any]:
    if alike:
        any_length = {"prompt_tokens_up_to": None, "backends": _weights(alike)}
        return {"by_prompt": [any_length], "by_prompt_and_output": []}
    exact = [
        {
            "prompt_tokens": sizes[b].prompt_tokens,
            "output_tokens": sizes[b].output_tokens,
            "backends": _weights(routes[b]),
        }
        for b in sorted(routes)
    ]
    return {"by_prompt": _by_prompt(sizes, routes), "by_prompt_and_output": exact}


def _by_prompt(sizes: tuple[PlanBucket, ...], routes: dict[int, dict[str, float]]) -> list[dict[str, Any]]:
    """Sizes of about one prompt length together, from the shortest."""
    groups: list[list[int]] = []
    for b in sorted(routes, key=lambda b: sizes[b].prompt_tokens):
        if groups and sizes[b].prompt_tokens <= SAME_LENGTH * sizes[groups[-1][0]].prompt_tokens:
            groups[-1].append(b)
        else:
            groups.append([b])
    rows = []
    for group, following in zip_longest(groups, groups[1:]):
        together: dict[str, float] = defaultdict(float)
        for b in group:
            for option, share in routes[b].items():
                together[option] += sizes[b].share * share
        longest = sizes[group[-1]].prompt_tokens
        bound = None if following is None else (longest + sizes[following[0]].prompt_tokens) / 2
        rows.append({"prompt_tokens_up_to": bound, "backends": _weights(together)})
    return rows


def _weights(parts: dict[str, float]) -> dict[str, float]:
    """Weights of backends, summing to 1 to the last digit."""
    total = sum(parts.values())
    weights = {name: round(part / total, DIGITS) for name, part in sorted(parts.items())}
    largest = max(weights, key=lambda name: weights[name])
    weights[largest] = round(weights[largest] + 1 - sum(weights.values()), DIGITS)
    return {name: weight for name, weight in weights.items() if weight > 0}
