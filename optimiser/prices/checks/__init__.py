"""The checks between fetching prices and trusting them: functions in a registry, run once per provider.

To add one, write a function from Evidence to findings (its docstring states the rule, the threshold and why)
in a file of its family and name it here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from optimiser.prices.checks.amounts import enough_offers, every_scope_answered, no_type_gone
from optimiser.prices.checks.band import price_in_band
from optimiser.prices.checks.clock import clock_not_behind
from optimiser.prices.checks.evidence import ALL_REGIONS, Evidence
from optimiser.prices.checks.hardware import hardware_matches_config, unknown_gpu_instances
from optimiser.prices.checks.identity import no_test_double, one_price_per_key
from optimiser.prices.checks.relations import longer_terms_not_dearer, spot_not_above_on_demand
from optimiser.prices.checks.steps import no_price_jump
from optimiser.prices.refreshed import Finding

__all__ = ["ALL_REGIONS", "CHECKS", "Evidence", "run_checks"]

Check = Callable[[Evidence], Iterable[Finding]]

CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        clock_not_behind,
        every_scope_answered,
        no_test_double,
        one_price_per_key,
        enough_offers,
        no_type_gone,
        no_price_jump,
        price_in_band,
        spot_not_above_on_demand,
        longer_terms_not_dearer,
        hardware_matches_config,
        unknown_gpu_instances,
    )
}


def run_checks(evidence: Evidence) -> tuple[Finding, ...]:
    """What every check found, by check in the order of CHECKS, then by scope and subject."""
    return tuple(
        finding
        for check in CHECKS.values()
        for finding in sorted(check(evidence), key=lambda found: (found.scope, found.subject))
    )
