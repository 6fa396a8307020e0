"""`optimiser recommend A B …`: which workloads are meant, and where their answers go."""

from __future__ import annotations

import glob
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from optimiser.cli.output import emit, note, save, wants_colour
from optimiser.errors import OptimiserError, UsageError, bad_value
from optimiser.files import typed_path

if TYPE_CHECKING:
    from optimiser.apart import Answer
    from optimiser.cli.question import Asking
    from optimiser.recommend import Request
    from optimiser.report.plan_list import PlanRow

_SUFFIXES = (".yaml", ".yml")
_FILES = {"table": ".txt", "json": ".json", "markdown": ".md", "csv": ".csv"}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """How the answers are written, output a directory of one file each, and where they are worked out."""

    format_name: str
    output: Path | None
    explain: bool
    jobs: int | None
    cluster: str | None

    def check(self, workloads: Sequence[str] | None) -> None:
        """Make the output directory. Raises UsageError for what cannot be, before anything is read."""
        if self.cluster:
            from optimiser.pool import check_cluster

            check_cluster(self.cluster)
            if workloads is None:
                raise bad_value(
                    "--cluster", "address", self.cluster, "one workload is planned here; it goes with several"
                )
        if workloads is None:
            return
        if self.explain and self.output is None:
            raise UsageError(
                "--explain: a table of many plans has no room: give --output DIR, or one workload"
            )
        if self.output is not None:
            try:
                self.output.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                right = f"many plans are written into a directory: {error.strerror or error}"
                raise bad_value("--output", "directory", str(self.output), right) from None


def meant(arguments: Sequence[str]) -> list[str] | None:
    """The workloads that several arguments, a directory or a pattern stand for, each once, with a note of those given
    more than once; None for a single one.

    Raises UsageError for a directory or a pattern that holds none.
    """
    found: Counter[str] = Counter()
    several = len(arguments) > 1
    for argument in arguments:
        path = typed_path(argument)
        if path.is_dir():
            inside = sorted(str(one) for one in path.iterdir() if one.suffix in _SUFFIXES)
        elif not path.is_file() and glob.has_magic(argument):
            inside = sorted(one for one in glob.glob(str(path), recursive=True) if Path(one).is_file())
        else:
            found[argument] += 1
            continue
        if not inside:
            right = "no workload file (.yaml) is there" if path.is_dir() else "no file is of that pattern"
            raise UsageError(f"workload {argument!r}: {right}")
        several = True
        found.update(inside)
    for workload, times in found.items():
        if times > 1:
            note(f"note: {workload} is given {'twice' if times == 2 else f'{times} times'}: planned once")
    return list(found) if several else None


def recommend_many(workloads: Sequence[str], asking: Asking, asked: Asked) -> None:
    """Plan each apart and write what is asked for; ends in the highest exit code of those without a plan."""
    from optimiser.apart import JSON_LINE, Shared, plan_apart
    from optimiser.pool import cores

    names = _names(workloads, asked.output)
    lines = asked.format_name == "json" and asked.output is None
    wanted = asked.format_name if asked.output else JSON_LINE if lines else None
    shared = Shared(config=asking.config, book=asking.book, format_name=wanted, explain=asked.explain)
    _warn_of_what_is_counted_anew(asking)
    jobs = asked.jobs if asked.cluster else min(asked.jobs or cores(), len(workloads))
    rows = []
    for answer in plan_apart(shared, _requests(asking, names), jobs=jobs, cluster=asked.cluster):
        row = _written(answer, asked, lines)
        rows.append(row)
        if row.exit_code:
            note(f"error: {row.why_no_plan}")
    if asked.output:
        note(f"wrote {sum(not row.exit_code for row in rows):,} of {len(rows):,} plans to {asked.output}")
    if not lines:
        emit(_list(rows, "table" if asked.output else asked.format_name))
    raise typer.Exit(max(row.exit_code for row in rows))


def _names(workloads: Sequence[str], output: Path | None) -> dict[str, str]:
    """What each is called, by its file or name: the file's name without its suffix, the whole where two share it.

    Raises UsageError where two would be written into one file of the output directory.
    """
    short = [Path(one).name.removesuffix(".yaml").removesuffix(".yml") for one in workloads]
    twice = {name for name in short if short.count(name) > 1}
    if twice and output:
        name = min(twice)
        both = " and ".join(one for one, called in zip(workloads, short, strict=True) if called == name)
        raise bad_value("--output", "directory", str(output), f"{both} would both be written as {name!r}")
    return {one: one if called in twice else called for one, called in zip(workloads, short, strict=True)}


def _requests(asking: Asking, names: Mapping[str, str]) -> Iterator[tuple[str, Request | OptimiserError]]:
    """Each workload as it is asked, or what is wrong with it."""
    from optimiser.cli.question import request_for

    for workload, name in names.items():
        try:
            yield name, request_for(asking, workload)
        except OptimiserError as error:
            yield name, error


def _written(answer: Answer, asked: Asked, lines: bool) -> PlanRow:
    """The answer's row, its plan written where it goes; what cannot be written has failed."""
    row = answer.row
    if lines:
        refusal = {"workload": row.workload, "exit_code": row.exit_code, "error": row.why_no_plan}
        emit(answer.text or json.dumps(refusal, ensure_ascii=False) + "\n")
    elif asked.output:
        path = asked.output / f"{row.workload}{_FILES[asked.format_name]}"
        if answer.text:
            try:
                save(answer.text, path)
            except OptimiserError as error:
                return replace(row, exit_code=error.exit_code, why_no_plan=f"{row.workload}: {error}")
        elif path.exists():
            return replace(row, why_no_plan=f"{row.why_no_plan} ({path} is of an earlier run)")
    return row


def _list(rows: Sequence[PlanRow], format_name: str) -> str:
    """The rows in one of the report's formats, JSON apart."""
    from optimiser.report.as_markdown import markdown_of
    from optimiser.report.plan_list import plan_list_document
    from optimiser.report.records import render_records

    if format_name == "markdown":
        return markdown_of(plan_list_document(rows))
    return render_records(format_name, rows, lambda: plan_list_document(rows), colour=wants_colour(None))


def _warn_of_what_is_counted_anew(asking: Asking) -> None:
    if asking.config.owned:
        note("warning: planned apart, every workload counts the machines of owned.yaml as its own")
    if asking.config.quotas or asking.book.quotas:
        note("warning: planned apart, every workload counts the granted quotas as its own")
