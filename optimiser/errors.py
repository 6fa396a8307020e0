"""Every error the optimiser raises on purpose, and the exit code each one maps to.

OptimiserError            1  failed
├── UsageError            2  bad usage, workload or config
├── NoFeasiblePlan        3  nothing meets the workload under the policy
└── StalePrices           4  every price that would do is too old
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from datetime import date

# What of a value a message shows: enough to know it again.
LONGEST_VALUE = 100


class OptimiserError(Exception):
    """A foreseeable fault. Its message names the file, the field, the value and what would be right."""

    exit_code = 1


class UsageError(OptimiserError):
    """The command, the workload or the configuration is wrong."""

    exit_code = 2


class NoFeasiblePlan(OptimiserError):
    """No plan meets the workload under the policy; the message says how far the best one is."""

    exit_code = 3


class StalePrices(OptimiserError):
    """Every price that would do is past its age limit."""

    exit_code = 4


def bad_value(where: str, field: str, value: object, right: str) -> UsageError:
    """The one shape of a bad-input message: `where: field = value: right`, the value as YAML writes it, a long one's
    beginning."""
    written = _written(value)
    shown = f"{written[:LONGEST_VALUE]}…" if len(written) > LONGEST_VALUE else written
    return UsageError(f"{where}: {field} = {shown}: {right}")


def _written(value: object) -> str:
    """A value as a YAML file has it on one line: true, null, 2026-11-21, 'text', [1, null], {fp8: true}."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_written(part)}" for name, part in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    return repr(value)


def did_you_mean(value: str, known: Iterable[str]) -> str:
    """A closing phrase for a message about an unknown name: the near misses, else all that is known."""
    names = sorted(known)
    folded = {name.casefold(): name for name in names}
    near = [folded[match] for match in difflib.get_close_matches(value.casefold(), folded, n=3, cutoff=0.6)]
    if near:
        return f"did you mean {' or '.join(near)}?"
    shown = ", ".join(names[:12]) + (f", … ({len(names)} in all)" if len(names) > 12 else "")
    return f"known: {shown}"
