"""Requests that take time to reach a region have that much less of the target there. It is in the options' rates."""

from __future__ import annotations

from optimiser.planning.rules.rule import Term
from optimiser.planning.rules.view import TOLERANCE, PlanView
from optimiser.policy import Policy


def verify_allow_for_round_trips(view: PlanView) -> list[str]:
    """Options in use allow for the policy's round trip to their region, and their TTFT has it inside the target."""
    target = view.plan.get("services", [{}])[0].get("ttft_ms")
    taken = view.policy.get("round_trip_ms_by_region", {}) if target is not None else {}
    faults = []
    for option in {view.option_of(name)["id"]: view.option_of(name) for name in view.used()}.values():
        right, stated = float(taken.get(option["region"], 0.0)), float(option.get("round_trip_ms", 0.0))
        if stated != right:
            faults.append(f"{option['id']}: {stated:g} ms there and back, not {right:g}")
        if right and not right < option["ttft_ms"] <= target * (1 + TOLERANCE):
            faults.append(f"{option['id']}: TTFT {option['ttft_ms']:g} ms, {right:g} of it on the way")
    return faults


def round_trips_in_words(policy: Policy) -> str:
    """The allowances."""
    taken = {name: ms for name, ms in sorted(policy.round_trip_ms_by_region.items()) if ms}
    return f"{', '.join(f'{ms:g} ms to {name}' for name, ms in taken.items())} and back" if taken else ""


ALLOW_FOR_ROUND_TRIPS = Term(
    name="allow_for_round_trips", verify=verify_allow_for_round_trips, limit=round_trips_in_words
)
