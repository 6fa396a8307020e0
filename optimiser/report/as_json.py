"""The whole Plan as JSON: enough to recompute cost and capacity; `optimiser schema plan` describes it."""

from __future__ import annotations

import json

from optimiser.planning.plan import Plan, to_jsonable


def render(plan: Plan, *, explain: bool = False, colour: bool = False) -> str:  # noqa: ARG001
    """Every field in order, money as decimal strings. JSON is complete whether explained or not."""
    return json.dumps(to_jsonable(plan), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def one_line(plan: Plan) -> str:
    """The same in one line, for many plans in one file."""
    return json.dumps(to_jsonable(plan), ensure_ascii=False, allow_nan=False) + "\n"
