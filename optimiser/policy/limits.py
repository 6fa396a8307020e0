"""How much may run and cost, what is paid beside instances, and when prices are called old."""

from __future__ import annotations

from pydantic import Field

from optimiser.policy.frozen import Frozen


class Overheads(Frozen):
    """Costs around the instances that no price list holds; all zero unless the user gives them."""

    usd_per_node_hour: float = Field(
        default=0, ge=0, le=1e6, description="USD per running instance and hour (disks, agents)"
    )
    usd_per_month: float = Field(
        default=0, ge=0, le=1e12, description="USD a month whatever runs (load balancer, control plane)"
    )
    percent: float = Field(
        default=0, ge=0, le=1e4, description="percent on top of instances and charges (support plan, tax)"
    )
    egress_usd_per_gb: float = Field(default=0, ge=0, le=1e6, description="USD per GB of text sent to users")
    # Bytes of a vLLM chunk of chat.completion.chunk with one token of 4 to 5 letters: "data: {…}" is 246 bytes.
    egress_bytes_per_output_token: float = Field(
        default=250,
        ge=0,
        le=1e6,
        description="bytes sent per output token: 250 streamed one by one, 5 in one answer",
    )


class Limits(Frozen):
    """How much may run and cost, what is paid beside instances, and when prices are called old."""

    within_quotas: bool = Field(
        default=False,
        description="keep within the quotas granted, as far as they are known; false shows what to ask for",
    )
    max_gpus: int | None = Field(
        default=None, ge=1, description="GPUs running at once, all purchases together; null is no limit"
    )
    max_monthly_usd: float | None = Field(
        default=None, gt=0, description="monthly budget in USD, expected over the scenarios; null is none"
    )
    overheads: Overheads = Overheads()
    carbon_usd_per_tonne: float = Field(
        default=0, ge=0, le=1e6, description="USD a tonne of CO2e that plans are weighed at; it is not billed"
    )
    max_monthly_kg_co2e: float | None = Field(
        default=None,
        gt=0,
        description="most that a plan may emit while it runs, kg CO2e a month; null is no cap",
    )
    price_age_note_days: int = Field(
        default=90, ge=0, description="the report's first line names a tier whose oldest price is older"
    )
    spot_age_note_days: int = Field(default=7, ge=0, description="the same for spot quotes")
    capacity_block_age_days: int = Field(
        default=14, ge=0, description="training: a Capacity Block at an older price is shown and not chosen"
    )
