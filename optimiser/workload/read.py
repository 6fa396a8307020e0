"""A workload file (YAML) to a `Workload`. The format is described in `optimiser.workload.schema`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optimiser.errors import UsageError, bad_value
from optimiser.files import read_yaml, yaml_value
from optimiser.workload import schema
from optimiser.workload.demand import demand_periods, workload_zone
from optimiser.workload.resolved import LoraAdapters, SpeculativeDecoding, Target, Techniques, Workload
from optimiser.workload.scenarios import demand_scenarios
from optimiser.workload.sizes import size_buckets
from optimiser.workload.trace import read_trace


def load_workload(path: Path, overrides: Mapping[str, str] | None = None) -> Workload:
    """Read one workload file and the files it names.

    overrides maps a dotted field to a YAML value that takes its place ("demand.scale": "2",
    "target.ttft_ms": "1500", "policy.max_spot_share": "0.5", "target": "null").

    Raises UsageError, with one message naming file, field, value and what would be right, for a file that is
    missing or no YAML, an unknown, missing or impossible field, and a profile, trace or quantile file that
    cannot be read as documented. `policy` is passed through unchecked.
    """
    where = str(path)
    raw = fields_of(path, "a workload is a mapping of fields such as `name: chat`", overrides)
    fields = schema.validate(where, raw)
    notes: list[str] = []
    name = fields.demand.trace
    trace = None if name is None else read_trace(path.parent / name, workload_zone(where, fields))
    buckets = size_buckets(path, fields.sizes, trace, notes)
    periods, timezone = demand_periods(path, fields, buckets, trace, notes)
    return Workload(
        name=fields.name,
        model=fields.model,
        target=_target(where, fields),
        buckets=buckets,
        periods=periods,
        scenarios=demand_scenarios(path, fields, buckets, (periods, timezone), notes),
        timezone=timezone,
        weight_precision=fields.weight_precision,
        kv_precision=fields.kv_precision,
        engine=fields.engine,
        techniques=_techniques(fields),
        performance=fields.performance,
        routing=fields.routing,
        description=fields.description,
        source=fields.source,
        policy=dict(fields.policy),
        notes=tuple(notes),
    )


def _target(where: str, fields: schema.WorkloadFields) -> Target | None:
    """The latency target. Raises UsageError where bursts are given twice."""
    if fields.target is None:
        return None
    target = Target(**fields.target.model_dump())
    if target.arrival_cv > 1 and target.service_arrival_cv > 1:
        right = "is of the whole service, target.arrival_cv of one replica: give one of the two"
        raise bad_value(where, "target.service_arrival_cv", target.service_arrival_cv, right)
    return target


def _techniques(fields: schema.WorkloadFields) -> Techniques:
    drafts, lora = fields.speculative_decoding, fields.lora
    return Techniques(
        speculative_decoding=None if drafts is None else SpeculativeDecoding(**drafts.model_dump()),
        lora=None if lora is None else LoraAdapters(**lora.model_dump()),
    )


def fields_of(path: Path, right: str, overrides: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The fields of a YAML file, overrides in their places. Raises UsageError; `right` says what such a file holds."""
    raw = read_yaml(path)
    if not isinstance(raw, dict):
        held = "is empty" if raw is None else f"holds {type(raw).__name__}, not fields"
        raise UsageError(f"{path}: {held}: {right}")
    _apply(str(path), raw, overrides or {})
    return raw


def _apply(where: str, raw: dict[str, Any], overrides: Mapping[str, str]) -> None:
    for dotted, text in overrides.items():
        *parents, last = dotted.split(".")
        section = raw
        for name in parents:
            if section.get(name) is None:
                section[name] = {}
            section = section[name]
            if not isinstance(section, dict):
                raise bad_value(where, dotted, text, f"{name} holds no fields that could be set")
        try:
            section[last] = yaml_value(text)
        except ValueError:
            raise bad_value(where, dotted, text, "a YAML value such as 2, fp8 or [aws, gcp]") from None
