"""What a provider needs to be a whole one: each thing that is absent, in words that say what to add."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

EXTRA = "optional-dependencies"


def lacking(
    name: str, root: Path, harnesses: Mapping[str, Any], live: Collection[str], library: str
) -> Iterator[str]:
    """What the provider of that name lacks in the project at root; library is the distribution's name.

    harnesses and live are the registries of the contract tests and of those against the real clouds.
    """
    tests = root / "tests/providers" / name
    if not (root / f"config/instances/{name}.yaml").is_file():
        yield f"{name}: no config/instances/{name}.yaml: write its shapes"
    if name not in harnesses:
        yield f"{name}: no fake in tests/providers/contract/harnesses.py: add a Harness for it"
    if name not in live:
        yield f"{name}: not in tests/live/live_clouds.py: say which regions to ask, and who is signed in"
    prices = root / f"config/prices/{name}.csv"
    if name in harnesses and prices.is_file() != harnesses[name].embedded:
        wrong = "there is none" if harnesses[name].embedded else "there is one"
        yield f"{name}: its Harness says embedded={harnesses[name].embedded}, config/prices/{name}.csv: {wrong}"
    if not any((tests / "fixtures").glob("*")):
        yield f"{name}: no fixtures in tests/providers/{name}/fixtures: add one file for each odd case"
    if not any(tests.glob(f"test_{name}_*.py")):
        yield f"{name}: no tests/providers/{name}/test_{name}_*.py: write its tests"
    yield from _lacking_extra(name, root / "pyproject.toml", library)


def _lacking_extra(name: str, pyproject: Path, library: str) -> Iterator[str]:
    extras = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"][EXTRA]
    if name not in extras:
        yield f"{name}: no extra {name!r} in pyproject.toml's {EXTRA}: name its client library there"
    every = "".join(extras.get("all", ()))
    listed = every.partition(f"{library}[")[2].partition("]")[0].split(",")
    if name not in listed:
        yield f"{name}: the extra 'all' in pyproject.toml leaves {name!r} out"
