"""Self-hosting against token APIs for the same model: what each costs at the workload's own mix, and from which volume
on a fleet of one's own is cheaper.

A token API costs the same for every request; a fleet comes in whole machines, with spare ones and a floor, so that what
it costs at another volume is planned anew and not scaled. The volume of break-even is a bracket: planned dearer at its
low end, planned cheaper at its high end.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from optimiser.config.api_models import ApiModel, load_api_models
from optimiser.costing.api_prices import HostPrice, host_prices, hosts_found, library_version
from optimiser.errors import NoFeasiblePlan, OptimiserError
from optimiser.planning.plan import HOURS_PER_MONTH, SECONDS_PER_MONTH, Plan
from optimiser.planning.price_ages import OldestPrice, oldest_in_use
from optimiser.recommend import Prepared, Request, at_demand, prepared, recommend
from optimiser.workload.volume import cached_share, mean_rps, times, tokens_per_request

DAYS_PER_MONTH = HOURS_PER_MONTH / 24
CENT = Decimal("0.01")
PER_MILLION = Decimal("0.0001")
# Volumes are looked at from this much less to this much more than the workload's own, in steps of STEP, and the bracket
# is narrowed until its ends are this near to each other.
FARTHEST, STEP, NEAR = 512.0, 8.0, 1.1
# Below so few requests in all the hours there is nothing to plan.
FEWEST_REQUESTS = 10.0
LEAVES_OUT = (
    "staff who run the fleet",
    "rate limits and queueing at a host",
    "where a host keeps data",
    "the precision a host serves at, which it may not say",
    "discounts for volume or batches at a host",
)


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A distribution over hosts, USD a month."""

    least: Decimal
    lower_quartile: Decimal
    median: Decimal
    upper_quartile: Decimal
    most: Decimal


@dataclass(frozen=True, kw_only=True)
class PlannedVolume:
    """A volume that was planned on the way, what the fleet costs there, the largest median error of its throughput, and
    its oldest prices; null and none where there is no plan for so much.
    """

    requests_per_day: float
    self_hosted_monthly_usd: Decimal | None
    self_hosted_usd_per_million: Decimal | None
    estimate_relative_error: float | None
    oldest_prices: tuple[OldestPrice, ...]


@dataclass(frozen=True, kw_only=True)
class BreakEven:
    """From which volume on self-hosting is cheaper than an API at usd_per_million_tokens (of the mix).

    It is dearer at dearer_at and cheaper at cheaper_at, requests a day (tokens a day beside them): null where no volume
    looked at was. why_no_further: what ended the search where one of them is null.
    """

    against: str
    usd_per_million_tokens: Decimal
    dearer_at_requests_per_day: float | None
    cheaper_at_requests_per_day: float | None
    dearer_at_tokens_per_day: float | None
    cheaper_at_tokens_per_day: float | None
    why_no_further: str = ""


@dataclass(frozen=True, kw_only=True)
class ApiComparison:
    """The workload on its own fleet and at every host, USD a month of 730 h and per 1M tokens, input and output alike.

    api_monthly_usd and break_even are of the hosts that serve the model themselves, not of those that resell it.

    prices_of names the price library with its version, which is the prices' date: those that it has for planned_on.
    estimate_relative_error, the largest median error of throughput, and oldest_prices are the widest and the oldest of
    the fleets of all volumes, each of which has its own.
    """

    workload: str
    model: str
    prices_of: str
    planned_on: date
    requests_per_day: float
    tokens_per_request: float
    cached_share: float
    self_hosted_monthly_usd: Decimal
    self_hosted_usd_per_million: Decimal
    sites: tuple[tuple[str, str], ...]
    hosts: tuple[HostPrice, ...]
    api_monthly_usd: Spread
    break_even: tuple[BreakEven, ...]
    volumes: tuple[PlannedVolume, ...]
    estimate_relative_error: float
    oldest_prices: tuple[OldestPrice, ...]
    leaves_out: tuple[str, ...]
    notes: tuple[str, ...]


