"""The answer of `optimiser train`: a value that report, JSON and CSV read and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from optimiser.planning.price_ages import OldestPrice

TRAINING_SCHEMA_VERSION = "1.1"


@dataclass(frozen=True, kw_only=True)
class TrainLeg:
    """Machines paid one way for part of the run: hours it lasts, hours that each instance is paid for, USD per
    instance-hour and in all. upfront_usd is cash up front, a part of usd: of a commitment what is paid at the start of
    each of its terms, a Capacity Block whole. Of the whole leg: interruptions expected, hours between two of them,
    hours of work between two checkpoints, share of its hours that is lost to checkpoints, work done again and restarts.
    """

    tier: str
    offer_id: str
    zone: str
    term_months: int
    usd_per_instance_hour: Decimal
    hours: float
    billed_hours_per_instance: Decimal
    usd: Decimal
    upfront_usd: Decimal
    interruptions: float
    interruptions_per_instance_hour: float
    interruptions_source: str
    mtbf_hours: float
    checkpoint_every_hours: float
    wasted_share: float
    observed_on: date


@dataclass(frozen=True, kw_only=True)
class TrainChoice:
    """A job on one cluster, paid in one way. hours and USD are at the pace planned on; estimated_hours are those of the
    estimate itself without interruptions. mfu is of the run between failures against peak_tflops, the 16-bit peak of a
    GPU, step_mfu of steps alone, step_hfu with forward passes that are done again. carbon_usd is what its CO2e weighs
    in the choice at the policy's price: it is billed to nobody and no part of total_usd. upfront_usd is cash up front,
    a part of machines_usd.
    """

    how: str
    provider: str
    region: str
    region_kind: str
    instance_type: str
    gpu: str
    instances: int
    gpus: int
    obtainability: str
    tensor: int
    pipeline: int
    data: int
    expert: int
    zero: int
    micro_batch_sequences: int
    micro_batches: int
    chunks: int
    recompute: str
    memory_gib_per_gpu: float
    step_seconds: float
    peak_tflops: float
    mfu: float
    step_mfu: float
    step_hfu: float
    relative_error: float
    estimated_hours: float
    hours: float
    gpu_hours: float
    machines_usd: Decimal
    overheads_usd: Decimal
    storage_usd: Decimal
    total_usd: Decimal
    carbon_usd: Decimal
    upfront_usd: Decimal
    legs: tuple[TrainLeg, ...]
    oldest_prices: tuple[OldestPrice, ...]


@dataclass(frozen=True, kw_only=True)
class TrainTier:
    """The cheapest choice of one way to pay, and why it may not be chosen; or why there is none."""

    how: str
    choice: TrainChoice | None
    why_not: str


@dataclass(frozen=True, kw_only=True)
class TrainWork:
    """What is to be done, whatever does it: operations of a token (model FLOPs, as MFU counts them) and of the whole
    job, weights in all, met by a token and trained, optimiser steps, GB of a checkpoint.
    """

    parameters: float
    active_parameters: float
    trained_parameters: float
    flops_per_token: float
    total_flops: float
    steps: int
    checkpoint_gb: float


@dataclass(frozen=True, kw_only=True)
class TrainEnergy:
    """kWh of GPUs at their boards' full power, hosts and fans, times PUE, and t CO2e from the region's grid (year) by
    method, the one for all places considered; embodied, the run's part of what making the machines emitted, low and
    high t CO2e. None: not known."""

    kwh: float
    pue: float | None
    tonnes_co2e: float | None
    gco2_per_kwh: float | None
    method: str
    year: int | None
    embodied_tonnes_low: float | None
    embodied_tonnes_high: float | None


@dataclass(frozen=True, kw_only=True)
class TrainQuota:
    """What the cluster counts in a quota, and what is granted where that is known."""

    provider: str
    region: str
    family: str
    unit: str
    spot: bool
    needed: int
    granted: float | None


@dataclass(frozen=True, kw_only=True)
class TrainPlan:
    """The cheapest way found to train a job by its deadline, and what else was compared.

    estimate_usd and estimate_hours are the same cluster and way at the estimate itself, where the choice plans on its
    lower bound; confidence says at which odds (None: performance_margin is planned on).
    """

    schema_version: str
    generated_by: str
    job: str
    source: str
    model: str
    method: str
    tokens: float
    sequence_tokens: int
    batch_tokens: float
    precision: str
    planned_on: date
    deadline_hours: float
    deadline: str
    confidence: float | None
    carbon_usd_per_tonne: float
    work: TrainWork
    choice: TrainChoice
    estimate_hours: float
    estimate_usd: Decimal
    energy: TrainEnergy
    quotas: tuple[TrainQuota, ...]
    tiers: tuple[TrainTier, ...]
    alternatives: tuple[TrainChoice, ...]
    rejected: tuple[str, ...]
    old_prices: tuple[str, ...]
    notes: tuple[str, ...]
