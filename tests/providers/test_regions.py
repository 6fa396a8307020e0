"""Regions side by side: bounded, each failing by itself, and none begun in vain."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator

import pytest

from providers.errors import ProviderError, Unavailable
from providers.regions import each_region

NAMES = [f"r{number:02}" for number in range(12)]
WORKERS = 3
AT_LONGEST_S = 5.0


@pytest.fixture
def held() -> Iterator[threading.Event]:
    """What slow work waits for; at the end it is let go, and all of it ends."""
    event = threading.Event()
    yield event
    event.set()
    _settle()


def _settle() -> None:
    """Wait until no worker is left."""
    until = time.monotonic() + AT_LONGEST_S
    while any(thread.name.startswith("region") for thread in threading.enumerate()):
        assert time.monotonic() < until, "workers are left"
        time.sleep(0.002)


def test_answers_and_failures_stand_in_the_order_of_regions_whichever_is_ready_first() -> None:
    last = threading.Event()

    def work(region: str) -> str:
        if region == NAMES[-1]:
            last.set()
        elif region == NAMES[0]:
            assert last.wait(AT_LONGEST_S)
        if region in NAMES[4:6]:
            raise Unavailable(region)
        return region.upper()

    answers, failures = each_region([*NAMES, NAMES[2]], work, WORKERS)
    assert list(answers.items()) == [(name, name.upper()) for name in NAMES if name not in NAMES[4:6]]
    assert [(region, str(error)) for region, error in failures.items()] == [(n, n) for n in NAMES[4:6]]


def test_as_many_regions_as_there_are_workers_run_at_once_and_never_more() -> None:
    lock, together = threading.Lock(), threading.Barrier(WORKERS)
    running: set[str] = set()
    most = 0

    def work(region: str) -> None:
        nonlocal most
        with lock:
            running.add(region)
            most = max(most, len(running))
        together.wait(AT_LONGEST_S)
        time.sleep(0.002)
        with lock:
            running.remove(region)

    assert len(each_region(NAMES, work, WORKERS)[0]) == len(NAMES)
    assert most == WORKERS


def test_when_it_returns_no_worker_is_left() -> None:
    each_region(NAMES, str.upper, WORKERS)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("region")]


def test_a_defect_is_raised_at_once_and_only_what_was_running_ends(held: threading.Event) -> None:
    begun: list[str] = []

    def work(region: str) -> None:
        begun.append(region)
        if region == NAMES[1]:
            raise LookupError("a defect")
        held.wait(AT_LONGEST_S)

    started_s = time.monotonic()
    with pytest.raises(LookupError, match="a defect"):
        each_region(NAMES, work, WORKERS)
    assert time.monotonic() - started_s < AT_LONGEST_S / 2
    held.set()
    _settle()
    # The worker that met the defect may have taken up one more region before the rest was called off.
    assert set(begun) <= set(NAMES[: WORKERS + 1])


def test_ctrl_c_is_raised_at_once_and_only_what_was_running_ends(held: threading.Event) -> None:
    begun: list[str] = []
    all_busy = threading.Barrier(WORKERS)

    def work(region: str) -> None:
        begun.append(region)
        if all_busy.wait(AT_LONGEST_S) == 0:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        held.wait(AT_LONGEST_S)

    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    started_s = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            each_region(NAMES, work, WORKERS)
    finally:
        signal.signal(signal.SIGINT, handler)
    assert time.monotonic() - started_s < AT_LONGEST_S / 2
    held.set()
    _settle()
    assert sorted(begun) == NAMES[:WORKERS]


def test_a_region_s_own_failure_stops_no_other(held: threading.Event) -> None:
    def work(_: str) -> None:
        raise ProviderError("its own")

    answers, failures = each_region(NAMES, work, WORKERS)
    assert (answers, list(failures)) == ({}, NAMES)
    assert not held.is_set()
