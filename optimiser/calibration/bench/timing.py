"""A device, and how long work takes on it.

Kernels of a GPU are timed by CUDA events around each run, with the queue filled first, so that launching from the
host, which engines hide behind a CUDA graph, is not timed. Work comes as a ring of calls on operands of their own,
together larger than the second-level cache, or small weights would be read from the cache.
"""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import torch

from optimiser.calibration.points import LeftOut, Point

Work = Callable[[], object]
Answer = TypeVar("Answer")

RUNS, FEWEST_RUNS = 50, 5
# Timing one size takes no longer than this, unless the fewest runs do.
LONGEST_S = 3.0
WARM_UPS = 3
# How much larger than the second-level cache a ring of operands is.
CACHE_MULTIPLE = 4
LONGEST_RING = 64
# As large as any GPU's so far.
UNTOLD_CACHE_BYTES = 256 << 20
# Cycles for which the GPU is held while its queue is filled: about 20 ms at 1.5 GHz.
HOLD_CYCLES = 30_000_000
# Of the memory that is free; the rest is torch's workspaces and what outputs take.
USABLE_SHARE = 0.85


class Timed(NamedTuple):
    """The median of so many runs."""

    seconds: float
    runs: int


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Where work runs: cache_bytes is the size of the device's second-level cache."""

    device: torch.device
    name: str
    cache_bytes: int
    identity: str | None
    runs: int = RUNS

    @property
    def on_gpu(self) -> bool:
        """Whether the device has its own queue and memory."""
        return bool(self.device.type == "cuda")


def gpu_bench() -> Bench | None:
    """The first GPU that torch sees, None without one; CUDA_VISIBLE_DEVICES chooses among several."""
    if not torch.cuda.is_available():
        return None
    torch.cuda.set_device(0)
    properties = torch.cuda.get_device_properties(0)
    return Bench(
        device=torch.device("cuda", 0),
        name=str(properties.name),
        cache_bytes=int(getattr(properties, "L2_cache_size", UNTOLD_CACHE_BYTES)),
        identity=_identity(properties),
    )


def _identity(properties: Any) -> str | None:
    """What nvidia-smi knows the GPU by; torch tells it from 2.5 on."""
    uuid = str(getattr(properties, "uuid", "") or "")
    return uuid if not uuid or uuid.startswith("GPU-") else f"GPU-{uuid}"


def versions() -> tuple[str, str | None]:
    """torch's version, and CUDA's (or ROCm's) as torch was built for, None for neither."""
    cuda = torch.version.cuda or getattr(torch.version, "hip", None)
    return str(torch.__version__), None if cuda is None else str(cuda)


def ring_length(bench: Bench, operand_bytes: float) -> int:
    """How many copies of operands keep them out of the cache: 1 where one alone does."""
    wanted = math.ceil(CACHE_MULTIPLE * bench.cache_bytes / max(operand_bytes, 1.0))
    return min(max(wanted, 1), LONGEST_RING)


def attempt(bench: Bench, needed_bytes: float, build: Callable[[], Sequence[Work]]) -> Timed | str:
    """How long the built ring of work takes a call, or why that cannot be told; memory is given back either way."""
    lacking = no_room(bench, needed_bytes)
    if lacking is not None:
        return lacking
    try:
        return median_seconds(bench, build())
    except RuntimeError as error:
        # Out of memory, and sizes or formats that a kernel does not take, are RuntimeErrors alike.
        return first_line(error)
    finally:
        release(bench)


def timed_point(
    bench: Bench,
    needed_bytes: float,
    build: Callable[[], Sequence[Work]],
    *,
    section: str,
    case: str,
    precision: str,
    sizes: dict[str, int],
    flops: float = 0.0,
    bytes_moved: float = 0.0,
) -> Point | LeftOut:
    """The built ring of work timed at those sizes, or why that cannot be told."""
    timed = attempt(bench, needed_bytes, build)
    if isinstance(timed, str):
        return LeftOut(section=section, case=case, precision=precision, sizes=sizes, reason=timed)
    return Point(
        section=section,
        case=case,
        precision=precision,
        sizes=sizes,
        seconds=timed.seconds,
        runs=timed.runs,
        flops=flops,
        bytes_moved=bytes_moved,
    )


def no_room(bench: Bench, needed_bytes: float) -> str | None:
    """Why so much memory cannot be had; None where it can."""
    free = free_bytes(bench)
    if needed_bytes <= free * USABLE_SHARE:
        return None
    return f"needs {needed_bytes / 1e9:.3g} GB, {free / 1e9:.3g} GB are free"


def first_line(error: RuntimeError) -> str:
    """What torch says went wrong, without the advice below it."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def median_seconds(bench: Bench, ring: Sequence[Work]) -> Timed:
    """The median time of a call, each on the ring's next operands."""
    for turn in range(max(WARM_UPS, len(ring))):
        ring[turn % len(ring)]()
    settle(bench)
    once = _timed(bench, ring, 1)[0]
    runs = max(min(bench.runs, int(LONGEST_S / max(once, 1e-9))), min(FEWEST_RUNS, bench.runs))
    return Timed(statistics.median(_timed(bench, ring, runs)), runs)


def _timed(bench: Bench, ring: Sequence[Work], runs: int) -> list[float]:
    """Seconds of each run."""
    if not bench.on_gpu:
        return [_on_host(ring[run % len(ring)]) for run in range(runs)]
    starts, ends = ([torch.cuda.Event(enable_timing=True) for _ in range(runs)] for _ in range(2))
    torch.cuda._sleep(HOLD_CYCLES)
    for run, (start, end) in enumerate(zip(starts, ends, strict=True)):
        start.record()
        ring[run % len(ring)]()
        end.record()
    torch.cuda.synchronize()
    # elapsed_time is in ms.
    return [start.elapsed_time(end) * 1e-3 for start, end in zip(starts, ends, strict=True)]


def _on_host(work: Work) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def captured(bench: Bench, work: Work) -> Work:
    """The work as one CUDA graph, launched whole; on the host the work itself.

    It runs on a side stream first, as capturing asks for: libraries set themselves up, memory is found.
    """
    if not bench.on_gpu:
        return work
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UPS):
            work()
    torch.cuda.current_stream().wait_stream(side)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()

    def replay(_operands: Work = work) -> None:
        # The graph holds addresses alone: the operands live as long as it does.
        graph.replay()

    return replay


def while_busy(bench: Bench, work: Work, seconds: float, ask: Callable[[], Answer]) -> Answer:
    """What `ask` answers while the device does the work over and over: twice `seconds`, asked half way."""
    once = max(median_seconds(bench, [work]).seconds, 1e-6)
    for _ in range(math.ceil(seconds / once)):
        work()
    settle(bench)
    for _ in range(math.ceil(seconds / once)):
        work()
    answer = ask()
    settle(bench)
    return answer


def free_bytes(bench: Bench) -> float:
    """Memory that can be had on a GPU; of the host's we do not ask."""
    return float(torch.cuda.mem_get_info(bench.device)[0]) if bench.on_gpu else math.inf


def taken_bytes(bench: Bench) -> float:
    """Memory of a GPU that is not free."""
    free, total = torch.cuda.mem_get_info(bench.device)
    return float(total - free)


def release(bench: Bench) -> None:
    """Give back what the last size took, so that the next finds the memory whole."""
    if bench.on_gpu:
        gc.collect()
        torch.cuda.empty_cache()


def settle(bench: Bench) -> None:
    """Wait until the device has done all it was given."""
    if bench.on_gpu:
        torch.cuda.synchronize()
