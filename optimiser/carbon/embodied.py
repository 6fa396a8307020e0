"""What building a machine emitted, as a range: published figures for one GPU differ 2 to 4 times.

    kg CO2e per instance-hour = GPUs · (GPU + server per GPU) / (years · 8,760 · share of hours in use)

The low end takes the least published figures, the longest life and all hours in use; the high end the opposite.
"""

from __future__ import annotations

from dataclasses import dataclass, field

HOURS_PER_YEAR = 8760


@dataclass(frozen=True, kw_only=True)
class Span:
    """A low and a high figure, and where they are from."""

    low: float
    high: float
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Embodied:
    """kg CO2e of making each GPU and, per GPU, the server around it; years in use, and the share of their hours in
    which somebody pays for the machine."""

    gpus: dict[str, Span] = field(default_factory=dict)
    server_kg_per_gpu: Span = field(default_factory=lambda: Span(low=0.0, high=0.0))
    life_years: Span = field(default_factory=lambda: Span(low=3.0, high=6.0))
    hours_used_share: Span = field(default_factory=lambda: Span(low=0.5, high=1.0))


def kg_per_hour(known: Embodied, gpu: str, gpu_count: int) -> tuple[float, float] | None:
    """Low and high kg CO2e of an hour of so many GPUs with their servers; None for a GPU without a figure."""
    span, server = known.gpus.get(gpu), known.server_kg_per_gpu
    if span is None:
        return None
    most = known.life_years.high * HOURS_PER_YEAR * known.hours_used_share.high
    least = known.life_years.low * HOURS_PER_YEAR * known.hours_used_share.low
    return gpu_count * (span.low + server.low) / most, gpu_count * (span.high + server.high) / least
