"""Self-hosting beside token APIs: the hosts, their spread, and the volume of break-even."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from optimiser.costing.api_break_even import (
    CENT,
    DAYS_PER_MONTH,
    FARTHEST,
    PER_MILLION,
    ApiComparison,
    BreakEven,
    counted_hosts,
)
from optimiser.planning.price_ages import OldestPrice
from optimiser.report.document import Block, Column, Document, Row, Section, Table
from optimiser.report.price_age import at_old_prices, rests_on
from optimiser.report.records import render_records
from optimiser.report.wording import number, percent, provider_name, usd, usd_or_dash

SELF_HOSTED = "self-hosted"


@dataclass(frozen=True, kw_only=True)
class HostRow:
    """One way to serve the workload, USD: its own fleet (model_id and prices per token are empty) or a host (what the
    comparison says of its fleets' prices and throughput is)."""

    workload: str
    model: str
    host: str
    model_id: str
    monthly_usd: Decimal
    usd_per_million_tokens: Decimal
    input_usd_per_million: Decimal | None
    cached_usd_per_million: Decimal | None
    output_usd_per_million: Decimal | None
    prices_of: str
    resells: bool = False
    estimate_relative_error: float | None = None
    oldest_prices: tuple[OldestPrice, ...] = ()


def render_comparison(format_name: str, found: ApiComparison, *, colour: bool) -> str:
    """The comparison as a table, as one JSON object, or as CSV with a row for each way to serve it."""
    rows = host_rows(found)
    return render_records(format_name, rows, lambda: comparison_document(found), whole=found, colour=colour)


def host_rows(found: ApiComparison) -> tuple[HostRow, ...]:
    """The fleet first, then hosts, cheapest first."""
    requests = Decimal(str(found.requests_per_day * DAYS_PER_MONTH))
    tokens = Decimal(str(found.tokens_per_request))
    fleet = HostRow(
        workload=found.workload,
        model=found.model,
        host=SELF_HOSTED,
        model_id="",
        monthly_usd=found.self_hosted_monthly_usd,
        usd_per_million_tokens=found.self_hosted_usd_per_million,
        input_usd_per_million=None,
        cached_usd_per_million=None,
        output_usd_per_million=None,
        prices_of="",
        estimate_relative_error=found.estimate_relative_error,
        oldest_prices=found.oldest_prices,
    )
    hosts = (
        HostRow(
            workload=found.workload,
            model=found.model,
            host=one.host,
            model_id=one.model_id,
            monthly_usd=(one.usd_per_request * requests).quantize(CENT),
            usd_per_million_tokens=(one.usd_per_request / tokens * 1_000_000).quantize(PER_MILLION),
            input_usd_per_million=one.input_usd_per_million,
            cached_usd_per_million=one.cached_usd_per_million,
            output_usd_per_million=one.output_usd_per_million,
            prices_of=found.prices_of,
            resells=one.resells,
        )
        for one in found.hosts
    )
    return (fleet, *hosts)


def comparison_document(found: ApiComparison) -> Document:
    """The spread, every host, the break-even, and what is left out."""
    sections = (
        Section("At the workload's own volume and mix", _at_own_volume(found)),
        Section("Hosts", (_hosts(found),)),
        Section("Break-even", (*(_break_even(found, one) for one in found.break_even), _volumes(found))),
        Section("Not compared", (f"{'; '.join(found.leaves_out)}.",)),
        Section("Notes", found.notes),
    )
    return Document(_headline(found), sections)


def _headline(found: ApiComparison) -> str:
    own, median = found.self_hosted_monthly_usd, found.api_monthly_usd.median
    old = at_old_prices(found.oldest_prices)
    times, hosts = number(float(own / median)), len(counted_hosts(found.hosts))
    return (
        f"{found.workload}: self-hosting {found.model} costs {usd(own)} a month{old}, {times} times the median of "
        f"{hosts} token APIs ({usd(median)})"
    )


def _at_own_volume(found: ApiComparison) -> tuple[Block, ...]:
    spread, requests = found.api_monthly_usd, found.requests_per_day
    cached = f", {percent(found.cached_share)} of prompts cached" if found.cached_share else ""
    money = (Column(head, right=True) for head in ("$ a month", "$ per 1M tokens"))
    tokens = Decimal(str(requests * DAYS_PER_MONTH * found.tokens_per_request / 1e6))
    rows = [
        Row(
            (
                f"self-hosted, {_where(found)}",
                usd(found.self_hosted_monthly_usd),
                _each(found.self_hosted_usd_per_million),
            )
        )
    ]
    for name, value in vars(spread).items():
        rows.append(
            Row(
                (
                    f"token APIs, {name.replace('_', ' ')}",
                    usd(value),
                    _each((value / tokens).quantize(PER_MILLION)),
                )
            )
        )
    said = (
        f"{number(requests)} requests a day of {number(found.tokens_per_request)} tokens{cached}. Token prices are "
        f"those that {found.prices_of} has for {found.planned_on}."
    )
    basis = rests_on(found.estimate_relative_error, found.oldest_prices) + (
        " These are the widest error and the oldest prices of all volumes planned; --format json has each volume's own."
    )
    return (Table((Column(""), *money), tuple(rows)), said, basis)


def _where(found: ApiComparison) -> str:
    return ", ".join(f"{provider_name(provider)} {region}" for provider, region in found.sites)


def _volumes(found: ApiComparison) -> Table:
    heads = ("requests a day", "$ a month", "$ per 1M")
    rows = (
        Row(
            (
                number(one.requests_per_day),
                usd_or_dash(one.self_hosted_monthly_usd),
                _each(one.self_hosted_usd_per_million),
            )
        )
        for one in found.volumes
    )
    return Table(tuple(Column(head, right=True) for head in heads), tuple(rows))


def _hosts(found: ApiComparison) -> Table:
    heads = ("$ a month", "$ per 1M", "input", "cached", "output")
    columns = (Column("host"), *(Column(head, right=True) for head in heads), Column("model there"))
    return Table(
        columns,
        tuple(
            Row(
                (
                    f"{row.host} (resells)" if row.resells else row.host,
                    usd(row.monthly_usd),
                    _each(row.usd_per_million_tokens),
                    *(_each(part) for part in (row.input_usd_per_million, row.cached_usd_per_million)),
                    _each(row.output_usd_per_million),
                    row.model_id,
                )
            )
            for row in host_rows(found)[1:]
        ),
    )


def _each(value: Decimal | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _break_even(found: ApiComparison, one: BreakEven) -> str:
    dearer, cheaper = one.dearer_at_requests_per_day, one.cheaper_at_requests_per_day
    against = f"Against {one.against} ({_each(one.usd_per_million_tokens)} $ per 1M tokens)"
    ended = f": {one.why_no_further}" if one.why_no_further else ""
    if dearer is None and cheaper is not None:
        return f"{against} self-hosting is cheaper from {_volume(cheaper, found)} on; less was not planned{ended}."
    if cheaper is None and dearer is not None:
        beyond = ended or f", {FARTHEST:,.0f} times the workload's own at most"
        return f"{against} self-hosting is dearer at every volume planned, up to {_volume(dearer, found)}{beyond}."
    return (
        f"{against} self-hosting becomes cheaper between {_volume(dearer or 0, found)} and "
        f"{_volume(cheaper or 0, found)}. Both ends were planned; a fleet comes in whole machines, so that it may "
        "cross again elsewhere."
    )


def _volume(requests: float, found: ApiComparison) -> str:
    tokens = requests * found.tokens_per_request / 1e6
    return f"{number(requests)} requests a day ({number(tokens)}M tokens)"
