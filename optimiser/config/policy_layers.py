"""The policy in force: defaults under settings.yaml, under the workload's own, under the command's."""

from __future__ import annotations

import typing
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from optimiser.config import Config
from optimiser.errors import bad_value, did_you_mean
from optimiser.field_faults import right_of
from optimiser.files import yaml_value
from optimiser.policy import Policy
from optimiser.policy.frozen import Frozen
from optimiser.prices.rows import REGION_KINDS
from optimiser.workload.schema import WorkloadFields
from providers.offer import Tier

if TYPE_CHECKING:
    from optimiser.prices.book import PriceBook

_DEFAULTS = "the tool's defaults"
_MARGIN, _CONFIDENCE = "performance_margin", "performance_confidence"
_RIGHT = {
    "tuple_type": "must be a list such as [aws, gcp]",
}


@dataclass(frozen=True)
class PolicyLayer:
    """Some fields of the policy and where they were written, as a message names it."""

    source: str
    fields: Mapping[str, Any]


def resolve_policy(config: Config, layers: Sequence[PolicyLayer], book: PriceBook | None = None) -> Policy:
    """The policy under which a plan is made: each layer over those before it, all over settings.yaml.

    A list may be written as one text with commas; mappings such as `overheads` are laid over each other field by field.
    Where no layer names gpu_vendors, the makers of named GPUs and instance types are added to the default.
    Of a margin and a confidence the later holds.
    Raises UsageError, naming the layer, for an unknown field, a value out of range, a margin beside a confidence, and
    a provider, region, GPU, vendor, instance type, tier or market that neither config nor the price book knows.
    """
    settings = PolicyLayer(f"{config.settings.source}: policy", config.settings.policy)
    merged: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for layer in (settings, *layers):
        for name, value in layer.fields.items():
            written = _written(layer.source, name, value)
            if _is_mapping(name) and isinstance(written, Mapping):
                written = {**merged.get(name, {}), **written}
            merged[name] = written
            sources[name] = layer.source
        if _MARGIN in layer.fields or _CONFIDENCE in layer.fields:
            _keep_one_caution(layer, merged, sources)
    policy = _validated(merged, sources)
    _check_names(policy, sources, _known(config, book))
    if book is not None and policy.regions:
        _check_owners(policy, sources, "regions", regions_of(book))
    _check_owners(policy, sources, "instance_types", ((kind, name) for name, kind in config.shapes))
    return policy if "gpu_vendors" in sources else _with_named_vendors(policy, config)


def _keep_one_caution(layer: PolicyLayer, merged: dict[str, Any], sources: dict[str, str]) -> None:
    """A confidence takes the place of an earlier layer's margin. Raises UsageError for both in one file or command."""
    if merged.get(_MARGIN) is None or _CONFIDENCE not in merged:
        return
    margin, confidence = sources[_MARGIN], sources[_CONFIDENCE]
    if margin == confidence or (margin.startswith("--") and confidence.startswith("--")):
        right = (
            f"give one of the two: {_MARGIN} = {merged[_MARGIN]} ({margin}) says what is taken off already"
        )
        raise bad_value(confidence, _CONFIDENCE, merged[_CONFIDENCE], right)
    if _CONFIDENCE in layer.fields:
        del merged[_MARGIN], sources[_MARGIN]


def split_overrides(
    source: str,
    texts: Iterable[str],
    fields: Collection[str] = tuple(WorkloadFields.model_fields),
    what: str = "workload",
) -> tuple[PolicyLayer, dict[str, str]]:
    """`FIELD=VALUE` texts as a policy layer and as overrides of the workload (dotted field to YAML text), or of
    what else has these fields.

    max_spot_share=0.5, providers=aws,gcp and overheads.percent=3 are the policy's; demand.scale=2 and
    target.ttft_ms=1500 the workload's. Raises UsageError for another field or a text without `=`.
    """
    policy: dict[str, Any] = {}
    workload: dict[str, str] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not name:
            raise bad_value(source, "override", text, "write it as FIELD=VALUE, such as max_spot_share=0.5")
        field, _, inner = name.removeprefix("policy.").partition(".")
        if field in Policy.model_fields:
            parsed = _yaml(source, name, value)
            policy[field] = {**policy.get(field, {}), inner: parsed} if inner else parsed
        elif name.split(".")[0] in fields:
            workload[name] = value
        else:
            near = did_you_mean(name, [*Policy.model_fields, *fields])
            raise bad_value(source, name, value, f"no such field of policy or {what}; {near}")
    return PolicyLayer(source, policy), workload


def _yaml(source: str, name: str, value: str) -> Any:
    try:
        return yaml_value(value)
    except ValueError:
        raise bad_value(source, name, value, "must be a YAML value such as 2, true or [aws, gcp]") from None


