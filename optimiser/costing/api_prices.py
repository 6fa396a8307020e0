"""What hosts of token APIs charge for a model, from genai-prices (MIT), which holds its prices and asks no network.

Prices are those of the library's version, which is their date. Rows without a price, free tiers and ids that the
library marks deprecated are left out. Hosts reached through Hugging Face stand once, and not beside their own entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING

from optimiser.config.api_models import ApiModel
from optimiser.errors import UsageError
from optimiser.workload import SizeBucket

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, Provider

INSTALL = "pip install 'cloud-pricing-optimiser[api]'"
VIA_HUGGING_FACE = "huggingface_"
# Routes to hosts and charges what they do (openrouter.ai/docs/faq): beside them it would count one of them twice.
RESELLERS = ("openrouter",)
# Prices that change over the day are taken in the middle of it, UTC.
NOON = time(12, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class HostPrice:
    """What a host charges, USD: per 1M tokens of a prompt, of its cached part (None where that has no price of its own
    and counts as the rest) and of the answer, for a mean request; and for a request of the workload's mix. resells: it
    passes requests on to other hosts."""

    host: str
    model_id: str
    input_usd_per_million: Decimal
    cached_usd_per_million: Decimal | None
    output_usd_per_million: Decimal
    usd_per_request: Decimal
    resells: bool = False


def library_version() -> str:
    """The price library with its version, "genai-prices 0.2.3". Raises UsageError where it is not installed."""
    try:
        import genai_prices
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "genai_prices":
            raise
        raise UsageError(f"compare-api needs genai-prices: {INSTALL}") from None
    return f"genai-prices {genai_prices.__version__}"


def host_prices(model: ApiModel, buckets: Sequence[SizeBucket], on: date) -> tuple[HostPrice, ...]:
    """One price for each host, its cheapest for the mix, cheapest host first; empty where none has the model.

    Raises UsageError where genai-prices is not installed.
    """
    library_version()
    from genai_prices.data import providers

    direct: dict[str, HostPrice] = {}
    routed: dict[str, HostPrice] = {}
    for provider in providers:
        via = provider.id.startswith(VIA_HUGGING_FACE)
        host = provider.id.removeprefix(VIA_HUGGING_FACE).removesuffix("-ai")
        priced = [
            _priced(provider, one, host, buckets, on) for one in provider.models if _offered(model, one)
        ]
        known = [one for one in priced if one is not None]
        if known:
            (routed if via else direct)[host] = min(
                known, key=lambda one: (one.usd_per_request, one.model_id)
            )
    return tuple(sorted((routed | direct).values(), key=lambda one: (one.usd_per_request, one.host)))


def hosts_found(model: ApiModel) -> tuple[str, ...]:
    """Hosts, as the library names them, that have the model under an id it knows."""
    from genai_prices.data import providers

    return tuple(sorted(one.id for one in providers if any(_offered(model, each) for each in one.models)))


def _offered(model: ApiModel, listed: ModelInfo) -> bool:
    return not listed.deprecated and model.is_meant(listed.id)


def _priced(
    provider: Provider, listed: ModelInfo, host: str, buckets: Sequence[SizeBucket], on: date
) -> HostPrice | None:
    """What the host charges on that day; None where a prompt or an answer is free or has no price."""
    prices = listed.get_prices(datetime.combine(on, NOON))
    prompt = sum(one.share * one.prompt_tokens for one in buckets)
    each = {
        part: _rate(getattr(prices, part), prompt)
        for part in ("input_mtok", "cache_read_mtok", "output_mtok")
    }
    if not each["input_mtok"] or not each["output_mtok"]:
        return None
    return HostPrice(
        host=host,
        model_id=listed.id,
        input_usd_per_million=each["input_mtok"],
        cached_usd_per_million=each["cache_read_mtok"],
        output_usd_per_million=each["output_mtok"],
        usd_per_request=sum(
            (Decimal(str(one.share)) * _request_usd(provider, listed, one, on) for one in buckets), Decimal(0)
        ),
        resells=provider.id in RESELLERS,
    )


def _rate(price: object, prompt_tokens: float) -> Decimal | None:
    """A price per 1M tokens for requests with so long a prompt: the library's tiers count by its length."""
    from genai_prices.types import TieredPrices

    if isinstance(price, TieredPrices):
        steps: list[Decimal] = [
            price.base,
            *(tier.price for tier in price.tiers if prompt_tokens > tier.start),
        ]
        return steps[-1]
    return price if isinstance(price, Decimal) else None


def _request_usd(provider: Provider, listed: ModelInfo, size: SizeBucket, on: date) -> Decimal:
    from genai_prices import Usage

    usage = Usage(
        input_tokens=size.prompt_tokens,
        cache_read_tokens=size.cached_prefix_tokens,
        output_tokens=size.output_tokens,
    )
    at = datetime.combine(on, NOON)
    usd: Decimal = listed.calc_price(usage, provider, genai_request_timestamp=at).total_price
    return usd
