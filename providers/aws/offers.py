"""fetch_offers: every region by itself, its price list and its spot market."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from providers.aws.client import AwsClient
from providers.aws.listed import LISTED, Savings, fetch_listed, one_per_key
from providers.aws.parse_spot import current_offers, lacks_zone_ids, read_rows
from providers.aws.payload import parsing
from providers.aws.places import regions_among, sells_spot_to_commercial_accounts
from providers.errors import ProviderError
from providers.fetch import Failure, FetchResult, Scope, merged
from providers.offer import Offer, Tier
from providers.regions import each_region
from providers.shape import InstanceShape

NOT_OPTED_IN = "not-opted-in"


@dataclass(frozen=True, kw_only=True)
class Regions:
    """Which regions are asked for list prices and which for spot; lost are scopes that cannot be asked."""

    listed: tuple[str, ...]
    spot: tuple[str, ...]
    lost: tuple[Failure, ...]
    counts: Mapping[str, int]


def fetch_offers(
    shapes: Sequence[InstanceShape],
    regions: Sequence[str] | None = None,
    client: AwsClient | None = None,
    *,
    tiers: Collection[Tier] = tuple(Tier),
    now: datetime | None = None,
    done: Callable[[Scope], None] = lambda _: None,
) -> FetchResult:
    """The prices of the AWS shapes in the given regions, by default in all that AWS prices in USD.

    regions None leaves out China, Local Zones and Wavelength, each of which can be asked by name; spot is not
    asked in GovCloud, China and regions that the account has not enabled (counts says how many). The reserved
    tier is Reserved Instances and Savings Plans together: one without the other is a failure of that region.
    done is called for each scope as it ends, from any thread. Raises CredentialsError where there are no
    credentials and the ProviderError by which no list of regions can be had.
    """
    now = now or datetime.now(UTC)
    client = client or AwsClient()
    types = {shape.instance_type: shape for shape in shapes if shape.provider == "aws"}
    before = client.requests
    client.check_credentials()
    plan = _regions(client, regions, tiers)
    savings = Savings(client)

    def work(region: str) -> list[FetchResult]:
        parts = []
        if region in plan.listed:
            named = regions is not None
            parts.append(fetch_listed(client, savings, region, types, tiers, now.date(), named=named))
        if region in plan.spot:
            parts.append(_fetch_spot(client, region, types, now))
            client.leave(region)
        for part in parts:
            for scope in [*part.covered, *(failure.scope for failure in part.failures)]:
                done(scope)
        return parts

    answers, broken = each_region(sorted({*plan.listed, *plan.spot}), work)
    assert not broken, broken  # noqa: S101 (a ProviderError is turned into failures inside work)
    for failure in plan.lost:
        done(failure.scope)
    counts = {**plan.counts, "requests": client.requests - before}
    apart = FetchResult(failures=plan.lost, counts={name: count for name, count in counts.items() if count})
    return merged([apart, *(part for parts in answers.values() for part in parts)])


def enabled_regions(client: AwsClient) -> tuple[tuple[str, ...], int]:
    """(the regions whose EC2 the account can ask, how many it has not enabled)."""
    statuses = client.opt_in_statuses()
    regions = [region for region in regions_among(statuses) if sells_spot_to_commercial_accounts(region)]
    enabled = tuple(region for region in regions if statuses[region] != NOT_OPTED_IN)
    return enabled, len(regions) - len(enabled)


def _regions(client: AwsClient, asked: Sequence[str] | None, tiers: Collection[Tier]) -> Regions:
    """Raises ProviderError where no region can be listed at all; a list that only some tiers need fails them."""
    listed_tiers = [tier for tier in LISTED if tier in tiers]
    listed: tuple[str, ...] = tuple(dict.fromkeys(asked or ())) if listed_tiers else ()
    lost: list[Failure] = []
    unlisted: ProviderError | None = None
    if listed_tiers and asked is None:
        try:
            listed = regions_among(client.region_codes())
        except ProviderError as error:
            unlisted = error
    spot: tuple[str, ...] = ()
    counts: Counter[str] = Counter()
    named = listed if asked is None else asked
    wanted = _spot_candidates(named, tiers)
    if Tier.SPOT in tiers and (wanted or asked is None):
        try:
            spot, closed = enabled_regions(client)
        except ProviderError as error:
            if unlisted or not listed:
                raise (unlisted or error) from None
            lost += _failures(wanted, [Tier.SPOT], error)
        else:
            counts["regions not enabled, without spot"] = closed
            spot = spot if asked is None else tuple(region for region in wanted if region in spot)
        counts["regions without spot (GovCloud, China, zones)"] = len(set(named)) - len(wanted)
    if unlisted:
        if not spot:
            raise unlisted
        lost += _failures(spot, listed_tiers, unlisted)
    return Regions(listed=listed, spot=spot, lost=tuple(lost), counts=counts)


def _spot_candidates(regions: Sequence[str], tiers: Collection[Tier]) -> tuple[str, ...]:
    wanted = regions if Tier.SPOT in tiers else ()
    return tuple(dict.fromkeys(region for region in wanted if sells_spot_to_commercial_accounts(region)))


def _failures(regions: Sequence[str], tiers: Sequence[Tier], error: ProviderError) -> list[Failure]:
    return [Failure(scope=Scope("aws", region, tier), error=error) for region in regions for tier in tiers]


def _fetch_spot(client: AwsClient, region: str, types: Mapping[str, object], now: datetime) -> FetchResult:
    scope = Scope("aws", region, Tier.SPOT)
    counts: Counter[str] = Counter()
    try:
        with parsing(f"spot prices of {region}"):
            rows = list(client.spot_prices(region, sorted(types), now)) if types else []
            zone_ids = client.zone_ids(region) if lacks_zone_ids(rows) else {}
            found = current_offers(read_rows(rows, region, types, zone_ids, now, counts), region, now)
        offers = tuple(price for price in one_per_key(list(found), scope) if isinstance(price, Offer))
    except ProviderError as error:
        return FetchResult(failures=(Failure(scope=scope, error=error),), counts=counts)
    return FetchResult(offers=offers, covered=frozenset({scope}), counts=counts)