def compare_api(request: Request) -> ApiComparison:
    """The comparison. Raises NoFeasiblePlan where no host has the model or there is no plan, UsageError without
    genai-prices."""
    workload, version = request.workload, library_version()
    model, notes = _model_at_hosts(request)
    hosts = host_prices(model, workload.buckets, request.as_of)
    if not hosts:
        raise NoFeasiblePlan(f"{workload.name}: no host of {version} has a price for {model.name}")
    asked = replace(request, alone=True)
    known = prepared(asked)
    plan = recommend(asked, known)
    requests = mean_rps(workload) * SECONDS_PER_MONTH
    counted = counted_hosts(hosts)
    spread = spread_of([_monthly(one.usd_per_request, requests) for one in counted])
    tokens = tokens_per_request(workload.buckets)
    volumes = Volumes(asked, plan, known)
    crossings = tuple(
        break_even(volumes, against, usd, requests, tokens)
        for against, usd in (
            ("the median host", spread.median),
            (f"the cheapest, {counted[0].host}", spread.least),
        )
    )
    return ApiComparison(
        workload=workload.name,
        model=model.name,
        prices_of=version,
        planned_on=request.as_of,
        requests_per_day=requests / DAYS_PER_MONTH,
        tokens_per_request=tokens,
        cached_share=cached_share(workload.buckets),
        self_hosted_monthly_usd=plan.totals.total_monthly_usd,
        self_hosted_usd_per_million=plan.totals.usd_per_million_tokens,
        sites=tuple(sorted({(one.provider, one.region) for one in plan.options})),
        hosts=hosts,
        api_monthly_usd=spread,
        break_even=crossings,
        volumes=tuple(
            _planned(factor, volumes.plans.get(factor), requests, tokens) for factor in sorted(volumes.known)
        ),
        estimate_relative_error=max(one.estimate_relative_error for one in volumes.plans.values()),
        oldest_prices=oldest_in_use(volumes.plans.values()),
        leaves_out=LEAVES_OUT,
        notes=(*notes, *volumes.left_out(requests)),
    )


def counted_hosts(hosts: Sequence[HostPrice]) -> tuple[HostPrice, ...]:
    """Those that serve the model themselves; all where none does."""
    return tuple(one for one in hosts if not one.resells) or tuple(hosts)


def spread_of(monthly: list[Decimal]) -> Spread:
    """Least, quartiles (interpolated between the hosts next to them) and most."""
    if len(monthly) == 1:
        return Spread(
            **dict.fromkeys(("least", "lower_quartile", "median", "upper_quartile", "most"), monthly[0])
        )
    low, middle, high = statistics.quantiles(monthly, n=4, method="inclusive")
    return Spread(
        least=min(monthly),
        lower_quartile=low.quantize(CENT),
        median=middle.quantize(CENT),
        upper_quartile=high.quantize(CENT),
        most=max(monthly),
    )


class Volumes:
    """What a fleet costs at a multiple of the workload's volume, USD a month; each is planned once and kept."""

    def __init__(self, request: Request, own: Plan, known: Prepared) -> None:
        self.request, self.prepared = request, known
        self.known: dict[float, Decimal | str] = {1.0: own.totals.total_monthly_usd}
        self.plans = {1.0: own}

    def __call__(self, factor: float) -> Decimal | str:
        """The cost, or why there is no plan for so much."""
        if factor not in self.known:
            try:
                scaled = replace(self.request, workload=times(self.request.workload, factor))
                plan = recommend(scaled, at_demand(self.prepared, scaled))
                self.plans[factor], self.known[factor] = plan, plan.totals.total_monthly_usd
            except OptimiserError as why:
                # A volume that nobody asked for must not take the answer at all others with it.
                self.known[factor] = str(why)
        return self.known[factor]

    def left_out(self, requests: float) -> tuple[str, ...]:
        """The volumes without a plan, as multiples of `requests` a month, and why; a sentence each."""
        unplanned = ((factor, why) for factor, why in sorted(self.known.items()) if isinstance(why, str))
        return tuple(
            f"{factor * requests / DAYS_PER_MONTH:,.0f} requests a day have no plan and were left out: {why}"
            for factor, why in unplanned
        )


