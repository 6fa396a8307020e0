"""What a project draws and emits, as expected: its serving month by month, and one run of what it trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from optimiser.costing.project.fleet_points import FleetPoint, between
from optimiser.costing.project.formulas import energy_kwh
from optimiser.costing.project.lines import Values, gpu_hours_of, monthly_queries
from optimiser.costing.project.read import compute_sections
from optimiser.costing.project.schema import ProjectFields
from optimiser.costing.project.serving import FleetCurve
from optimiser.costing.project.training_job import JobFigures


@dataclass(frozen=True, kw_only=True)
class RunEnergy:
    """One run of the section of that name: kWh at the building and kg CO2e; None where it is not known."""

    section: str
    kwh: float | None
    kg_co2e: float | None


@dataclass(frozen=True, kw_only=True)
class ProjectEnergy:
    """As expected, kWh at the building and kg CO2e of each month's serving, at the load of its hours and by the grids
    of its places, and of one run of what is trained. Making the machines is left out. None where it is not known.
    """

    inference_kwh: tuple[float | None, ...]
    inference_kg_co2e: tuple[float | None, ...]
    runs: tuple[RunEnergy, ...]


def energy_of(
    fields: ProjectFields, expected: Values, curve: FleetCurve | None, jobs: Sequence[JobFigures]
) -> ProjectEnergy | None:
    """Serving between its plans as its cost is, training as the plan of its job has it, own machines as the file has
    them; None for a project that neither serves nor trains.
    """
    computes = compute_sections(fields)
    if fields.inference is None and not computes:
        return None
    asked = [] if fields.inference is None else monthly_queries(fields, expected)
    by_section = {job.section: job for job in jobs}
    return ProjectEnergy(
        inference_kwh=tuple(_serving(curve, queries, "kwh_per_month") for queries in asked),
        inference_kg_co2e=tuple(_serving(curve, queries, "kg_co2e_per_month") for queries in asked),
        runs=tuple(
            _run(name, expected, by_section, owned=compute.owned is not None)
            for name, compute in computes.items()
        ),
    )


def _serving(
    curve: FleetCurve | None, queries: Decimal, part: Literal["kwh_per_month", "kg_co2e_per_month"]
) -> float | None:
    if not queries:
        return 0.0
    if curve is None or any(getattr(point, part) is None for point in curve.points):
        return None

    def figure(point: FleetPoint) -> Decimal:
        return Decimal(str(getattr(point, part)))

    return float(between(curve.points, queries, figure))


def _run(name: str, expected: Values, jobs: Mapping[str, JobFigures], *, owned: bool) -> RunEnergy:
    """Of own machines what their cost rests on: whose grid they draw from is in no field."""
    if owned:
        kw, pue = expected[f"{name}.owned.kw_per_gpu"], expected[f"{name}.owned.pue"]
        drawn = energy_kwh(kw, gpu_hours_of(name, expected), pue)
        return RunEnergy(section=name, kwh=float(drawn), kg_co2e=None)
    job = jobs.get(name)
    if job is None:
        return RunEnergy(section=name, kwh=None, kg_co2e=None)
    carbon = None if job.kg_co2e is None else float(job.kg_co2e.expected)
    return RunEnergy(section=name, kwh=float(job.kwh.expected), kg_co2e=carbon)