def _is_list(name: str) -> bool:
    annotation = Policy.model_fields[name].annotation
    return tuple in {typing.get_origin(part) for part in (annotation, *typing.get_args(annotation))}


def _is_mapping(name: str) -> bool:
    return isinstance(Policy.model_fields[name].default, dict | Frozen)


def _written(source: str, name: str, value: Any) -> Any:
    """The value as the policy takes it. A list may be one text; true is no number, whatever Python says."""
    field = Policy.model_fields.get(name)
    if field is None:
        raise bad_value(source, name, value, f"no such field; {did_you_mean(name, Policy.model_fields)}")
    if _is_list(name):
        if isinstance(value, str):
            value = (value,)
        if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
            value = [one.strip() for part in value for one in part.split(",") if one.strip()]
        if isinstance(value, list | tuple) and not value:
            raise bad_value(source, name, value, "an empty list leaves nothing to choose from")
    elif isinstance(value, bool) and field.annotation is not bool:
        raise bad_value(source, name, value, f"must not be true or false ({field.description})")
    for inner, part in value.items() if isinstance(value, Mapping) else ():
        if isinstance(part, bool):
            raise bad_value(source, f"{name}.{inner}", part, "must be a number, not true or false")
    return value


def _validated(merged: Mapping[str, Any], sources: Mapping[str, str]) -> Policy:
    try:
        return Policy(**merged)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
    name = str(fault["loc"][0])
    path = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        right = f"no such field; {did_you_mean(str(fault['loc'][-1]), _parts_of(name))}"
    elif fault["type"] in ("model_type", "dict_type"):
        right = f"must be a mapping {'of ' + ', '.join(_parts_of(name)) if _parts_of(name) else 'of names to numbers'}"
    else:
        right = _RIGHT.get(fault["type"]) or right_of(fault, Policy.model_fields[name])
    about = Policy.model_fields[name].description
    raise bad_value(sources[name], path, fault["input"], f"{right} ({about})" if about else right)


def _parts_of(name: str) -> Collection[str]:
    """The fields of a field of the policy; none where it is a mapping of free names."""
    default = Policy.model_fields[name].default
    return type(default).model_fields if isinstance(default, Frozen) else ()


def _known(config: Config, book: PriceBook | None) -> dict[str, Collection[str]]:
    """The names that a list of the policy may hold, by field."""
    known: dict[str, Collection[str]] = {
        "providers": {provider for provider, _ in config.shapes},
        "minimum_monthly_usd_by_provider": {provider for provider, _ in config.shapes},
        "gpu_vendors": {gpu.vendor for gpu in config.gpus.values()},
        "gpus": config.gpus,
        "instance_types": {name for _, name in config.shapes},
        "region_kinds": REGION_KINDS,
        "tiers": [tier.value for tier in Tier],
    }
    if book is not None:
        known["markets"] = {"standard", *book.offers["market"].unique()}
        known["regions"] = {region for region, _ in regions_of(book)}
        known["round_trip_ms_by_region"] = known["regions"]
    return known


def regions_of(book: PriceBook) -> set[tuple[str, str]]:
    """(region, provider) pairs that the price book speaks of."""
    return {
        pair
        for table in (book.offers, book.missing)
        for pair in zip(table["region"], table["provider"], strict=True)
    }


def _check_names(policy: Policy, sources: Mapping[str, str], known: Mapping[str, Collection[str]]) -> None:
    for field, names in known.items():
        for name in getattr(policy, field) or ():
            if name not in names:
                raise bad_value(sources.get(field, _DEFAULTS), field, name, did_you_mean(name, names))


def _check_owners(
    policy: Policy, sources: Mapping[str, str], field: str, owned: Iterable[tuple[str, str]]
) -> None:
    """UsageError for a named region or instance type that belongs to providers left out alone."""
    named = getattr(policy, field)
    if named is None or policy.providers is None:
        return
    pairs = list(owned)
    for name in named:
        owners = sorted({provider for known, provider in pairs if known == name})
        if not set(owners) & set(policy.providers):
            allowed = ", ".join(policy.providers)
            right = f"belongs to {', '.join(owners)}, and providers ({sources['providers']}) are {allowed}"
            raise bad_value(sources[field], field, name, right)


def _with_named_vendors(policy: Policy, config: Config) -> Policy:
    """A GPU that is named is wanted, whoever makes it."""
    gpus = [*(policy.gpus or ())]
    named = policy.instance_types or ()
    gpus += [shape.gpu for (_, kind), shape in config.shapes.items() if kind in named]
    vendors = dict.fromkeys([*policy.gpu_vendors, *(config.gpus[gpu].vendor for gpu in gpus)])
    return policy.model_copy(update={"gpu_vendors": tuple(vendors)})
