"""Regions side by side: a bounded pool in which one region's failure is that region's alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from providers.errors import ProviderError

WORKERS = 8

T = TypeVar("T")


def each_region(
    regions: Iterable[str], work: Callable[[str], T], workers: int = WORKERS
) -> tuple[dict[str, T], dict[str, ProviderError]]:
    """(what `work` made of each region, why it failed in the others), both in the order of regions.

    Only a ProviderError is a region's own failure; any other exception is a defect and is raised.
    """
    answers: dict[str, T] = {}
    failures: dict[str, ProviderError] = {}
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="region") as pool:
        running = {region: pool.submit(work, region) for region in dict.fromkeys(regions)}
        for region, future in running.items():
            try:
                answers[region] = future.result()
            except ProviderError as error:
                failures[region] = error
    return answers, failures
