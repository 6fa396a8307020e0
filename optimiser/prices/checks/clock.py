"""Is this machine's clock right?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from optimiser.prices.checks.evidence import Evidence, hold
from optimiser.prices.refreshed import Finding

TOLERANCE = timedelta(minutes=5)


def clock_not_behind(evidence: Evidence) -> Iterator[Finding]:
    """The fetch began no more than five minutes before the newest price in force was fetched, else all is held.

    Why: prices dated before those they replace would count as the older ones, and as stale.
    """
    newest = max((prices.observed_at for prices in evidence.last_good.values()), default=None)
    if newest is not None and evidence.now < newest - TOLERANCE:
        said = f"the clock says {evidence.now:%Y-%m-%d %H:%M} UTC, prices in force are of {newest:%Y-%m-%d %H:%M}"
        text = f"{said}: set the clock, or if it was wrong then, take that snapshot back: `optimiser prices discard`"
        for scope in evidence.candidate:
            yield hold("clock_not_behind", scope, "", text)
