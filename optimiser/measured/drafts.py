"""Runs whose own file says that speculative decoding was on: no measure of steps that give one token each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from optimiser.errors import bad_value
from optimiser.measured.reading import value_at

_WHY = (
    "the run had speculative decoding on, and with it is none to anchor on: measure without, and describe drafts in "
    "the workload (speculative_decoding)"
)


def check_no_drafts(
    data: Any,
    where: str,
    lengths: Sequence[str] = (),
    counts: Sequence[str] = (),
    methods: Sequence[str] = (),
) -> None:
    """UsageError where what stands at one of the paths says that tokens were drafted; null and nothing at all do not.

    lengths are paths of tokens gained per step, 1 without drafts; counts those of tokens or drafts proposed or accepted
    and of the share accepted, 0 without; methods those of how they were made, a name or a configuration.
    """
    for paths, most in ((lengths, 1.0), (counts, 0.0)):
        for path in paths:
            value = value_at(data, path)
            if value not in (None, "") and not _at_most(value, most):
                raise bad_value(where, path, value, f"must be {most:g} or absent: {_WHY}")
    for path in methods:
        value = value_at(data, path)
        if value and str(value).lower() != "none":
            raise bad_value(where, path, value, f"must be null or absent: {_WHY}")


def _at_most(value: Any, most: float) -> bool:
    """Whether the number, or each of a list, is at most that; what is no number is not."""
    if isinstance(value, list):
        return all(_at_most(one, most) for one in value)
    try:
        return not isinstance(value, bool) and float(value) <= most
    except (TypeError, ValueError, OverflowError):
        return False
