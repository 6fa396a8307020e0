"""The JSON Schemas that the tool prints, each generated from the types it describes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from optimiser.errors import bad_value, did_you_mean


def schema_text(name: str) -> str:
    """The schema of that name as JSON. Raises UsageError."""
    if name not in SCHEMAS:
        raise bad_value("schema", "name", name, did_you_mean(name, SCHEMAS))
    return json.dumps(SCHEMAS[name](), indent=2, ensure_ascii=False) + "\n"


def _plan() -> dict[str, Any]:
    from optimiser.planning.plan_schema import plan_schema

    return plan_schema()


def _policy() -> dict[str, Any]:
    from optimiser.policy import Policy

    return Policy.model_json_schema()


def _workload() -> dict[str, Any]:
    from optimiser.workload.schema import WorkloadFields

    return WorkloadFields.model_json_schema()


def _job() -> dict[str, Any]:
    from optimiser.costing.training.job_file import JobFields

    return JobFields.model_json_schema()


def _training() -> dict[str, Any]:
    from optimiser.costing.training.plan import TRAINING_SCHEMA_VERSION, TrainPlan
    from optimiser.planning.plan_schema import schema_of

    return schema_of(TrainPlan, "Training plan", TRAINING_SCHEMA_VERSION)


def _together() -> dict[str, Any]:
    from optimiser.planning.plan_schema import schema_of
    from optimiser.planning.together.plan import SCHEMA_VERSION, TogetherPlan

    return schema_of(TogetherPlan, "Plan of services together", SCHEMA_VERSION)


def _project() -> dict[str, Any]:
    from optimiser.costing.project.schema import ProjectFields

    return ProjectFields.model_json_schema()


def _budget() -> dict[str, Any]:
    from optimiser.costing.project.budget import SCHEMA_VERSION, Budget
    from optimiser.planning.plan_schema import schema_of

    return schema_of(Budget, "Budget", SCHEMA_VERSION)


SCHEMAS: dict[str, Callable[[], dict[str, Any]]] = {
    "budget": _budget,
    "job": _job,
    "plan": _plan,
    "policy": _policy,
    "project": _project,
    "together": _together,
    "training": _training,
    "workload": _workload,
}
