"""The entries of config/models.yaml as ModelSpec, read without the config room."""

from pathlib import Path
from typing import Any

import yaml

from optimiser.performance.specs import MlaSpec, ModelSpec, MoeSpec

MODELS_FILE = Path(__file__).parents[2] / "config" / "models.yaml"


def read_entries() -> dict[str, dict[str, Any]]:
    """The raw mapping of the file."""
    return yaml.safe_load(MODELS_FILE.read_text(encoding="utf-8"))


def read_models() -> dict[str, ModelSpec]:
    """Name -> ModelSpec."""
    models = {}
    for name, entry in read_entries().items():
        nested = {"moe": MoeSpec, "mla": MlaSpec}
        fields = {key: nested[key](**value) if key in nested else value for key, value in entry.items()}
        models[name] = ModelSpec(name=name, **fields)
    return models


MODELS = read_models()
