"""What can go wrong with the price store.

OptimiserError
├── StoreError     1  cannot be reached or opened, is no price store, or does not take what was to be stored
│   └── StoreAbsent   there is none at that place yet
└── StoreBusy      4  another refresh of the store is running

Messages name the store by its label, which carries no password.
"""

from __future__ import annotations

from optimiser.errors import OptimiserError


class StoreError(OptimiserError):
    """The store cannot be used, or refuses what was to be stored. What stood there before still stands."""


class StoreAbsent(StoreError):
    """There is no store at that place yet."""


class StoreBusy(OptimiserError):
    """Another process is refreshing the store; the message says which, where and since when."""

    exit_code = 4
