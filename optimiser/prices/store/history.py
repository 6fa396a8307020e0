"""What prices were: every price the snapshots hold of an instance type, and the steps of its spot prices."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from optimiser.prices.store.amounts import nano_text, to_micros
from optimiser.prices.store.connection import Store, reading
from optimiser.prices.store.covered import COVERED
from optimiser.prices.store.tables import COVERAGE, KEYS, SCOPES, SPOT_STEPS
from providers.offer import REGION, STANDARD, Tier

if TYPE_CHECKING:
    import pandas as pd

SPOT_HISTORY = "spot price history"


def history(
    store: Store,
    *,
    since: datetime,
    until: datetime,
    instance_type: str,
    provider: str | None = None,
    region: str | None = None,
    tier: Tier | None = None,
    zone: str | None = None,
) -> pd.DataFrame:
    """The prices of an instance type seen from since to until (both included), a row per offer and moment.

    Columns and order are those of in_force_table, each offer's rows from old to new; a Missing has a row as well.
    Steps of spot prices that the cloud told afterwards stand among them with the source "spot price history" and
    snapshot_id 0, observed_at being the moment from which the price held. Raises StoreError.
    """
    import pandas as pd

    from optimiser.prices.store.price_table import in_order, price_table

    between = (to_micros(since), to_micros(until))
    covered = COVERED.where(COVERAGE.c.observed_at.between(*between))
    steps = select(SPOT_STEPS).where(
        SPOT_STEPS.c.since.between(*between), SPOT_STEPS.c.instance_type == instance_type
    )
    of_keys = KEYS.c.instance_type == instance_type
    for name, value in (("provider", provider), ("region", region)):
        if value is not None:
            covered = covered.where(SCOPES.c[name] == value)
            steps = steps.where(SPOT_STEPS.c[name] == value)
    if tier is not None:
        covered = covered.where(SCOPES.c.tier == Tier(tier).value)
    if zone is not None:
        of_keys = of_keys & (KEYS.c.zone == zone)
        steps = steps.where(SPOT_STEPS.c.zone == zone)
    with reading(store) as connection:
        seen = price_table(connection, covered, of_keys)
        told = connection.execute(steps).all() if tier in (None, Tier.SPOT) else []
        if not told:
            return seen
        prices = pd.DataFrame([step._asdict() for step in told])
        return in_order(pd.concat([seen, _as_prices(prices).astype(seen.dtypes)], ignore_index=True))


def _as_prices(steps: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    from optimiser.prices.store.price_table import COLUMNS

    if (steps["usd_per_hour_nano"] <= 0).any():
        raise ValueError("a spot price of 0")
    texts = steps["usd_per_hour_nano"].map(nano_text)
    fields: dict[str, Any] = {
        "region_kind": REGION,
        "tier": Tier.SPOT.value,
        "market": STANDARD,
        "term_months": 0,
        "usd_per_hour_text": texts,
        "usd_per_hour": texts.map(float),
        "upfront_usd_text": "0",
        "upfront_usd": 0.0,
        "max_instances": float("nan"),
        "valid_until": pd.NaT,
        "observed_at": pd.to_datetime(steps["since"], unit="us", utc=True),
        "snapshot_id": 0,
        "source": SPOT_HISTORY,
    }
    blank = dict.fromkeys(("kind", "payment", "contract", "missing_reason"), "")
    return steps.assign(**fields, **blank)[list(COLUMNS)]
