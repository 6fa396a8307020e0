"""Reviewed facts and defaults: GPUs, models, instance types and settings, from layered directories."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from optimiser.config.entries import content_of, mapping_of, mappings_of, only_known, parse_entry, sections_of
from optimiser.config.fit_checks import check_fit, check_gpus, check_names
from optimiser.config.owned import read_owned
from optimiser.config.quotas import QUOTAS_FILE, quotas_of
from optimiser.config.settings import SETTINGS, Settings, settings_of
from optimiser.errors import OptimiserError, UsageError, bad_value, did_you_mean
from optimiser.files import read_yaml, typed_path
from optimiser.performance.model_checks import check_model
from optimiser.performance.physics import Engine, Fit, Physics
from optimiser.performance.specs import Calibrated, Efficiency, GpuSpec, ModelSpec
from optimiser.planning.owned import Owned
from optimiser.planning.problem import GrantedQuota, QuotaKey
from optimiser.workload.resolved import PERFORMANCE
from providers.offer import Tier
from providers.shape import GpuLink, InstanceShape

if TYPE_CHECKING:
    from optimiser.measured.measurement import Measurement

APP_NAME = "cloud-pricing-optimiser"
DIRECTORY_VARIABLE = "OPTIMISER_CONFIG"
PERFORMANCE_FILE = "performance.yaml"
PERFORMANCE_SECTIONS = ("fitted", "physics", "engines", "generations", "gpus")

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything read from the config directories, lowest layer first in `directories`.

    shapes is keyed by (provider, instance_type); quota_codes by (provider, quota family), to the provider's
    code per tier; always_sold are (provider, region, instance type, tier) that a healthy price list has; quotas are
    those that somebody wrote down as granted. measurements are None where they are still to be read, from directories.
    """

    gpus: dict[str, GpuSpec]
    fit: Fit
    models: dict[str, ModelSpec]
    shapes: dict[tuple[str, str], InstanceShape]
    settings: Settings
    directories: tuple[Path, ...]
    quota_codes: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    always_sold: tuple[tuple[str, str, str, Tier], ...] = ()
    quotas: Mapping[QuotaKey, GrantedQuota] = field(default_factory=dict)
    owned: tuple[Owned, ...] = ()
    measurements: tuple[Measurement, ...] | None = None

    @property
    def price_files(self) -> list[Path]:
        """The price CSVs of every layer, lowest first: a later file's price replaces an earlier one's."""
        return [path for layer in self.directories for path in sorted((layer / "prices").glob("*.csv"))]

    @property
    def workload_names(self) -> list[str]:
        """Names that find_workload knows."""
        return self._names("workloads")

    def find_workload(self, name_or_path: str) -> Path:
        """The workload file at that path, else of that name in the highest layer. Raises UsageError."""
        return self._find("workload", name_or_path)

    def find_job(self, name_or_path: str) -> Path:
        """The same of a training job. Raises UsageError."""
        return self._find("job", name_or_path)

    def find_project(self, name_or_path: str) -> Path:
        """The same of a project. Raises UsageError."""
        return self._find("project", name_or_path)

    def _names(self, folder: str) -> list[str]:
        found = (path for layer in self.directories for path in (layer / folder).glob("*.yaml"))
        return sorted({path.stem for path in found})

    def _find(self, what: str, name_or_path: str) -> Path:
        path, folder = typed_path(name_or_path), f"{what}s"
        if path.is_file():
            return path
        for layer in reversed(self.directories):
            named = layer / folder / f"{name_or_path}.yaml"
            if named.is_file():
                return named
        if path.is_dir():
            raise UsageError(f"{what} {name_or_path!r}: is a directory: one file, or a name, is expected")
        near = did_you_mean(name_or_path, self._names(folder))
        raise UsageError(f"{what} {name_or_path!r}: no such file and no such name; {near}")

    def find_model(self, name_or_path: str) -> ModelSpec:
        """The model of that name, else of a Hugging Face config.json (or its folder). Raises UsageError."""
        if name_or_path in self.models:
            return self.models[name_or_path]
        path = typed_path(name_or_path)
        if path.is_dir():
            path = path / "config.json"
        if path.is_file():
            from optimiser.performance.hf_config import model_from_hf_config

            return model_from_hf_config(path)
        near = did_you_mean(name_or_path, self.models)
        raise UsageError(f"model {name_or_path!r}: no such model and no config.json there; {near}")

    def model_named_in(self, file: Path, name: str) -> str:
        """The name under which find_model knows what a file names: a model, else a config.json (or its folder) beside
        the file, else from where the command runs. Raises UsageError, with where it was looked for."""
        path = typed_path(name)
        if name in self.models:
            return name
        places = dict.fromkeys((file.parent / path, path))
        for place in places:
            if place.is_file() or (place / "config.json").is_file():
                return str(place)
        looked, near = " or ".join(map(str, places)), did_you_mean(name, self.models)
        raise UsageError(f"{file}: model {name!r}: no such model, and no config.json at {looked}; {near}")


