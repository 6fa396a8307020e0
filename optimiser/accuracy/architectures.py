"""Models that measurement tables hold and config/models.yaml does not: superseded or small, so not offered to users."""

from pathlib import Path

from optimiser.config.entries import content_of, parse_entry
from optimiser.performance.specs import ModelSpec

_FILE = Path(__file__).with_suffix(".yaml")
ARCHITECTURES = {
    name: parse_entry(ModelSpec, entry, f"{_FILE}, {name}", name=name)
    for name, entry in content_of(_FILE).items()
}
