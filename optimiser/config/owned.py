"""owned.yaml: machines that are paid already."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import date
from pathlib import Path

from optimiser.config.entries import mapping_of, parse_entry
from optimiser.errors import bad_value, did_you_mean
from optimiser.files import day_of, no_such_day, read_yaml
from optimiser.planning.owned import Owned


def read_owned(path: Path, shapes: Collection[tuple[str, str]], first: int) -> list[Owned]:
    """The entries of a file, numbered from `first`; none where there is no file. Raises UsageError for a bad value."""
    content = read_yaml(path) if path.is_file() else None
    if content is None:
        return []
    if not isinstance(content, list):
        raise bad_value(str(path), "the file", type(content).__name__, "must be a list of what is owned")
    return [_owned(entry, f"{path}: entry {at + 1}", shapes, first + at) for at, entry in enumerate(content)]


def refuse_unknown_regions(owned: Iterable[Owned], regions: Iterable[tuple[str, str]]) -> None:
    """UsageError at the first entry in a region that its provider does not have, by (region, provider) as the prices
    know them; a provider of which they know no region may have any."""
    known = defaultdict(set)
    for region, provider in regions:
        known[provider].add(region)
    for one in owned:
        there = known[one.provider]
        if there and one.region not in there:
            right = f"no region of {one.provider}; {did_you_mean(one.region, there)}"
            raise bad_value(one.source, "region", one.region, right)


def _owned(entry: object, where: str, shapes: Collection[tuple[str, str]], number: int) -> Owned:
    fields = dict(mapping_of(entry, where, "the entry"))
    ends = day_of(fields.pop("ends", None))
    if type(ends) is not date:
        right = "the last day that is paid, such as 2027-06-30"
        raise bad_value(where, "ends", ends, f"there is no such day: {right}" if no_such_day(ends) else right)
    owned = parse_entry(Owned, fields, where, number=number, ends=ends, source=where)
    providers = {provider for provider, _ in shapes}
    if owned.provider not in providers:
        raise bad_value(where, "provider", owned.provider, did_you_mean(owned.provider, providers))
    if (owned.provider, owned.instance_type) not in shapes:
        near = did_you_mean(owned.instance_type, [name for one, name in shapes if one == owned.provider])
        raise bad_value(where, "instance_type", owned.instance_type, f"not in {owned.provider}.yaml; {near}")
    if owned.instances < 1:
        raise bad_value(where, "instances", owned.instances, "at least 1")
    if not owned.region:
        raise bad_value(where, "region", owned.region, "the region they run in")
    return owned
