"""Findings that somebody has looked at: patterns on their ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

from optimiser.errors import bad_value, did_you_mean
from optimiser.prices.checks import CHECKS
from optimiser.prices.refreshed import Finding

# What no store can hold or no cloud has said, and what only a right clock mends: nothing to look at and let pass.
FINAL = frozenset({"no_test_double", "one_price_per_key", "clock_not_behind"})


def check_patterns(patterns: Iterable[str]) -> None:
    """UsageError for a pattern that names no check, or one that cannot be acknowledged."""
    for pattern in patterns:
        name, colon, _ = pattern.partition(":")
        if not colon:
            right = "a finding such as no_price_jump:aws/us-east-1/on_demand/p5.48xlarge@55.04, * standing for any part"
            raise bad_value("--acknowledge", "finding", pattern, right)
        matched = {check for check in CHECKS if fnmatchcase(check, name)}
        if not matched:
            raise bad_value(
                "--acknowledge", "finding", pattern, f"no such check; {did_you_mean(name, CHECKS)}"
            )
        if matched <= FINAL:
            raise bad_value("--acknowledge", "finding", pattern, f"{name} is never let pass")


def acknowledged(findings: Iterable[Finding], patterns: Sequence[str]) -> tuple[Finding, ...]:
    """The findings, those that a pattern matches marked as acknowledged."""
    return tuple(
        finding.as_acknowledged()
        if finding.check not in FINAL and any(fnmatchcase(finding.id, pattern) for pattern in patterns)
        else finding
        for finding in findings
    )


def without_match(patterns: Iterable[str], findings: Sequence[Finding]) -> Iterator[str]:
    """For each pattern that acknowledged nothing, so much; and what it would have meant at another amount."""
    for pattern in patterns:
        if any(finding.acknowledged and fnmatchcase(finding.id, pattern) for finding in findings):
            continue
        place = pattern.partition("@")[0]
        near = next((one.id for one in findings if one.holds and fnmatchcase(one.place, place)), None)
        instead = f"; held is {near!r}" if near else ""
        yield f"--acknowledge {pattern!r} matches no finding of this refresh{instead}"
