"""Which request sizes go where, in a plan that routes by size."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from optimiser.planning.plan import Plan
from optimiser.planning.plan_parts import PlanBucket
from optimiser.report.document import Block, Column, Row, Table
from optimiser.report.wording import number, percent, usd

_SHOWN = 0.005


def blocks(plan: Plan) -> tuple[Block, ...]:
    """A row for sizes that go the same way: what each option carries of them over the horizon's requests, and between
    which shares by the hour."""
    by_size = [one for one in plan.routing if one.bucket is not None]
    if not by_size:
        return ()
    options = {option.id: option for option in plan.options}
    requests = {
        (row.scenario, row.period): row.mean_rps
        * plan.periods[row.period].hours
        * plan.scenarios[row.scenario].probability
        for row in plan.demand
    }
    total = sum(requests[p] for p in {(one.scenario, one.period) for one in by_size}) or 1.0
    share: dict[tuple[int, str], dict[tuple[int, int], float]] = defaultdict(dict)
    for one in by_size:
        share[one.bucket or 0, one.option][one.scenario, one.period] = one.share
    names = list(dict.fromkeys(one.option for one in by_size))
    hours = len({(one.scenario, one.period) for one in by_size})
    cells = [
        tuple(
            _cell(
                share[b, name], sum(requests[p] * part for p, part in share[b, name].items()) / total, hours
            )
            for name in names
        )
        for b in range(len(plan.services[0].buckets))
    ]
    rows = [
        _row([plan.services[0].buckets[b] for b in alike], cells[alike[0]]) for alike in _alike(plan, cells)
    ]
    columns = [Column(name, right=True) for name in ("prompt", "output", "of requests")]
    columns += [Column(options[name].instance_type, right=True) for name in names]
    return (Table(tuple(columns), tuple(rows)), *_saving(plan))


def _alike(plan: Plan, cells: list[tuple[str, ...]]) -> list[list[int]]:
    """Sizes of one prompt length, in order, that go the same way."""
    sizes, groups = plan.services[0].buckets, [[0]]
    for b in range(1, len(sizes)):
        last = groups[-1][-1]
        if cells[b] == cells[last] and sizes[b].prompt_tokens == sizes[last].prompt_tokens:
            groups[-1].append(b)
        else:
            groups.append([b])
    return groups


def _row(sizes: list[PlanBucket], cells: tuple[str, ...]) -> Row:
    lengths = [number(sizes[0].output_tokens)]
    lengths += [number(sizes[-1].output_tokens)] if len(sizes) > 1 else []
    share = percent(sum(size.share for size in sizes))
    return Row((number(sizes[0].prompt_tokens), "–".join(lengths), share, *cells))


def _cell(by_period: dict[tuple[int, int], float], mean: float, hours: int) -> str:
    """`40 %` all the time, `40 % (0–100)` where it changes by the hour, nothing where it is next to nothing."""
    if not by_period or max(by_period.values()) < _SHOWN:
        return ""
    low = min(by_period.values()) if len(by_period) == hours else 0.0
    high = max(by_period.values())
    if high - low < _SHOWN:
        return percent(mean)
    return f"{percent(mean)} ({low * 100:.0f}–{high * 100:.0f})"


def _saving(plan: Plan) -> tuple[str, ...]:
    """What it saves against spreading every size alike."""
    blended = next((one for one in plan.baselines if one.name == "blended_sizes"), None)
    end = "`--format json` has the shares of every hour, `--format gateway` a table for a gateway."
    if blended is None or blended.extra_monthly_usd is None:
        return (f"Spread alike (routing: uniform) no plan was found. {end}",)
    extra = blended.extra_monthly_usd
    if extra >= Decimal(0):
        return (f"Against every size spread alike (routing: uniform) this saves {usd(extra)} a month. {end}",)
    return (
        f"Every size spread alike (routing: uniform) costs {usd(-extra)} a month LESS: each option routed to keeps "
        f"its own spare, and its rates by size are no higher than alone. {end}",
    )
