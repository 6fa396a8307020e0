"""What a measurement table is most likely wrong in: names that nothing is known of, and units."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from pathlib import Path

from optimiser.accuracy.sets import How, LeftOut
from optimiser.accuracy.summary import Judged, by_reason, by_set
from optimiser.errors import UsageError

# So many times off at the median, no estimate is that wrong.
FACTOR_OF_UNITS = 20.0
_MOST_NAMED = 3
_TTFT = (How.CLOSED_TTFT, How.ENGINE_TTFT, How.OPEN_TTFT, How.OPEN_ENGINE_TTFT)
_TPOT = (How.CLOSED_TPOT, How.OPEN_TPOT)
_RATES = (
    "throughput_tok_s_total_output is output tokens per second over all GPUs, samples_s requests per second"
)


def nothing_judged(path: Path, left_out: Sequence[LeftOut]) -> UsageError:
    """Why no row of the table can be judged: the commonest reasons, with the first names of each."""
    told = []
    for reason, details in list(by_reason(left_out).items())[:_MOST_NAMED]:
        names = [name for name in details if name]
        more = ", …" if len(names) > _MOST_NAMED else ""
        named = f" ({', '.join(names[:_MOST_NAMED])}{more})" if names else ""
        told.append(f"{details.total():,} × {reason}{named}")
    return UsageError(f"{path}: no row can be judged: {'; '.join(told)}")


def doubts_of_units(judged: Sequence[Judged]) -> list[str]:
    """A line per set whose median prediction is over FACTOR_OF_UNITS × what was measured, or below 1/FACTOR_OF_UNITS of
    it, with the unit that the column is taken to be in. An overloaded replica's infinite TTFT tells nothing of units.
    """
    lines = []
    for goal, some in by_set(judged).items():
        ratios = [item.predicted / item.case.measured for item in some if math.isfinite(item.predicted)]
        middle = statistics.median(ratios) if ratios else 1.0
        if middle > 0 and max(middle, 1 / middle) > FACTOR_OF_UNITS:
            said = f"estimates are {middle:,.0f} × what was measured"
            if middle < 1:
                said = f"what was measured is {1 / middle:,.0f} × the estimates"
            unit = _unit_of(some[0].case.how)
            lines.append(f"{goal.name}: {said} (median of {len(ratios)}): its unit may be wrong: {unit}")
    return lines


def _unit_of(how: How) -> str:
    if how in _TTFT:
        return "ttft_ms is in milliseconds"
    return "tpot_ms is in milliseconds" if how in _TPOT else _RATES
