"""Options in regions that requests take time to reach: their estimates meet the target less that time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from optimiser.performance.estimate_types import Estimate
from optimiser.planning.options import build_options
from optimiser.planning.owned import Owned
from optimiser.planning.problem import Option
from optimiser.planning.start_up import StartUpTimes
from optimiser.policy import Policy
from optimiser.prices.spot_past import SpotPast
from optimiser.workload import Target
from providers.shape import InstanceShape


def options_within_reach(
    estimates: Sequence[Estimate],
    shapes: Mapping[tuple[str, str], InstanceShape],
    offers: pd.DataFrame,
    policy: Policy,
    *,
    owned: Sequence[Owned],
    past: SpotPast,
    start_up: StartUpTimes | None,
    target: Target | None,
    estimates_within: Callable[[Target], Sequence[Estimate]],
) -> tuple[tuple[Option, ...], tuple[str, ...]]:
    """Options as build_options makes them, ordered by id, and notes on regions that are out.

    `estimates` meet the target itself. In a region with an allowance (policy.round_trip_ms_by_region) requests have
    that much less of it for their first token: its options are made from estimates_within what is left, one round of
    estimates for each allowance, and a region whose allowance leaves nothing is out. Without a target nothing is
    taken off.
    """
    taken = {name: ms for name, ms in policy.round_trip_ms_by_region.items() if ms and target is not None}
    known = {*offers["region"].unique(), *(one.region for one in owned)} & taken.keys()
    if target is None or not known:
        return build_options(estimates, shapes, offers, policy, owned=owned, past=past, start_up=start_up), ()
    options: list[Option] = []
    notes: list[str] = []
    for ms in sorted({0.0, *(taken[name] for name in known)}):
        here = {name for name in known if taken[name] == ms}
        if ms >= target.ttft_ms:
            notes.append(
                f"round_trip_ms_by_region: {', '.join(sorted(here))} left out: {ms:g} ms there and back leave nothing "
                f"of the target's TTFT of {target.ttft_ms:g} ms"
            )
            continue
        inside = offers["region"].isin(here) if ms else ~offers["region"].isin(known)
        made = build_options(
            estimates_within(replace(target, ttft_ms=target.ttft_ms - ms)) if ms else estimates,
            shapes,
            offers[inside],
            policy,
            owned=[one for one in owned if (one.region in here if ms else one.region not in known)],
            past=past,
            start_up=start_up,
        )
        options += [replace(option, round_trip_ms=ms) for option in made]
    return tuple(sorted(options, key=lambda option: option.id)), tuple(notes)
