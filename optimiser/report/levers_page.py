"""Levers for a reader who is to act: what saves and by which setting, then curves, what is in place, what is out."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from optimiser.costing.levers.lever import Asks
from optimiser.costing.levers.study import Study
from optimiser.planning.price_ages import oldest_of
from optimiser.report import fleet
from optimiser.report.document import Block, Column, Document, Row, Section, Table
from optimiser.report.headline import place
from optimiser.report.levers_list import (
    ASKED,
    BASELINE,
    COMBINATION,
    IN_PLACE,
    LEVER,
    NOT_HERE,
    LeverRow,
    of_kind,
)
from optimiser.report.price_age import at_old_prices, rests_on
from optimiser.report.wording import number, percent, usd

_FIGURES = (
    Column("$ a month", right=True),
    Column("saved", right=True),
    Column("", right=True),
    Column("TTFT", right=True),
    Column("TPOT", right=True),
    Column("kWh", right=True),
    Column("saved", right=True),
)
_CURVES = {"tpot": ("TPOT target", Decimal(10)), "ttft": ("TTFT target", Decimal(100))}
# Tables of their own, so that what saves is not lost among points of curves.
_APART = (*_CURVES, "target", "gpu")
_LEGEND = (
    "Each row is the workload planned again. TTFT and TPOT: ms at the target's percentile, at the load that each hour "
    "brings, the mean over requests. kWh a month as the plan has it, and the share of the baseline's that is saved."
)


def levers_document(rows: Sequence[LeverRow], found: Study) -> Document:
    """What saves comes first, by what it saves; then combinations, curves, GPUs, what is in place and what is out."""
    levers = of_kind(rows, LEVER)
    apart = [row for row in levers if row.group not in _APART]
    planned = sorted((row for row in apart if row.monthly_usd is not None), key=_by_saving)
    saving = [row for row in planned if _saves(row)]
    rest = [row for row in planned if not _saves(row)]
    sections = (
        Section("Levers that save", _table("lever", [*of_kind(rows, BASELINE), *saving])),
        *_together(rows, found),
        Section("What latency costs", _curves(levers)),
        Section("Each GPU alone", _table("GPUs", _planned(levers, "gpu"), bare=True)),
        Section("In place already", _in_place(of_kind(rows, IN_PLACE))),
        Section("Within the gap, or dearer", _table("lever", rest, bare=True)),
        Section("Not here", _not_here(rows)),
        Section("How to read this", (_LEGEND, _basis(rows))),
    )
    return Document(_headline(rows, found, saving), sections)


def _basis(rows: Sequence[LeverRow]) -> str:
    """What all of the plans rest on."""
    errors = [row.estimate_relative_error for row in rows if row.estimate_relative_error is not None]
    return rests_on(max(errors), oldest_of(price for row in rows for price in row.oldest_prices))


def _by_saving(row: LeverRow) -> Decimal:
    return -(row.saved_usd or Decimal(0))


def _saves(row: LeverRow) -> bool:
    return not row.within_gap and (row.saved_usd or 0) > 0


def _planned(levers: Sequence[LeverRow], group: str) -> list[LeverRow]:
    return sorted(
        (row for row in levers if row.group == group and row.monthly_usd is not None), key=_by_saving
    )


def _headline(rows: Sequence[LeverRow], found: Study, saving: Sequence[LeverRow]) -> str:
    """`chat: $611,437 a month on AWS us-east-2; weights in fp8 alone: $299,614 (49 %) less; …`

    What changes answers or waiting times is no headline unless the user named it.
    """
    old = at_old_prices(rows[0].oldest_prices)
    said = f"{rows[0].workload}: {usd(rows[0].monthly_usd or Decimal(0))} a month on {place(found.baseline)}{old}"
    unasked = {
        one.lever.name for one in found.pulled if one.lever.asks is Asks.ANSWERS and not one.lever.named
    }
    alone = [row for row in saving if row.name not in unasked]
    together = [row for row in of_kind(rows, COMBINATION) if not unasked & set(row.levers)]
    best = [f"{row.title} alone: {_saved(row)} less{_beside(row, rows[0])}" for row in alone[:1]]
    best += [f"{row.title}, together: {_saved(row)} less{_beside(row, rows[0])}" for row in together]
    none = (
        "no lever saves" if not saving else "no lever saves that leaves answers and waiting times as they are"
    )
    return "; ".join([said, *(best or [none])])


def _beside(row: LeverRow, baseline: LeverRow) -> str:
    """What a lever's cash up front costs more than the baseline's, which no saving has in it, and that its plan is at
    old prices, where the baseline's are not."""
    more = (row.capital_monthly_usd or Decimal(0)) - (baseline.capital_monthly_usd or Decimal(0))
    beside = f" before {usd(more)} a month more for capital in cash up front" if more > 0 else ""
    return beside + ("" if at_old_prices(baseline.oldest_prices) else at_old_prices(row.oldest_prices))


def _saved(row: LeverRow) -> str:
    return f"{usd(row.saved_usd or Decimal(0))} ({percent(row.saved_share or 0.0)})"


