"""Google Cloud: prices of whole GPU machines, composed from the Cloud Billing Catalog's SKUs.

One listing of the catalogue holds every region and every tier, so they come together or not at all: a listing
that breaks off raises. Credentials are Application Default Credentials; the catalogue is public and needs the
Cloud Billing API enabled in the project, but no billing role.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import closing
from datetime import UTC, datetime

from providers.errors import NoSuchRegion, ProviderError
from providers.fetch import Failure, FetchResult, Scope
from providers.gcp.client import GcpClient
from providers.gcp.compose import PROVIDER, Prices, price_scope
from providers.gcp.machines import MACHINES
from providers.gcp.parse import Rates, read_catalogue
from providers.offer import Missing, Offer, Tier
from providers.shape import InstanceShape

_NOT_A_REGION = "global"


def open_client() -> closing[GcpClient]:
    """A client for several questions, until the context ends; it is connected when the first is asked."""
    return closing(GcpClient())


def fetch_offers(
    shapes: Sequence[InstanceShape],
    regions: Sequence[str] | None = None,
    client: GcpClient | None = None,
    *,
    tiers: Collection[Tier] = tuple(Tier),
    now: datetime | None = None,
    done: Callable[[Scope], None] = lambda _: None,
) -> FetchResult:
    """List prices of Google's shapes among `shapes`: on demand, spot, 1- and 3-year commitments, flex-start.

    regions None: every region where the GPU of one of the shapes is sold. A scope fails by itself where a rate
    it needs is contradictory, or no SKU knows the region. Raises CredentialsError, Unavailable,
    UnexpectedPayload or SdkNotInstalled where the catalogue cannot be read to its end.
    """
    now = now or datetime.now(UTC)
    client = client or GcpClient()
    wanted = list({shape.instance_type: shape for shape in shapes if shape.provider == PROVIDER}.values())
    rates = read_catalogue(client.skus(), now)
    rates.counts.update({"requests": client.requests, "pages": client.pages})
    ours = _gpus(wanted)
    sold = {region for item, region in rates.sold if item in ours} - {_NOT_A_REGION}
    asked = sorted(sold) if regions is None else list(dict.fromkeys(regions))
    scopes = [Scope(PROVIDER, region, tier) for region in asked for tier in Tier if tier in tiers]
    offers: list[Offer] = []
    missing: list[Missing] = []
    failures: list[Failure] = []
    for scope in scopes:
        try:
            prices = _priced(wanted, rates, scope, now)
        except ProviderError as error:
            failures.append(Failure(scope=scope, error=error))
        else:
            offers += prices.offers
            missing += prices.missing
        done(scope)
    return FetchResult(
        offers=tuple(offers),
        missing=tuple(missing),
        covered=frozenset(scopes) - {failure.scope for failure in failures},
        failures=tuple(failures),
        counts=dict(rates.counts),
        unknown_gpu_types=tuple(sorted(rates.unknown_gpus | (_gpus_sold(rates) - ours))),
    )


def _gpus(shapes: Iterable[InstanceShape]) -> set[str]:
    return {f"{MACHINES[shape.instance_type].gpu} GPU" for shape in shapes if shape.instance_type in MACHINES}


def _gpus_sold(rates: Rates) -> set[str]:
    return {item for item, _ in rates.sold if item.endswith(" GPU")}


def _priced(shapes: list[InstanceShape], rates: Rates, scope: Scope, now: datetime) -> Prices:
    if scope.region not in rates.regions:
        raise NoSuchRegion(f"Cloud Billing Catalog: no SKU knows the region {scope.region!r}")
    return price_scope(shapes, rates, scope, now.date())
