"""Many workloads planned apart, in this process, in several or on a cluster; one that fails takes nothing with it."""

from __future__ import annotations

import pickle
import traceback
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from optimiser import __version__
from optimiser.config import Config
from optimiser.errors import OptimiserError
from optimiser.measured.store import stored_measurements
from optimiser.performance.specs import ModelSpec
from optimiser.planning.plan import Plan
from optimiser.policy import Policy
from optimiser.pool import ProcessDied, cores, spread
from optimiser.prices.book import PriceBook
from optimiser.recommend import Request, recommend
from optimiser.report import renderer
from optimiser.report.as_json import one_line
from optimiser.report.plan_list import PlanRow, row_of, without_plan
from optimiser.workload import Workload

# A plan in one line of JSON; every other format is one of the report's.
JSON_LINE = "json line"


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What all workloads of one command share, and how each plan is written: format_name is None for rows alone."""

    config: Config
    book: PriceBook
    format_name: str | None
    explain: bool


@dataclass(frozen=True, kw_only=True)
class Packed:
    """A value packed once, for any number of processes that unpack it once each."""

    version: str
    content: bytes


@dataclass(frozen=True, kw_only=True)
class Question:
    """One workload, and what its plan needs beside what is shared; its model may be of a file that only we can read."""

    name: str
    workload: Workload
    policy: Policy
    model: ModelSpec
    spot_past: Packed


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A workload's row, and the text of its plan, "" where there is none or none is wanted."""

    row: PlanRow
    text: str = ""


def plan_apart(
    shared: Shared,
    asked: Iterable[tuple[str, Request | OptimiserError]],
    *,
    jobs: int | None,
    cluster: str | None,
) -> Iterator[Answer]:
    """The answer to each (name, request) in order, that of an error among them: its message and exit code.

    The same whatever jobs and cluster, which are as `spread` has them. Raises what it raises of a cluster that takes no
    work; once it did, a workload that it does not answer has an answer that says so.
    """
    if cluster is None and (jobs or cores()) == 1:
        yield from (_answer(name, one, shared.format_name, shared.explain) for name, one in asked)
        return
    # Read here, once: a worker on another machine has neither our files nor our config directories.
    known = replace(shared.config, measurements=stored_measurements(shared.config.directories))
    packed = packed_value(replace(shared, config=known))
    yield from _surviving(packed, _questions(asked), jobs, cluster)


def _surviving(
    packed: Packed, questions: Iterator[Question | Answer], jobs: int | None, cluster: str | None
) -> Iterator[Answer]:
    """The answers, whatever becomes of a process: what was in hand when one died is planned again, each alone."""
    waiting: deque[Question | Answer] = deque()

    def handed_over() -> Iterator[Question | Answer]:
        for question in questions:
            waiting.append(question)
            yield question

    handing = handed_over()
    while True:
        try:
            for answer in spread(_answered, packed, handing, jobs=jobs, cluster=cluster):
                waiting.popleft()
                yield answer
            return
        except ProcessDied:
            while waiting:
                yield _alone(packed, waiting.popleft(), cluster)
        except OptimiserError as error:
            if not waiting:
                raise
            waiting.extend(questions)
            yield from (one if isinstance(one, Answer) else _refused(one.name, error) for one in waiting)
            return


def _alone(packed: Packed, question: Question | Answer, cluster: str | None) -> Answer:
    """One question in a process of its own, whose death is its answer."""
    if isinstance(question, Answer):
        return question
    try:
        # joblib would run a single job in this very process.
        return next(spread(_answered, packed, [question], jobs=2, cluster=cluster))
    except OptimiserError as error:
        return _refused(question.name, error)


def packed_value(value: object) -> Packed:
    """Any value as bytes, small enough to travel with every task."""
    return Packed(version=__version__, content=zlib.compress(pickle.dumps(value, pickle.HIGHEST_PROTOCOL), 1))


def _questions(asked: Iterable[tuple[str, Request | OptimiserError]]) -> Iterator[Question | Answer]:
    """Requests without what is shared; what was asked wrongly is its own answer."""
    pasts: dict[int, tuple[object, Packed]] = {}
    for name, request in asked:
        if isinstance(request, OptimiserError):
            yield _refused(name, request)
            continue
        past = request.spot_past
        if id(past) not in pasts:
            # The past itself is kept beside its bytes, so that its id stays its own.
            pasts[id(past)] = (past, packed_value(past))
        yield Question(
            name=name,
            workload=request.workload,
            policy=request.policy,
            model=request.config.find_model(request.workload.model),
            spot_past=pasts[id(past)][1],
        )


def _answered(packed: Packed, question: Question | Answer) -> Answer:
    """What a worker does with one question."""
    if isinstance(question, Answer):
        return question
    if packed.version != __version__:
        other = f"a worker runs optimiser {__version__}, this is {packed.version}: install the same on both"
        return _refused(question.name, OptimiserError(other))
    shared: Shared = _unpacked(packed)
    config = replace(shared.config, models=shared.config.models | {question.workload.model: question.model})
    request = Request(
        workload=question.workload,
        policy=question.policy,
        config=config,
        book=shared.book,
        as_of=shared.book.as_of,
        explain=shared.explain,
        spot_past=_unpacked(question.spot_past),
    )
    return _answer(question.name, request, shared.format_name, shared.explain)


@lru_cache(maxsize=4)
def _unpacked(packed: Packed) -> Any:
    return pickle.loads(zlib.decompress(packed.content))  # noqa: S301 (what this very command packed)


def _answer(name: str, request: Request | OptimiserError, format_name: str | None, explain: bool) -> Answer:
    """One workload planned here."""
    if isinstance(request, OptimiserError):
        return _refused(name, request)
    try:
        plan = recommend(replace(request, in_short=format_name is None))
        return Answer(row=row_of(name, plan), text=_text(plan, format_name, explain))
    except OptimiserError as error:
        return _refused(name, error)
    except Exception as error:
        # A fault of ours in one of a thousand must not cost the others; alone, it shows its whole traceback.
        at = traceback.extract_tb(error.__traceback__)[-1]
        said = " ".join(str(error).split())
        where = f"{Path(at.filename).name} line {at.lineno}"
        fault = f"unforeseen {type(error).__name__} at {where}: {said}; plan it alone to see more"
        return _refused(name, OptimiserError(fault))


def _refused(name: str, error: OptimiserError) -> Answer:
    said = " ".join(str(error).split())
    return Answer(row=without_plan(name, said if name in said else f"{name}: {said}", error.exit_code))


def _text(plan: Plan, format_name: str | None, explain: bool) -> str:
    if format_name is None:
        return ""
    return one_line(plan) if format_name == JSON_LINE else renderer(format_name)(plan, explain=explain)
