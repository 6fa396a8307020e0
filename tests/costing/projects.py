"""Project files as tests write them, without anything that has to be planned."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

from optimiser.costing.project.budget import Budget, budget_of
from optimiser.costing.project.read import load_project

FIVE_LINES: dict[str, Any] = {
    "name": "by hand",
    "months": 12,
    "start": "2026-11",
    "data": {
        "licensing_usd": 1000,
        "licensing_usd_per_month": 10,
        "tb": 2,
        "collection_usd_per_tb": 300,
        "items": 500,
        "labelling_usd_per_item": 0.5,
        "labelling_usd_per_tb": 25,
        "storage": {"usd_per_gb_month": 0.02, "growth_per_month": 0.1},
        "month": 2,
    },
    "training": {"gpu_hours": 100, "usd_per_gpu_hour": 3, "runs": 2, "from_month": 3, "months": 2},
    "inference": {
        "usd_per_query": 0.001,
        "tokens_per_query": 1000,
        "users": 1000,
        "queries_per_user_day": 2.4,
        "growth_per_month": 0.5,
        "from_month": 11,
    },
    "maintenance": {
        "cycles_per_year": 4,
        "from_month": 7,
        "retraining": {"gpus": 8, "hours": 10, "usd_per_gpu_hour": 3},
        "new_data_tb": 1,
        "usd_per_tb": 60,
        "items": 200,
        "labelling_usd_per_item": 0.5,
    },
    "engineering": [
        {"role": "engineers", "people": 2, "salary_usd_per_year": 60000, "overhead": 1.5, "months": 2.5},
        {"role": "manager", "people": 0.5, "salary_usd_per_year": 48000, "from_month": 12},
    ],
}


def project_of(**changes: Any) -> dict[str, Any]:
    """The five lines with fields of one section changed, or a whole field replaced; None takes it away."""
    project = copy.deepcopy(FIVE_LINES)
    for name, change in changes.items():
        if isinstance(change, dict) and isinstance(project.get(name), dict):
            project[name] = {
                key: value for key, value in (project[name] | change).items() if value is not None
            }
        else:
            project[name] = change
    return {name: value for name, value in project.items() if value is not None}


def written(directory: Path, project: dict[str, Any]) -> Path:
    path = directory / "project.yaml"
    path.write_text(yaml.safe_dump(project, sort_keys=False), encoding="utf-8")
    return path


def budget_in(directory: Path, project: dict[str, Any]) -> Budget:
    return budget_of(load_project(written(directory, project)))
