"""What changed between two snapshots, or between what was in force on two days."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from optimiser.planning.plan import to_jsonable
from optimiser.prices.compare import Comparison, Kind, PriceChange
from optimiser.report.document import Block, Column, Document, Row, Section, Table
from optimiser.report.records import render_records
from optimiser.report.terms import OfferRow, moved, offer_fields
from optimiser.report.wording import counted, hourly, provider_name, usd, words
from providers.fetch import Scope

MOST_ROWS = 30
MOST_PLACES = 12
_PERCENT_STEP = Decimal("0.0001")
_TITLES = {
    Kind.CHANGED: "Changed",
    Kind.MISSING: "No longer sold",
    Kind.GONE: "Gone without a reason",
    Kind.NEW: "New",
}
_MANY = {
    Kind.CHANGED: "changed",
    Kind.MISSING: "no longer sold",
    Kind.GONE: "gone without a reason",
    Kind.NEW: "new",
}


@dataclass(frozen=True, kw_only=True)
class DiffRow(OfferRow):
    """One change, flat. change is one of Kind; old amounts are None for what is new, new ones for what went.

    amortised amounts are all in, per hour; change_percent is of these, to four decimals.
    """

    change: str
    old_usd_per_hour: Decimal | None
    new_usd_per_hour: Decimal | None
    old_upfront_usd: Decimal | None
    new_upfront_usd: Decimal | None
    old_amortised_usd_per_hour: Decimal | None
    new_amortised_usd_per_hour: Decimal | None
    change_percent: Decimal | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class PriceDiff:
    """Two sides by name, counts of what became of their offers, scopes on one side alone, and every change."""

    a: str
    b: str
    counts: dict[str, int]
    unchanged: int
    scopes_compared: int
    only_in_a: tuple[str, ...]
    only_in_b: tuple[str, ...]
    changes: tuple[DiffRow, ...]


def render_diff(format_name: str, a: str, b: str, found: Comparison, *, colour: bool = False) -> str:
    """The comparison of the sides named a and b as table, json (one object) or csv (the changes alone).

    Raises UsageError for another format.
    """
    rows = tuple(map(_row, found.changes))
    if format_name == "json":
        diff = PriceDiff(
            a=a,
            b=b,
            counts={kind.value: len(found.of(kind)) for kind in Kind},
            unchanged=found.unchanged,
            scopes_compared=len(found.compared),
            only_in_a=tuple(map(str, found.only_before)),
            only_in_b=tuple(map(str, found.only_after)),
            changes=rows,
        )
        return json.dumps(to_jsonable(diff), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return render_records(format_name, rows, lambda: diff_document(a, b, found), colour=colour)


def diff_document(a: str, b: str, found: Comparison) -> Document:
    """Counts first, then the changes by kind, the largest first, and what could not be compared."""
    changed = [section for kind in Kind if (section := _section(kind, found.of(kind)))]
    apart = [
        f"Only in {side}: {_places(scopes)}."
        for side, scopes in ((a, found.only_before), (b, found.only_after))
        if scopes
    ]
    return Document(
        f"{_headline(found)}: {a} against {b}",
        (*changed, *((Section("Not compared", tuple(apart)),) if apart else ())),
    )


def _headline(found: Comparison) -> str:
    if not found.compared:
        return "Nothing to compare, no provider, region and tier is on both sides"
    same = f"{counted(found.unchanged, 'price')} the same in {_scopes(len(found.compared))}"
    if not found.changes:
        return f"No change, {same}"
    counts = [f"{len(found.of(kind)):,} {_MANY[kind]}" for kind in Kind if found.of(kind)]
    return f"{', '.join(counts)}, {same}"


def _scopes(amount: int) -> str:
    return f"{amount:,} region and tier" if amount == 1 else f"{amount:,} regions and tiers"


def _places(scopes: Sequence[Scope]) -> str:
    """Scopes as regions by provider and tier, capped: "AWS on demand us-east-1, us-west-2 and 3 more"."""
    groups: dict[tuple[str, str], list[str]] = {}
    for scope in scopes:
        groups.setdefault((scope.provider, scope.tier.value), []).append(scope.region)
    texts = []
    for (provider, tier), regions in groups.items():
        more = f" and {len(regions) - MOST_PLACES:,} more" if len(regions) > MOST_PLACES else ""
        texts.append(f"{provider_name(provider)} {words(tier)} {', '.join(regions[:MOST_PLACES])}{more}")
    return "; ".join(texts)


def _section(kind: Kind, changes: Sequence[PriceChange]) -> Section | None:
    if not changes:
        return None
    columns = [Column("instance type"), Column("where"), Column("paid")]
    columns += [Column("was $/h all in", right=True)] if kind is not Kind.NEW else []
    columns += [Column("is $/h all in", right=True)] if kind in (Kind.CHANGED, Kind.NEW) else []
    columns += [Column("change", right=True)] if kind is Kind.CHANGED else []
    columns += [Column("reason")] if kind is Kind.MISSING else []
    blocks: list[Block] = [Table(tuple(columns), tuple(map(_line, changes[:MOST_ROWS])))]
    if len(changes) > MOST_ROWS:
        kinds = Counter(change.offer.tier.value for change in changes[MOST_ROWS:])
        by_tier = ", ".join(f"{amount:,} {words(tier)}" for tier, amount in sorted(kinds.items()))
        blocks.append(f"… and {by_tier} more: --format csv has them all.")
    return Section(_TITLES[kind], tuple(blocks))


def _line(change: PriceChange) -> Row:
    row = _row(change)
    sides = [side for side in (change.before, change.after) if side is not None]
    cells = [row.instance_type, row.where, row.paid]
    cells += [hourly(side.amortised_usd_per_hour) for side in sides]
    detail = ""
    if change.before is not None and change.after is not None:
        cells.append(moved(change.relative or Decimal(0)))
        if change.before.upfront_usd != change.after.upfront_usd:
            detail = f"up front {usd(change.before.upfront_usd)}, now {usd(change.after.upfront_usd)}"
    elif change.kind is Kind.MISSING:
        cells.append(change.reason)
    elif change.reason:
        detail = f"was missing: {change.reason}"
    return Row(tuple(cells), detail)


def _row(change: PriceChange) -> DiffRow:
    before, after, relative = change.before, change.after, change.relative
    return DiffRow(
        **offer_fields(change.offer),
        change=change.kind.value,
        old_usd_per_hour=before.usd_per_hour if before else None,
        new_usd_per_hour=after.usd_per_hour if after else None,
        old_upfront_usd=before.upfront_usd if before else None,
        new_upfront_usd=after.upfront_usd if after else None,
        old_amortised_usd_per_hour=before.amortised_usd_per_hour if before else None,
        new_amortised_usd_per_hour=after.amortised_usd_per_hour if after else None,
        change_percent=None if relative is None else _percent(relative),
        reason=change.reason,
    )


def _percent(relative: Decimal) -> Decimal:
    return (relative * 100).quantize(_PERCENT_STEP, ROUND_HALF_EVEN)