def load_config(directory: Path | None = None) -> Config:
    """The embedded config with the user's directory over it; a higher layer's entry replaces a lower's.

    The user's directory is `directory`, else $OPTIMISER_CONFIG, else the platform's own if it exists. Raises
    UsageError, naming file, entry and field, for anything malformed.
    """
    directories = config_directories(directory)
    gpus: dict[str, GpuSpec] = {}
    fitted: dict[str, dict[str, Any]] = {}
    models: dict[str, ModelSpec] = {}
    shapes: dict[tuple[str, str], InstanceShape] = {}
    quota_codes: dict[tuple[str, str], dict[str, str]] = {}
    always_sold: dict[str, tuple[tuple[str, str, str, Tier], ...]] = {}
    settings: dict[str, dict[str, Any]] = {}
    performance: object = PERFORMANCE[0]
    quotas: dict[QuotaKey, GrantedQuota] = {}
    owned: list[Owned] = []
    for layer in directories:
        sections = sections_of(layer / "gpus.yaml", ("gpus",))
        gpus |= _entries(GpuSpec, "name", sections.get("gpus", {}), layer / "gpus.yaml")
        for name, section in sections_of(layer / PERFORMANCE_FILE, PERFORMANCE_SECTIONS).items():
            fitted.setdefault(name, {}).update(section)
        fit = _fit(fitted, layer / PERFORMANCE_FILE)
        models |= _models(layer / "models.yaml")
        for path in sorted((layer / "instances").glob("*.yaml")):
            _read_instances(path, gpus, shapes, quota_codes, always_sold)
        if (layer / QUOTAS_FILE).is_file():
            quotas |= quotas_of(read_yaml(layer / QUOTAS_FILE), layer / QUOTAS_FILE, shapes)
        owned += read_owned(layer / "owned.yaml", shapes, len(owned) + 1)
        written = content_of(layer / "settings.yaml")
        performance = written.pop("performance", performance)
        for name, section in mappings_of(written, SETTINGS, layer / "settings.yaml").items():
            settings.setdefault(name, {}).update(section)
        check_names(gpus, fit, layer / "gpus.yaml", layer / PERFORMANCE_FILE)
        check_gpus(gpus, layer / "gpus.yaml")
        check_fit(fit, layer / PERFORMANCE_FILE)
    return Config(
        gpus=gpus,
        fit=fit,
        models=models,
        shapes=shapes,
        settings=settings_of(settings, performance, directories),
        directories=directories,
        quota_codes=quota_codes,
        always_sold=tuple(one for sold in always_sold.values() for one in sold),
        quotas=quotas,
        owned=tuple(owned),
    )


def config_directories(directory: Path | None = None) -> tuple[Path, ...]:
    """The config directories, lowest layer first: the embedded one, then the user's if there is one."""
    embedded, user = _embedded_directory(), user_directory(directory)
    if user.is_dir():
        return (embedded,) if user.resolve() == embedded else (embedded, user)
    if directory or os.environ.get(DIRECTORY_VARIABLE):
        source = "--config" if directory else DIRECTORY_VARIABLE
        raise bad_value(source, "directory", str(user), "no such directory")
    return (embedded,)


def user_directory(directory: Path | None = None) -> Path:
    """Where the user's own config lies: `directory`, else $OPTIMISER_CONFIG, else the platform's."""
    named = directory or os.environ.get(DIRECTORY_VARIABLE)
    if named:
        return typed_path(named)
    import platformdirs

    return platformdirs.user_config_path(APP_NAME, appauthor=False)


