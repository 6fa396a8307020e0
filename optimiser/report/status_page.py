"""The status of the price store for people, and as JSON for monitors."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from optimiser.errors import bad_value, did_you_mean
from optimiser.planning.plan import to_jsonable
from optimiser.report.document import Block, Column, Document, Row, Section, Table
from optimiser.report.store_status import ProviderStatus, ScopeAge, StoreStatus, TierAges, Trouble
from optimiser.report.terms import age
from optimiser.report.text_layout import text_of
from optimiser.report.wording import counted, provider_name, words
from providers.fetch import Scope

STATUS_FORMATS = ("table", "json")
MOST_REGIONS = 8
MOST_TROUBLES = 15
MOST_FINDINGS = 3
_STAYS = "What is in force stays, however old."


def render_status(format_name: str, status: StoreStatus, *, colour: bool = False) -> str:
    """The status in one of STATUS_FORMATS. Raises UsageError for another."""
    if format_name == "table":
        return text_of(status_document(status), colour=colour)
    if format_name == "json":
        return json.dumps(to_jsonable(status), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    raise bad_value("--format", "format", format_name, did_you_mean(format_name, STATUS_FORMATS))


def pruned_text(
    store: str, before: datetime, *, snapshots: int, prices: int, spot_steps: int, dry_run: bool
) -> str:
    """What went from the store, or would go, and what stays."""
    went = f"{counted(snapshots, 'snapshot')} begun before {minute(before)} UTC"
    if not snapshots and not spot_steps:
        return f"{store}: nothing to prune, no snapshot begun before {minute(before)} UTC can go.\n{_STAYS}\n"
    alone = (
        f"with {counted(prices, 'price')} that no other holds and {counted(spot_steps, 'spot price step')}"
    )
    return f"{store}: {'would prune' if dry_run else 'pruned'} {went}, {alone}.\n{_STAYS}\n"


def discarded_text(
    store: str, snapshot_id: int, served: Collection[Scope], without_prices: Collection[Scope]
) -> str:
    """What holds after a snapshot was taken back that served these scopes until then."""
    if not served:
        return (
            f"{store}: nothing of snapshot {snapshot_id} was in force: later snapshots serve, see "
            "`optimiser prices status`.\n"
        )
    text = f"{store}: nothing of snapshot {snapshot_id} is in force any more; "
    if len(without_prices) < len(served):
        again = counted(len(served) - len(without_prices), "scope")
        text += f"the prices before it serve again in {again}.\n"
    else:
        text += "no earlier prices are there.\n"
    if without_prices:
        names = ", ".join(sorted(map(str, without_prices)))
        text += f"No price is left in {counted(len(without_prices), 'scope')}: {names}.\n"
    return text


def status_document(status: StoreStatus) -> Document:
    """What is wrong in the headline, then refreshes, ages, and each thing that is wrong."""
    if not status.providers:
        return Document(f"The price store {status.store} holds no prices yet: run `optimiser refresh`", ())
    return Document(
        _headline(status),
        (
            Section("Last refresh", (_refreshes(status.providers),)),
            Section("Age of the prices in force", _ages(status.providers)),
            Section("Past a limit", _late(status.providers)),
            Section("Beside prices", _beside(status)),
            Section("Held back until acknowledged", _troubles(status, held=True)),
            Section("Could not be fetched", _troubles(status, held=False)),
        ),
    )


def _headline(status: StoreStatus) -> str:
    tiers = [tier for one in status.providers for tier in one.tiers]
    troubles = [trouble for one in status.providers for trouble in one.troubles]
    refused = sum(len(tier.past_refuse) for tier in tiers)
    parts = (
        (refused, "too old to plan on"),
        (sum(len(tier.past_warn) for tier in tiers), "older than they should be"),
        (sum(trouble.held for trouble in troubles), "held back"),
        (sum(not trouble.held for trouble in troubles), "not fetched"),
    )
    wrong = ", ".join(f"{amount:,} {what}" for amount, what in parts if amount)
    offers = counted(sum(one.offers for one in status.providers), "price")
    verdict = "in order" if status.in_order else "NOT IN ORDER"
    regions = f" (regions and tiers: {wrong})" if wrong else ""
    return f"{verdict}{regions}: {offers} in force in {status.store}"


def _refreshes(providers: Sequence[ProviderStatus]) -> Table:
    columns = (
        Column("provider"),
        Column("ended (UTC)"),
        Column("ago", right=True),
        Column("status"),
        Column("warnings", right=True),
        Column("price list"),
        Column("prices", right=True),
        Column("known missing", right=True),
    )
    return Table(columns, tuple(map(_refresh, providers)))


def _refresh(one: ProviderStatus) -> Row:
    last = one.last_refresh
    when = (minute(last.finished_at), age(last.hours_ago), last.status) if last else ("never", "", "")
    warnings = f"{len(last.warnings):,}" if last else ""
    held = (warnings, one.source_version or "—", f"{one.offers:,}", f"{one.missing:,}")
    return Row((provider_name(one.provider), *when, *held))


def _ages(providers: Sequence[ProviderStatus]) -> tuple[Block, ...]:
    columns = (
        Column("provider"),
        Column("tier"),
        Column("regions", right=True),
        Column("newest", right=True),
        Column("oldest", right=True),
        Column("oldest of"),
        Column("limits", right=True),
        Column(""),
    )
    rows = tuple(_age(one, tier) for one in providers for tier in one.tiers)
    return (Table(columns, rows),) if rows else ("No price is in force.",)


def _age(one: ProviderStatus, tier: TierAges) -> Row:
    limits = (tier.warn_after_hours, tier.refuse_after_hours)
    marks = [f"{len(tier.past_refuse):,} too old"] if tier.past_refuse else []
    marks += [f"{len(tier.past_warn):,} old"] if tier.past_warn else []
    return Row(
        (
            provider_name(one.provider),
            words(tier.tier),
            f"{tier.regions:,}",
            age(tier.newest.hours),
            age(tier.oldest.hours),
            minute(tier.oldest.observed_at),
            " / ".join("none" if limit is None else f"{limit:g} h" for limit in limits),
            ", ".join(marks) or "in time",
        )
    )


def _beside(status: StoreStatus) -> tuple[Block, ...]:
    columns = (
        Column("provider"),
        Column("kept"),
        Column("entries", right=True),
        Column("newest", right=True),
        Column("oldest", right=True),
    )
    rows = []
    for one in status.providers:
        for kept in one.beside:
            ages = [age((status.at - at) / timedelta(hours=1)) for at in (kept.newest_at, kept.oldest_at)]
            rows.append(Row((provider_name(one.provider), words(kept.what), f"{kept.count:,}", *ages)))
    return (Table(columns, tuple(rows)),) if rows else ()


def _late(providers: Sequence[ProviderStatus]) -> tuple[str, ...]:
    """The regions past each limit, the oldest first."""
    found = []
    for one in providers:
        for tier in one.tiers:
            name = f"{provider_name(one.provider)} {words(tier.tier)}"
            if tier.past_refuse:
                limit = f"{tier.refuse_after_hours:g} h, left out of every plan"
                found.append(f"{name}, past {limit}: {_regions(tier.past_refuse)}.")
            if tier.past_warn:
                found.append(f"{name}, past {tier.warn_after_hours:g} h: {_regions(tier.past_warn)}.")
    return tuple(found)


def _regions(late: Sequence[ScopeAge]) -> str:
    shown = ", ".join(f"{one.region} ({age(one.hours)})" for one in late[:MOST_REGIONS])
    return shown + (f" and {len(late) - MOST_REGIONS:,} more" if len(late) > MOST_REGIONS else "")


def _troubles(status: StoreStatus, *, held: bool) -> tuple[Block, ...]:
    """Scopes in one kind of trouble; those of one provider with the same dates and reasons share a row."""
    groups: dict[tuple[str, Trouble], list[str]] = {}
    for one in status.providers:
        for trouble in one.troubles:
            if trouble.held is held:
                groups.setdefault((one.provider, _alike(trouble)), []).append(trouble.region)
    columns = (
        Column("provider"),
        Column("tier"),
        Column("since (UTC)"),
        Column("in force meanwhile"),
        Column("regions"),
    )
    rows = [_row(provider, trouble, regions) for (provider, trouble), regions in groups.items()]
    if not rows:
        return ()
    more = f"… and {len(rows) - MOST_TROUBLES:,} more: --format json has them all."
    return (Table(columns, tuple(rows[:MOST_TROUBLES])), *([more] if len(rows) > MOST_TROUBLES else []))


def _alike(trouble: Trouble) -> Trouble:
    """What scopes in the same trouble have in common: all but the region, which a finding's id names."""
    return trouble if trouble.acknowledge else replace(trouble, region="")


def _row(provider: str, trouble: Trouble, regions: Sequence[str]) -> Row:
    shown = ", ".join(regions[:MOST_REGIONS])
    more = f" and {len(regions) - MOST_REGIONS:,} more" if len(regions) > MOST_REGIONS else ""
    standing = f"prices of {minute(trouble.in_force_of)}" if trouble.in_force_of else "no price"
    if trouble.acknowledge:
        pairs = list(zip(trouble.reasons, trouble.acknowledge, strict=True))
        told = [f"{reason} (accept: --acknowledge {name})" for reason, name in pairs[:MOST_FINDINGS]]
        rest = len(pairs) - MOST_FINDINGS
        detail = "; ".join([*told, *([f"{counted(rest, 'finding')} more"] if rest > 0 else [])])
    else:
        detail = "; ".join(trouble.reasons)
    cells = (provider_name(provider), words(trouble.tier), minute(trouble.since), standing, shown + more)
    return Row(cells, detail)


def minute(moment: datetime) -> str:
    """A UTC moment to the minute: 2026-11-20 02:10."""
    return f"{moment:%Y-%m-%d %H:%M}"