def break_even(
    cost_at: Callable[[float], Decimal | str],
    against: str,
    api_monthly_usd: Decimal,
    requests: float,
    tokens_per_request: float,
) -> BreakEven:
    """The bracket around the volume where the fleet becomes cheaper than api_monthly_usd × the multiple of the volume.

    cost_at says what a fleet costs at a multiple of `requests` a month, or why there is none. The search goes out from
    the volume itself: what a fleet costs is not smooth, so another crossing may lie beyond.
    """

    def cheaper(factor: float) -> bool | str:
        usd = cost_at(factor)
        return usd if isinstance(usd, str) else usd <= api_monthly_usd * Decimal(str(factor))

    dearer_at, cheaper_at, why = _bracket(cheaper, max(1 / FARTHEST, FEWEST_REQUESTS / requests))

    def a_day(factor: float | None, each: float = 1.0) -> float | None:
        return None if factor is None else factor * requests / DAYS_PER_MONTH * each

    usd = api_monthly_usd / Decimal(str(requests * tokens_per_request)) * 1_000_000
    return BreakEven(
        against=against,
        usd_per_million_tokens=usd.quantize(PER_MILLION),
        dearer_at_requests_per_day=a_day(dearer_at),
        cheaper_at_requests_per_day=a_day(cheaper_at),
        dearer_at_tokens_per_day=a_day(dearer_at, tokens_per_request),
        cheaper_at_tokens_per_day=a_day(cheaper_at, tokens_per_request),
        why_no_further=why,
    )


def _bracket(cheaper: Callable[[float], bool | str], least: float) -> tuple[float | None, float | None, str]:
    """Multiples of the volume where it is dearer and where it is cheaper, and why one of them is None."""
    dearer_at, cheaper_at = (None, 1.0) if cheaper(1.0) is True else (1.0, None)
    while dearer_at is None or cheaper_at is None:
        factor = (dearer_at or 0.0) * STEP if cheaper_at is None else cheaper_at / STEP
        if not least <= factor <= FARTHEST:
            return dearer_at, cheaper_at, "" if factor > 1 else "fewer requests are not worth a plan"
        found = cheaper(factor)
        if isinstance(found, str):
            return dearer_at, cheaper_at, found
        dearer_at, cheaper_at = (dearer_at, factor) if found else (factor, cheaper_at)
    while cheaper_at / dearer_at > NEAR:
        factor = math.sqrt(dearer_at * cheaper_at)
        found = cheaper(factor)
        if isinstance(found, str):
            return dearer_at, cheaper_at, found
        dearer_at, cheaper_at = (dearer_at, factor) if found else (factor, cheaper_at)
    return dearer_at, cheaper_at, ""


def _planned(factor: float, plan: Plan | None, requests: float, tokens_per_request: float) -> PlannedVolume:
    usd = None if plan is None else plan.totals.total_monthly_usd
    millions = Decimal(str(factor * requests * tokens_per_request / 1e6))
    return PlannedVolume(
        requests_per_day=factor * requests / DAYS_PER_MONTH,
        self_hosted_monthly_usd=usd,
        self_hosted_usd_per_million=None if usd is None else (usd / millions).quantize(PER_MILLION),
        estimate_relative_error=None if plan is None else plan.estimate_relative_error,
        oldest_prices=() if plan is None else oldest_in_use([plan]),
    )


def _monthly(usd_per_request: Decimal, requests: float) -> Decimal:
    return (usd_per_request * Decimal(str(requests))).quantize(CENT)


def _model_at_hosts(request: Request) -> tuple[ApiModel, tuple[str, ...]]:
    """The workload's model as hosts know it, and notes where they changed since that was reviewed."""
    reviewed, models = load_api_models(request.config.directories)
    name, version = request.config.find_model(request.workload.model).name, library_version()
    if name not in models:
        raise NoFeasiblePlan(
            f"{request.workload.name}: no token API is known for {name}: add its ids to api_models.yaml if one has it"
        )
    model = models[name]
    gone = sorted(set(model.hosts) - set(hosts_found(model)))
    if reviewed is None or reviewed.library == version or not gone:
        return model, ()
    return model, (
        f"{version} has no id of {name} that is known at {', '.join(gone)}, where {reviewed.library} had one: the host "
        "left, or its id changed (api_models.yaml)",
    )