def _table(name: str, rows: Sequence[LeverRow], *, bare: bool = False) -> tuple[Block, ...]:
    """Rows with their figures; bare leaves out what the setting costs in quality."""
    if not rows:
        return ()
    made = tuple(Row((row.title, *_figures(row)), _detail(row, bare)) for row in rows)
    return (Table((Column(name), *_FIGURES), made),)


def _figures(row: LeverRow) -> tuple[str, ...]:
    return (
        "no plan" if row.monthly_usd is None else usd(row.monthly_usd),
        *_saving(row),
        "—" if row.ttft_ms is None else f"{row.ttft_ms:,.0f}",
        "—" if row.tpot_ms is None else number(row.tpot_ms),
        "—" if row.kwh_monthly is None else f"{row.kwh_monthly:,.0f}",
        _energy(row),
    )


def _energy(row: LeverRow) -> str:
    """The share of the baseline's energy that is saved."""
    if row.kwh_monthly is None or row.saved_kwh is None or row.kind == BASELINE:
        return ""
    return _signed(row.saved_kwh / (row.kwh_monthly + row.saved_kwh))


def _signed(share: float) -> str:
    return percent(share).replace("-", "−")


def _saving(row: LeverRow) -> tuple[str, str]:
    if row.saved_usd is None or row.saved_share is None:
        return "", ""
    if row.within_gap:
        return "within", "the gap"
    return usd(row.saved_usd), _signed(row.saved_share)


def _detail(row: LeverRow, bare: bool) -> str:
    said = _joined(row.setting, row.note)
    return said if bare or not row.quality else f"{said}. Quality: {'; '.join(row.quality)}"


def _joined(*said: str) -> str:
    return "; ".join(text for text in said if text)


def _together(rows: Sequence[LeverRow], found: Study) -> tuple[Section, ...]:
    """Each combination: its figures, its settings, and of the last one the fleet it takes."""
    combined = of_kind(rows, COMBINATION)
    if not combined:
        return ()
    made = tuple(
        Row((row.title, *_figures(row)), _joined(f"{row.name}: {row.setting}, on {row.where}", row.note))
        for row in combined
    )
    said = (
        "Levers are added one at a time, in the order of what each saves alone, and kept where the plan gets cheaper: "
        "each row is one plan with all of its levers. Only where --only names them: several sites, scarce machines by "
        "the hour, and more than the first step of a curve."
    )
    fleets = (
        Section(f"Fleet with {ASKED[one.asks]}", fleet.blocks(one.plan)[:1]) for one in found.combinations
    )
    return (Section("Levers together", (Table((Column("with"), *_FIGURES), made), said)), *fleets)


def _curves(levers: Sequence[LeverRow]) -> tuple[Block, ...]:
    """Cost against the target: a step's change, and what each 10 ms of TPOT or 100 ms of TTFT are worth in it."""
    made = []
    for group, (title, step) in _CURVES.items():
        for row in (one for one in levers if one.group == group):
            moved = Decimal(row.name.removeprefix(group))
            limit = f"{float(row.setting.partition('=')[2] or 'nan'):,g}"
            each = "" if row.saved_usd is None or row.within_gap else usd(row.saved_usd * step / moved)
            made.append(
                Row(
                    (
                        f"{title} {limit} ms ({moved:+,})".replace("-", "−"),
                        *_figures(row)[:3],
                        f"{each} each {step} ms" if each else "",
                    ),
                    row.why,
                )
            )
    made += [
        Row((row.title, *_figures(row)[:3], ""), f"{row.setting}. {row.note}")
        for row in levers
        if row.group == "target" and row.monthly_usd is not None
    ]
    columns = (Column("target"), *_FIGURES[:3], Column("worth", right=True))
    said = "A looser target lets more requests share each batch: that is what it saves."
    return (Table(columns, tuple(made)), said) if made else ()


def _in_place(rows: Sequence[LeverRow]) -> tuple[Block, ...]:
    columns = (
        Column("lever"),
        Column("without it", right=True),
        Column("saves", right=True),
        Column("what is"),
    )
    made = []
    for row in rows:
        dearer = "" if row.monthly_usd is None else usd(row.monthly_usd)
        saved = "within the gap" if row.within_gap else " ".join(_saving(row))
        made.append(Row((row.title, dearer, saved, row.why)))
    return (Table(columns, tuple(made)),) if made else ()


def _not_here(rows: Sequence[LeverRow]) -> tuple[Block, ...]:
    """What does not apply, and what has no plan."""
    out: dict[str, list[str]] = {}
    for row in rows:
        if row.kind == NOT_HERE or (
            row.kind == LEVER and row.monthly_usd is None and row.group not in _APART
        ):
            out.setdefault(row.why, []).append(row.title)
    said = [f"{', '.join(titles)}: {why}." for why, titles in out.items()]
    if alone := [
        row.name.removeprefix("gpu-") for row in rows if row.group == "gpu" and row.monthly_usd is None
    ]:
        said.append(f"No plan on these GPUs alone (--format json says why): {', '.join(alone)}.")
    return tuple(said)