_INSTANCE_FILE = ("provider", "checked", "always_sold", "quota_codes", "instances")


def _embedded_directory() -> Path:
    """optimiser/_config inside an installed wheel, else the checkout's config/."""
    package = Path(__file__).resolve().parent.parent
    for path in (package / "_config", package.parent / "config"):
        if path.is_dir():
            return path
    raise OptimiserError(f"the installation is incomplete: no config directory at {package / '_config'}")


def _entries(cls: type[T], key: str, entries: Mapping[str, object], path: Path) -> dict[str, T]:
    """The dataclasses of a mapping from name to entry; `key` is the field that the name fills."""
    return {
        name: parse_entry(cls, entry, f"{path}: {name}", **{key: name}) for name, entry in entries.items()
    }


def _fit(sections: Mapping[str, Mapping[str, Any]], path: Path) -> Fit:
    """What was fitted, as the layers up to that of path have it."""
    return Fit(
        physics=parse_entry(Physics, sections.get("physics", {}), f"{path}: physics"),
        engines=_entries(Engine, "name", sections.get("engines", {}), path),
        generations=_entries(Efficiency, "generation", sections.get("generations", {}), path),
        record=dict(sections.get("fitted", {})),
        gpus=_entries(Calibrated, "gpu", sections.get("gpus", {}), path),
    )


def _models(path: Path) -> dict[str, ModelSpec]:
    models = _entries(ModelSpec, "name", content_of(path), path)
    for name, model in models.items():
        check_model(model, f"{path}: {name}")
    return models


def _read_instances(
    path: Path,
    gpus: Mapping[str, GpuSpec],
    shapes: dict[tuple[str, str], InstanceShape],
    quota_codes: dict[tuple[str, str], dict[str, str]],
    always_sold: dict[str, tuple[tuple[str, str, str, Tier], ...]],
) -> None:
    """Add one provider's instance types to shapes, its quota codes and what it always sells."""
    content, where, provider = content_of(path), str(path), path.stem
    only_known(content, _INSTANCE_FILE, where)
    if content.get("provider", provider) != provider:
        raise bad_value(where, "provider", content["provider"], f"the file's name says {provider!r}")
    for name, entry in mapping_of(content.get("instances"), where, "instances").items():
        shape = parse_entry(InstanceShape, entry, f"{where}: {name}", provider=provider, instance_type=name)
        _check_shape(shape, f"{where}: {name}", gpus)
        shapes[provider, name] = shape
    for family, codes in mapping_of(content.get("quota_codes"), where, "quota_codes").items():
        quota_codes[provider, family] = mapping_of(codes, where, f"quota_codes.{family}")
    if "always_sold" in content:
        always_sold[provider] = tuple(
            _sold(entry, where, provider, shapes) for entry in content["always_sold"] or ()
        )


def _sold(
    entry: object, where: str, provider: str, shapes: Mapping[tuple[str, str], InstanceShape]
) -> tuple[str, str, str, Tier]:
    parts = entry.split("/") if isinstance(entry, str) else []
    if len(parts) != 3 or parts[2] not in tuple(Tier) or (provider, parts[1]) not in shapes:
        right = "region/instance type/tier, such as us-east-1/p5.48xlarge/on_demand, the type being one of instances"
        raise bad_value(where, "always_sold", entry, right)
    return provider, parts[0], parts[1], Tier(parts[2])


def _check_shape(shape: InstanceShape, where: str, gpus: Mapping[str, GpuSpec]) -> None:
    if shape.gpu not in gpus:
        raise bad_value(where, "gpu", shape.gpu, f"not in gpus.yaml; {did_you_mean(shape.gpu, gpus)}")
    if shape.gpu_count < 1:
        raise bad_value(where, "gpu_count", shape.gpu_count, "an instance here has at least one whole GPU")
    if (shape.gpu_link is GpuLink.NONE) != (shape.gpu_count == 1):
        right = '"none" for a single GPU, "nvlink" or "pcie" for several'
        raise bad_value(where, "gpu_link", shape.gpu_link.value, right)
