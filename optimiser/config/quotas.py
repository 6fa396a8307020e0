"""quotas.yaml: what each cloud has granted, per family and region, on demand and spot apart."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from optimiser.config.entries import parse_entry
from optimiser.errors import bad_value, did_you_mean
from optimiser.files import day_from
from optimiser.planning.problem import GrantedQuota, QuotaKey
from providers.offer import Tier
from providers.shape import InstanceShape

if TYPE_CHECKING:
    from providers.fetch import Quota

QUOTAS_FILE = "quotas.yaml"


class _Tier(StrEnum):
    ON_DEMAND = "on_demand"
    SPOT = "spot"


@dataclass(frozen=True, kw_only=True)
class QuotaEntry:
    """One line of quotas.yaml: amount in the unit that the family's machines count in."""

    provider: str
    region: str
    family: str
    tier: _Tier
    amount: float
    granted_on: str = ""


def quotas_of(
    content: object, path: Path, shapes: Mapping[tuple[str, str], InstanceShape]
) -> dict[QuotaKey, GrantedQuota]:
    """The quotas of one file. Raises UsageError for an entry that is malformed, given twice, or of a family in which
    no machine counts."""
    if not isinstance(content, list | None):
        right = "a list of {provider, region, family, tier, amount}"
        raise bad_value(str(path), "the file", content, right)
    found: dict[QuotaKey, GrantedQuota] = {}
    for number, written in enumerate(content or (), start=1):
        where = f"{path}: entry {number}"
        entry = parse_entry(QuotaEntry, written, where)
        key = QuotaKey(entry.provider, entry.region, entry.family, entry.tier is _Tier.SPOT)
        _check_family(key, where, shapes)
        if key in found:
            raise bad_value(where, "family", entry.family, "given twice for this region and tier")
        try:
            day = day_from(entry.granted_on) if entry.granted_on else None
        except ValueError as error:
            raise bad_value(where, "granted_on", entry.granted_on, str(error)) from None
        found[key] = GrantedQuota(key=key, amount=entry.amount, source=str(path), granted_on=day)
    return found


def _check_family(key: QuotaKey, where: str, shapes: Mapping[tuple[str, str], InstanceShape]) -> None:
    providers = {provider for provider, _ in shapes}
    if key.provider not in providers:
        raise bad_value(where, "provider", key.provider, did_you_mean(key.provider, providers))
    families = {
        shape.spot_quota_family if key.spot else shape.quota_family
        for (provider, _), shape in shapes.items()
        if provider == key.provider
    }
    if key.family not in families:
        raise bad_value(where, "family", key.family, did_you_mean(key.family, families))


def granted_quotas(
    written: Mapping[QuotaKey, GrantedQuota], fetched: Iterable[Quota]
) -> tuple[GrantedQuota, ...]:
    """The quotas known to be granted: those of quotas.yaml, and where that says nothing, those the store fetched."""
    found = [
        GrantedQuota(
            key=QuotaKey(quota.provider, quota.region, quota.quota_family, quota.tier is Tier.SPOT),
            amount=quota.limit,
            source="fetched by `optimiser refresh --quotas`",
            granted_on=quota.observed_at.date(),
        )
        for quota in fetched
        # A cloud that sets no limit may say so by a negative number.
        if math.isfinite(quota.limit) and quota.limit >= 0
    ]
    known = {quota.key: quota for quota in found} | dict(written)
    return tuple(known[key] for key in sorted(known))
