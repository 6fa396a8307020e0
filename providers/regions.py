"""Regions side by side: a bounded pool in which one region's failure is that region's alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from providers.errors import ProviderError

WORKERS = 8
# An interrupt that comes just before a wait begins is only seen when the wait is over.
WAKE_SECONDS = 0.5

T = TypeVar("T")


def each_region(
    regions: Iterable[str], work: Callable[[str], T], workers: int = WORKERS
) -> tuple[dict[str, T], dict[str, ProviderError]]:
    """(what `work` made of each region, why it failed in the others), both in the order of regions.

    Only a ProviderError is a region's own failure. Any other exception is a defect: it is raised as soon as it
    happens, and so is Ctrl-C. Regions not begun are then left out; those at work end by themselves, later.
    """

    def outcome(region: str) -> T | ProviderError:
        try:
            return work(region)
        except ProviderError as error:
            return error

    pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="region")
    try:
        running = {region: pool.submit(outcome, region) for region in dict.fromkeys(regions)}
        waiting: Collection[Future[T | ProviderError]] = running.values()
        while waiting:
            ready, waiting = wait(waiting, WAKE_SECONDS, FIRST_COMPLETED)
            for future in ready:
                future.result()
    except BaseException:
        # A with-block would wait here for every region, which Ctrl-C is meant to spare.
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
    answers: dict[str, T] = {}
    failures: dict[str, ProviderError] = {}
    for region, future in running.items():
        found = future.result()
        if isinstance(found, ProviderError):
            failures[region] = found
        else:
            answers[region] = found
    return answers, failures
