"""levers.yaml: what is published of techniques that save: their price in quality, how well drafts are accepted, and
which model is of the class of another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from optimiser.config.entries import parse_entry, sections_of
from optimiser.errors import UsageError, bad_value

LEVERS_FILE = "levers.yaml"
# Shares of weights so near to each other are of one step down: a figure at 0.6 says nothing of 0.11.
ABOUT_AS_MANY = 0.1
_SECTIONS = ("quality", "drafts", "instead")

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Quality:
    """One published figure of what a technique costs in quality.

    weights_left is the share of the weights that was left where it was measured, None where none were left out.
    """

    name: str
    technique: str
    figure: str
    benchmark: str
    source: str
    checked: str
    weights_left: float | None = None


@dataclass(frozen=True, kw_only=True)
class Drafts:
    """Published acceptance of a model's drafts: tokens a sequence gains per step, its own next one among them."""

    model: str
    tokens_per_step: float
    draft_tokens: int
    benchmark: str
    source: str
    checked: str


@dataclass(frozen=True, kw_only=True)
class Instead:
    """A mixture of experts, or a model with latent attention, of a dense model's class of quality, and its figure."""

    dense: str
    model: str
    figure: str
    benchmark: str
    source: str
    checked: str


@dataclass(frozen=True, kw_only=True)
class LeverFacts:
    """What the config directories say: figures by name, drafts and other architectures by the model they are for."""

    quality: Mapping[str, Quality] = field(default_factory=dict)
    drafts: Mapping[str, Drafts] = field(default_factory=dict)
    instead: Mapping[str, Instead] = field(default_factory=dict)

    def of(self, technique: str, weights_left: float | None = None) -> tuple[Quality, ...]:
        """The figures of a technique, in the file's order; of one that leaves out weights those of about as many."""
        return tuple(
            one
            for one in self.quality.values()
            if one.technique == technique
            and (
                one.weights_left is None
                or (weights_left is not None and abs(one.weights_left - weights_left) <= ABOUT_AS_MANY)
            )
        )


def load_lever_facts(directories: Sequence[Path], models: Mapping[str, object]) -> LeverFacts:
    """The figures of all layers; a higher one's entry replaces a lower's of the same name.

    Raises UsageError, naming file, entry and field, for anything malformed and for a model that models do not hold.
    """
    quality: dict[str, Quality] = {}
    drafts: dict[str, Drafts] = {}
    instead: dict[str, Instead] = {}
    for path in (layer / LEVERS_FILE for layer in directories):
        content = sections_of(path, _SECTIONS)
        quality |= _entries(Quality, "name", content.get("quality", {}), path, "quality")
        drafts |= _entries(Drafts, "model", content.get("drafts", {}), path, "drafts")
        instead |= _entries(Instead, "dense", content.get("instead", {}), path, "instead")
        for name, row in drafts.items():
            if not 1 <= row.tokens_per_step <= row.draft_tokens + 1:
                right = f"from 1 to draft_tokens + 1 = {row.draft_tokens + 1}"
                raise bad_value(f"{path}: drafts: {name}", "tokens_per_step", row.tokens_per_step, right)
        for dense, other in instead.items():
            for name in (dense, other.model):
                if name not in models:
                    raise UsageError(f"{path}: instead: {dense}: no such model in models.yaml: {name!r}")
    return LeverFacts(quality=quality, drafts=drafts, instead=instead)


def _entries(cls: type[T], key: str, section: Mapping[str, object], path: Path, name: str) -> dict[str, T]:
    where = f"{path}: {name}"
    return {
        entry: parse_entry(cls, value, f"{where}: {entry}", **{key: entry})
        for entry, value in section.items()
    }
