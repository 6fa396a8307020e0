"""Which of two GPUs serves a job for less: how often the predictions put them in the measured order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from optimiser.accuracy.names import engine_of
from optimiser.accuracy.sets import How
from optimiser.accuracy.sources import source_of
from optimiser.accuracy.summary import Judged
from optimiser.config import Config
from optimiser.prices.table import read_price_tables
from providers.offer import STANDARD, Tier

# Pairs are judged where the better GPU does so much more than the other, and this share of them should be right.
TELLING_RATIO = 1.25
RIGHT_SHARE = 0.90

_JOBS = {
    How.OFFLINE: "offline",
    How.BATCH: "offline",
    How.SERVER: "under latency limits",
    How.CLOSED_TPOT: "at a given concurrency",
}

Job = tuple[object, ...]
Worth = dict[str, tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Pairs of GPUs measured on the same job, and how many of them are predicted in the right order."""

    job: str
    basis: str
    pairs: int
    right: int


def rankings(judged: Sequence[Judged], usd_per_gpu_hour: Mapping[str, float]) -> tuple[Ranking, ...]:
    """The pairs by kind of job: output tokens/s per GPU, and per dollar for the GPUs that have a price.

    A job is the same model, precision, lengths, source and limits; of several layouts on a GPU the best
    counts. At a given concurrency the number of GPUs is part of the job, and the rate is load / TPOT.
    """
    found = []
    worths = _worths(judged)
    for kind in dict.fromkeys(_JOBS.values()):
        alike = [worth for job, worth in worths.items() if job[0] == kind]
        priced = [_per_dollar(worth, usd_per_gpu_hour) for worth in alike]
        for basis, some in (("tokens per GPU", alike), ("tokens per dollar", priced)):
            order = [right for worth in some for right in _order(worth)]
            found.append(Ranking(job=kind, basis=basis, pairs=len(order), right=sum(order)))
    return tuple(found)


def usd_per_gpu_hour(config: Config) -> dict[str, float]:
    """The lowest on-demand price of a GPU, by its name, among the price files of the configuration."""
    prices = read_price_tables(config.price_files)
    listed = prices["is_offer"] & (prices["market"] == STANDARD)
    on_demand = prices[listed & (prices["tier"] == Tier.ON_DEMAND.value)]
    lowest: dict[str, float] = {}
    names = zip(on_demand["provider"], on_demand["instance_type"], on_demand["usd_per_hour"], strict=True)
    for provider, instance_type, usd in names:
        shape = config.shapes.get((provider, instance_type))
        if shape:
            price = float(usd) / shape.gpu_count
            lowest[shape.gpu] = min(price, lowest.get(shape.gpu, price))
    return lowest


def _worths(judged: Sequence[Judged]) -> dict[Job, Worth]:
    """Per job and GPU the highest output tokens/s of one GPU, (measured, predicted)."""
    worths: dict[Job, Worth] = defaultdict(dict)
    for item in judged:
        case, row = item.case, item.case.row
        kind = _JOBS.get(case.how)
        if kind is None:
            continue
        job: Job = (
            kind,
            source_of(row),
            case.model.name,
            case.served.weight_precision,
            row.isl,
            row.osl,
            case.target,
        )
        measured, predicted = case.measured, item.predicted
        if case.how is How.CLOSED_TPOT:
            job = (*job, engine_of(row.engine), row.gpu_count, case.load)
            measured, predicted = ((case.load or 0.0) * 1e3 / tpot_ms for tpot_ms in (measured, predicted))
        before = worths[job].get(case.gpu.name, (0.0, 0.0))
        per_gpu = (measured / row.gpu_count, predicted / row.gpu_count)
        worths[job][case.gpu.name] = (max(before[0], per_gpu[0]), max(before[1], per_gpu[1]))
    return worths


def _per_dollar(worth: Worth, usd: Mapping[str, float]) -> Worth:
    return {gpu: (one / usd[gpu], other / usd[gpu]) for gpu, (one, other) in worth.items() if gpu in usd}


def _order(worth: Worth) -> Iterator[bool]:
    """For each pair that differs enough, whether the predictions agree which is the better one."""
    for first, second in combinations(worth.values(), 2):
        if max(first[0], second[0]) > TELLING_RATIO * min(first[0], second[0]):
            yield (first[0] > second[0]) == (first[1] > second[1])
