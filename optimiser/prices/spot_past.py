"""What a store knows of spot pools beyond today's quotes, as a plain value that planning is handed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from providers.fetch import SpotSignal

Floats = npt.NDArray[np.float64]
Pool = tuple[str, str, str, str]


@dataclass(frozen=True)
class PastPrices:
    """What one pool cost, oldest first: USD per instance-hour, and the hours each price held; the last still does."""

    usd_per_hour: Floats
    hours: Floats


@dataclass(frozen=True, kw_only=True)
class SpotPast:
    """The past of spot pools by (provider, region, zone, instance type), and how often spot is interrupted by
    (provider, region, instance type); empty where no store is used.
    """

    prices: Mapping[Pool, PastPrices] = field(default_factory=dict)
    signals: Mapping[tuple[str, str, str], SpotSignal] = field(default_factory=dict)


NO_PAST = SpotPast()


def read_spot_past(
    url: str, instance_types: Collection[str], days: int, at: datetime | None = None
) -> SpotPast:
    """The last `days` before `at` (UTC, now by default) of those types' pools, and what was published of their
    interruptions by then (a store keeps the newest alone). Raises StoreError.

    A price holds from its step until the next one of its pool, which is what clouds publish: AWS EC2 API,
    DescribeSpotPriceHistory ("Timestamp: the date and time the request was created", a row per change).
    """
    from optimiser.prices.store import open_store, signals, spot_steps_in_force

    at = at or datetime.now(UTC)
    with open_store(url) as store:
        steps = spot_steps_in_force(store, instance_types, at - timedelta(days=days), at)
        published = signals(store)
    return SpotPast(
        prices={
            pool: PastPrices(np.array([usd for usd, _ in held]), np.array([hours for _, hours in held]))
            for pool, held in steps.items()
        },
        signals={
            (one.provider, one.region, one.instance_type): one for one in published if one.observed_at <= at
        },
    )
