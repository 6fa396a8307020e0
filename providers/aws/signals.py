"""What AWS has beside prices in force: shapes, quotas, interruptions, spot history, Capacity Blocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from providers.aws.client import AwsClient
from providers.aws.offers import enabled_regions
from providers.aws.parse_signals import (
    QUOTA_CODES,
    capacity_block_offer,
    quota,
    seen_shape,
    sold_as_capacity_block,
    spot_signals,
)
from providers.aws.parse_spot import history, lacks_zone_ids, read_rows
from providers.aws.payload import parsing
from providers.fetch import Quota, SeenShape, SpotPrice, SpotSignal
from providers.offer import Offer
from providers.regions import T, each_region
from providers.shape import InstanceShape

MOST_DAYS = 90
BLOCKS_AHEAD = timedelta(weeks=8)


def fetch_shapes(
    shapes: Sequence[InstanceShape], regions: Sequence[str] | None = None, client: AwsClient | None = None
) -> tuple[SeenShape, ...]:
    """What EC2 says of the AWS shapes, from the first region that has each. Raises ProviderError."""
    client = client or AwsClient()
    types = _types(shapes)
    found: dict[str, SeenShape] = {}

    def seen(region: str) -> list[SeenShape]:
        return [seen_shape(row) for row in client.instance_types(region, sorted(types))]

    for shape in _everywhere(client, regions, seen):
        found.setdefault(shape.instance_type, shape)
    return tuple(found[name] for name in sorted(found))


def fetch_quotas(
    shapes: Sequence[InstanceShape],
    regions: Sequence[str] | None = None,
    client: AwsClient | None = None,
    *,
    now: datetime | None = None,
) -> tuple[Quota, ...]:
    """The account's vCPU quotas of the families of the AWS shapes, on demand and spot, per region.

    AWS's default stands in where none is applied to the account. used stays unknown. Raises ProviderError.
    """
    now = now or datetime.now(UTC)
    client = client or AwsClient()
    families = sorted({shape.quota_family for shape in _types(shapes).values()} & set(QUOTA_CODES))

    def quotas(region: str) -> list[Quota]:
        return [
            quota(client.quota(region, code), region, family, tier, now)
            for family in families
            for tier, code in QUOTA_CODES[family].items()
        ]

    return tuple(_everywhere(client, regions, quotas))


def fetch_spot_signals(
    shapes: Sequence[InstanceShape],
    regions: Sequence[str] | None = None,
    client: AwsClient | None = None,
    *,
    now: datetime | None = None,
) -> tuple[SpotSignal, ...]:
    """How often spot instances were interrupted in a month, in bands. Needs no permission. Raises ProviderError."""
    document = (client or AwsClient()).spot_advisor()
    with parsing("spot advisor"):
        return tuple(spot_signals(document, _types(shapes), regions, now or datetime.now(UTC)))


def fetch_spot_history(
    shapes: Sequence[InstanceShape],
    regions: Sequence[str] | None = None,
    client: AwsClient | None = None,
    *,
    days: int = MOST_DAYS,
    now: datetime | None = None,
) -> tuple[SpotPrice, ...]:
    """The steps of the spot price per zone and type in the last days, of which AWS keeps 90.

    Raises ValueError for more days, ProviderError where a region fails: a gap would read as a steady price.
    """
    if not 1 <= days <= MOST_DAYS:
        raise ValueError(f"days = {days}: AWS keeps spot prices for {MOST_DAYS} days")
    now = now or datetime.now(UTC)
    client = client or AwsClient()
    types = _types(shapes)

    def steps(region: str) -> list[SpotPrice]:
        if not types:
            return []
        rows = list(client.spot_prices(region, sorted(types), now - timedelta(days=days), now))
        zone_ids = client.zone_ids(region) if lacks_zone_ids(rows) else {}
        return history(read_rows(rows, region, types, zone_ids, now, Counter()), region)

    return tuple(_everywhere(client, regions, steps))


def fetch_capacity_blocks(
    shapes: Sequence[InstanceShape],
    regions: Sequence[str] | None = None,
    client: AwsClient | None = None,
    *,
    now: datetime | None = None,
    instances: int = 1,
    hours: int = 24,
) -> tuple[Offer, ...]:
    """The cheapest Capacity Block of that size per type and region that starts within eight weeks.

    Market "capacity_block" of the on-demand tier. The price moves from day to day and holds for that block
    alone, so it is no list price and stands in no scope of fetch_offers. Raises ProviderError.
    """
    now = now or datetime.now(UTC)
    client = client or AwsClient()
    types = _types(shapes)

    def cheapest(region: str) -> list[Offer]:
        rows = list(client.instance_types(region, sorted(types)))
        sold = sorted(row["InstanceType"] for row in rows if sold_as_capacity_block(row))
        blocks = (
            client.capacity_blocks(region, name, instances, hours, now, now + BLOCKS_AHEAD) for name in sold
        )
        offers = [capacity_block_offer(found, region, now.date()) for found in blocks]
        return [offer for offer in offers if offer]

    return tuple(_everywhere(client, regions, cheapest))


def _types(shapes: Sequence[InstanceShape]) -> Mapping[str, InstanceShape]:
    return {shape.instance_type: shape for shape in shapes if shape.provider == "aws"}


def _everywhere(client: AwsClient, regions: Sequence[str] | None, work: Callable[[str], list[T]]) -> list[T]:
    """What work makes of each enabled region, in the order of regions; the first region's error is raised."""
    client.check_credentials()
    asked = enabled_regions(client)[0] if regions is None else regions

    def visit(region: str) -> list[T]:
        try:
            with parsing(f"answers of {region}"):
                return work(region)
        finally:
            client.leave(region)

    answers, failures = each_region(asked, visit)
    for error in failures.values():
        raise error
    return [answer for found in answers.values() for answer in found]
