"""Where prices come from: the bottom layer, which imports nothing of ours above it."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

PROVIDERS = {"aws": "providers.aws", "gcp": "providers.gcp", "azure": "providers.azure"}


def load(name: str) -> ModuleType:
    """The adapter of that name in PROVIDERS; its client library is imported when it is first asked.

    Every adapter has open_client(), a context manager of what its functions take as client, so that they share
    connections and sign-in, and fetch_offers(shapes, regions=None, client=None, *, tiers, now, done) ->
    FetchResult; where its cloud has the interface also, with the same first three arguments, fetch_shapes ->
    tuple[SeenShape, …], fetch_quotas -> tuple[Quota, …], fetch_spot_signals -> tuple[SpotSignal, …] and
    fetch_spot_history(…, days) -> tuple[SpotPrice, …]. Raises KeyError for an unknown name.
    """
    return import_module(PROVIDERS[name])
