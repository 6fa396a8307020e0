"""A project file (YAML) to a `Project`. The format is described in `optimiser.costing.project.schema`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from optimiser.costing.project.amounts import Range
from optimiser.costing.project.checks import check_together, validated
from optimiser.costing.project.schema import ComputeFields, ProjectFields
from optimiser.errors import UsageError
from optimiser.files import typed_path
from optimiser.workload.demand_fields import Section
from optimiser.workload.read import fields_of


@dataclass(frozen=True, kw_only=True)
class Project:
    """A project file as it was read; inputs are its amounts by their dotted names, given those that it names itself."""

    path: Path
    fields: ProjectFields
    inputs: Mapping[str, Range]
    given: frozenset[str]

    @property
    def where(self) -> str:
        """The file, as messages name it."""
        return str(self.path)

    def named(self, field: str, name: str, find: Callable[[str], Path]) -> Path:
        """The file that a field names: beside the project file, else what config finds. Raises UsageError."""
        return _named(self.path, field, name, find)


def _named(path: Path, field: str, name: str, find: Callable[[str], Path]) -> Path:
    beside = path.parent / typed_path(name)
    try:
        return beside if beside.is_file() else find(name)
    except UsageError as error:
        raise UsageError(f"{path}: {field}: {error}") from None


def load_project(
    path: Path, overrides: Mapping[str, str] | None = None, find_job: Callable[[str], Path] | None = None
) -> Project:
    """Read one project file; overrides maps a dotted field to a YAML value that takes its place, find_job gives the
    file of a training job by its name (None: whether there is one is not looked at).

    Raises UsageError, with one message naming file, field, value and what would be right, for a file that is missing
    or no YAML, an unknown, missing or impossible field, a job that is none, and fields that do not go together.
    """
    fields = validated(
        str(path), fields_of(path, "a project is a mapping of fields such as `name: assistant`", overrides)
    )
    for name, compute in compute_sections(fields).items():
        if compute.job is not None and find_job is not None:
            _named(path, f"{name}.job", compute.job, find_job)
    check_together(str(path), fields)
    found = list(_ranges("", fields))
    return Project(
        path=path,
        fields=fields,
        inputs={name: amount for name, amount, _ in found},
        given=frozenset(name for name, _, given in found if given),
    )


def compute_sections(fields: ProjectFields) -> dict[str, ComputeFields]:
    """The sections that buy GPU-hours, by their dotted names."""
    retraining = fields.maintenance.retraining if fields.maintenance is not None else None
    sections = {"training": fields.training, "maintenance.retraining": retraining}
    return {name: section for name, section in sections.items() if section is not None}


def _ranges(prefix: str, section: Section) -> Iterator[tuple[str, Range, bool]]:
    """Every amount below a section: its dotted name, and whether the file gives it."""
    for name in type(section).model_fields:
        value, path = getattr(section, name), f"{prefix}{name}"
        if isinstance(value, Range):
            yield path, value, name in section.model_fields_set
        elif isinstance(value, Section):
            yield from _ranges(f"{path}.", value)
        elif isinstance(value, tuple):
            for at, part in enumerate(value):
                yield from _ranges(f"{path}[{at}].", part)
