"""api_models.yaml: which models of token APIs are those of models.yaml."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from optimiser.config.entries import parse_entry, sections_of
from optimiser.errors import bad_value

API_MODELS_FILE = "api_models.yaml"
_SECTIONS = ("reviewed", "models")


@dataclass(frozen=True, kw_only=True)
class ApiModel:
    """A model of models.yaml at token APIs: ids is a regular expression for the whole of a host's id, in lower case and
    without what stands before its last slash; hosts are where it found one when it was reviewed."""

    name: str
    ids: str
    hosts: tuple[str, ...] = ()

    def is_meant(self, model_id: str) -> bool:
        """Whether a host's id is this model."""
        return re.fullmatch(self.ids, model_id.lower().rsplit("/", 1)[-1]) is not None


@dataclass(frozen=True, kw_only=True)
class Reviewed:
    """The library whose ids were looked at, with its version, and the day."""

    library: str
    checked: str


def load_api_models(directories: Sequence[Path]) -> tuple[Reviewed | None, Mapping[str, ApiModel]]:
    """When the ids were reviewed, and the models by name: lowest layer first, a higher one's model replaces a lower's.

    Raises UsageError, naming file, entry and field, for anything malformed.
    """
    reviewed: Reviewed | None = None
    found: dict[str, ApiModel] = {}
    for path in (layer / API_MODELS_FILE for layer in directories):
        content = sections_of(path, _SECTIONS)
        if "reviewed" in content:
            reviewed = parse_entry(Reviewed, content["reviewed"], f"{path}: reviewed")
        for name, entry in content.get("models", {}).items():
            found[name] = parse_entry(ApiModel, entry, f"{path}: {name}", name=name)
            try:
                re.compile(found[name].ids)
            except re.error as error:
                right = f"must be a regular expression: {error}"
                raise bad_value(f"{path}: {name}", "ids", found[name].ids, right) from None
    return reviewed, found
