"""Work spread over processes of this machine or over a cluster: joblib and its own back ends, no scheduler of ours.

The only file that knows joblib, Dask and Ray, each imported where it is used.
"""

from __future__ import annotations

import gc
import os
import signal
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from optimiser.errors import OptimiserError, UsageError, bad_value

Shared = TypeVar("Shared")
Task = TypeVar("Task")
Result = TypeVar("Result")

ANSWERS_WITHIN_SECONDS = 15
# Python's own 700 cost a recommendation a twentieth of its time.
OBJECTS_BETWEEN_COLLECTIONS = 50_000
_DASK, _RAY = ("dask", "tcp", "tls"), "ray"
# distributed.scheduler.KilledWorker: a task that took several workers with it.
_KILLED = "KilledWorker"
_DIED = "its process died at work, most likely for want of memory"
_RIGHT = "dask://HOST:PORT (tcp:// or tls:// as Dask itself has it) or ray://HOST:PORT"


class ProcessDied(OptimiserError):
    """A process that worked for us ended before its work did."""


def check_cluster(address: str) -> str:
    """The library that an address asks for. Raises UsageError for one that is none."""
    scheme, _, place = address.partition("://")
    if not place or scheme not in (*_DASK, _RAY):
        raise bad_value("--cluster", "address", address, _RIGHT)
    return _RAY if scheme == _RAY else "dask"


def spread(
    function: Callable[[Shared, Task], Result],
    shared: Shared,
    tasks: Iterable[Task],
    *,
    jobs: int | None = None,
    cluster: str | None = None,
) -> Iterator[Result]:
    """function(shared, task) of every task, in the order of the tasks whichever is done first.

    jobs is how many run at a time: None for as many as this process has cores, or the cluster has room for. What
    raises ends the work, so a function that may fail returns its failure. Raises UsageError for a cluster whose
    library is missing, OptimiserError where it does not answer or a process dies.
    """
    from concurrent.futures import BrokenExecutor

    import joblib

    # Who interrupts the work knows that some of it was under way; joblib says so when it likes, even at the very end.
    warnings.filterwarnings("ignore", r"\d+ tasks (which were|have been) ", UserWarning)
    with _back_end(cluster, shared, jobs) as how:
        parallel = joblib.Parallel(batch_size=1, **how)
        try:
            parent = os.getpid() if cluster is None else None
            yield from parallel(joblib.delayed(_run)(function, parent, shared, task) for task in tasks)
        except OptimiserError:
            raise
        except Exception as error:
            if isinstance(error, BrokenExecutor) or type(error).__name__ == _KILLED:
                raise ProcessDied(_DIED) from None
            if cluster is None:
                raise
            # Each library has errors of its own for a cluster that is lost.
            raise _silent(cluster, error) from None


def _run(
    function: Callable[[Shared, Task], Result], parent: int | None, shared: Shared, task: Task
) -> Result:
    """One task; a process of our own leaves an interrupt to its parent, which ends them all in silence."""
    if parent is not None and os.getpid() != parent:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        collect_seldom()
    return function(shared, task)


def collect_seldom() -> None:
    """Look for dead cycles after more new objects: imports, prices and plans make many that stay."""
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)


def cores() -> int:
    """CPU cores this process may use: its affinity and its container's share count."""
    import joblib

    return int(joblib.cpu_count())


@contextmanager
def _back_end(cluster: str | None, shared: object, jobs: int | None) -> Iterator[dict[str, Any]]:
    """How joblib is to run, for as long as the context lasts."""
    import joblib

    if cluster is None:
        yield {"n_jobs": jobs or cores(), "backend": "loky", "return_as": "generator"}
    elif check_cluster(cluster) == _RAY:
        _connect_ray(cluster)
        with joblib.parallel_config(backend="ray"):
            # Ray's back end hands over all results at once, and at most so many at a time by n_jobs alone.
            yield {"n_jobs": jobs or -1}
    else:
        with (
            _dask_client(cluster) as client,
            joblib.parallel_config(backend="dask", client=client, scatter=[shared]),
        ):
            # Dask's back end takes no n_jobs; what is not handed over yet does not run.
            yield {"n_jobs": -1, "return_as": "generator", "pre_dispatch": jobs or "2 * n_jobs"}


def _dask_client(cluster: str) -> Any:
    try:
        import distributed
    except ImportError:
        raise _missing("dask", cluster) from None
    client: Any = distributed.Client
    address = cluster.replace("dask://", "tcp://", 1)
    try:
        return client(address, timeout=ANSWERS_WITHIN_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise _silent(cluster, error) from None


def _connect_ray(cluster: str) -> None:
    try:
        import ray
        from ray.util.joblib import register_ray
    except ImportError:
        raise _missing("ray", cluster) from None
    try:
        ray.init(cluster, ignore_reinit_error=True, log_to_driver=False)
    except (ConnectionError, OSError, ValueError, RuntimeError) as error:
        raise _silent(cluster, error) from None
    register_ray()


def _missing(extra: str, cluster: str) -> UsageError:
    right = f"needs the extra [{extra}]: pip install 'cloud-pricing-optimiser[{extra}]'"
    return bad_value("--cluster", "address", cluster, right)


def _silent(cluster: str, error: Exception) -> OptimiserError:
    said = " ".join(str(error).split()) or type(error).__name__
    return OptimiserError(f"--cluster {cluster}: no cluster answers there: {said}")
