"""The price store: dated snapshots, written once, in SQLite or PostgreSQL.

Opening         open_store · Store · exclusive (one refresh at a time)
Writing         save · save_spot_history · save_signals · save_quotas · prune · discard
In force        in_force · in_force_table · scopes_in_force · table_and_scopes · counts_in_force
Looking back    snapshots · snapshots_that_count · prices_of · history · spot_history · spot_steps_in_force · signals
                quotas

Every function may raise StoreError. SQLAlchemy and the drivers are known in here alone.
"""

from __future__ import annotations

from optimiser.prices.store.connection import Store
from optimiser.prices.store.errors import StoreAbsent, StoreBusy, StoreError
from optimiser.prices.store.exclusive import exclusive
from optimiser.prices.store.history import history
from optimiser.prices.store.in_force import (
    counts_in_force,
    in_force,
    in_force_table,
    prices_of,
    scopes_in_force,
    table_and_scopes,
)
from optimiser.prices.store.observations import (
    quotas,
    save_quotas,
    save_signals,
    save_spot_history,
    signals,
    spot_history,
    spot_steps_in_force,
)
from optimiser.prices.store.opening import open_store
from optimiser.prices.store.pruning import Pruned, discard, prune
from optimiser.prices.store.saving import save
from optimiser.prices.store.summaries import snapshots, snapshots_that_count

__all__ = [
    "Pruned",
    "Store",
    "StoreAbsent",
    "StoreBusy",
    "StoreError",
    "counts_in_force",
    "discard",
    "exclusive",
    "history",
    "in_force",
    "in_force_table",
    "open_store",
    "prices_of",
    "prune",
    "quotas",
    "save",
    "save_quotas",
    "save_signals",
    "save_spot_history",
    "scopes_in_force",
    "signals",
    "snapshots",
    "snapshots_that_count",
    "spot_history",
    "spot_steps_in_force",
    "table_and_scopes",
]
