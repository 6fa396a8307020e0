"""A training job's file, field by field, and the `TrainingJob` that it means.

name: pretrain-7b               required; what the job is called in reports
description: …  source: …       optional; free text
model: llama-2-7b               required; a name in config/models.yaml or the path of a config.json
method: pretraining             required; pretraining, full (fine-tuning), lora or qlora
tokens: 2.0e+12                 required; tokens trained on, all epochs together
sequence_tokens: 4096           required; tokens of a sequence
batch_tokens: 4194304           optional; tokens of an optimiser step: 4,194,304 for pre-training, else 64 sequences
precision: bf16                 optional; bf16, or fp8 (products of linear layers)
optimiser_states: fp32          optional; fp32, bf16 or 8bit: what AdamW keeps its moments in
lora: {rank: 16, targets: all}  optional, for lora and qlora; targets: all linear layers, or attention's alone
flash_attention: true           optional; false keeps attention's scores in memory
deadline_days: 60               optional; days from now, or finish_by; 90 where neither is given
finish_by: 2027-03-01           optional; by the beginning of that day (UTC), from the end of the day planned on
storage:                        optional; what is stored while the job runs
  dataset_gb: 8000              optional, 0
  checkpoints_kept: 3           optional
  checkpoint_gb: 94             optional; follows from weights and optimiser states where absent
  usd_per_gb_month: 0.023       optional
policy: {providers: [aws]}      optional; fields of the policy that differ for this job
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from optimiser.costing.training.job import LoraJob, Method, States, Storage, TrainingJob
from optimiser.errors import UsageError, bad_value, did_you_mean
from optimiser.field_faults import ONE_LINE, first_fault
from optimiser.workload.demand_fields import NotNegative, Positive, Section, not_bool
from optimiser.workload.read import fields_of

# Llama 2 took 4 M tokens a step (arXiv 2307.09288, section 2.2); fine-tuning takes some dozens of sequences.
PRETRAINING_BATCH_TOKENS = 4_194_304
FINE_TUNING_BATCH_SEQUENCES = 64
DEFAULT_DAYS, MOST_DAYS = 90.0, 3650
# Amazon S3 Standard, first 50 TB a month in us-east-1, USD per GB-month (from memory).
USD_PER_GB_MONTH = 0.023
# Of the policy what means something for a job that has no requests: the rest is refused rather than passed over.
POLICY_FIELDS = (
    "providers", "regions", "region_kinds", "gpu_vendors", "gpus", "instance_types", "markets", "tiers",
    "max_commitment_months", "allow_upfront", "assume_obtainable", "max_spot_share", "spot_price_floor_share",
    "spot_price_percentile", "spot_history_days", "spot_max_usd_per_hour", "spot_min_discount",
    "spot_interruptions_per_hour", "spot_replacement_minutes", "spot_for_groups", "weights_load_gb_per_s",
    "performance_margin", "performance_confidence", "within_quotas", "max_gpus", "max_monthly_usd",
    "max_committed_monthly_usd", "overheads", "carbon_usd_per_tonne", "price_age_note_days", "spot_age_note_days",
    "capacity_block_age_days",
)  # fmt: skip

_DAYS, _DATE = "deadline_days", "finish_by"
# What every workload has, and every training job.
_OF_WORKLOADS, _OF_JOBS = {"demand", "sizes"}, {"method", "tokens", "sequence_tokens"}

Whole = Annotated[int, BeforeValidator(not_bool)]


class LoraFields(Section):
    rank: Whole = Field(default=16, ge=1, le=1024, description="rank of the adapters, such as 16")
    targets: Literal["all", "attention"] = Field(default="all", description="all or attention")


class StorageFields(Section):
    dataset_gb: NotNegative = Field(default=0.0, le=1e9, description="GB of data")
    checkpoints_kept: Whole = Field(default=3, ge=0, le=1000, description="checkpoints kept at once")
    checkpoint_gb: NotNegative | None = Field(default=None, le=1e9, description="GB of one checkpoint")
    usd_per_gb_month: NotNegative = Field(
        default=USD_PER_GB_MONTH, le=100, description="USD per GB and month"
    )


class JobFields(Section):
    name: str = Field(min_length=1, pattern=ONE_LINE, description="what the job is called")
    description: str = Field(default="", description="free text")
    source: str = Field(default="", description="where its figures come from")
    model: str = Field(min_length=1, description="a name in config/models.yaml or the path of a config.json")
    method: Literal["pretraining", "full", "lora", "qlora"] = Field(
        description="pretraining, full, lora or qlora"
    )
    tokens: Positive = Field(le=1e16, description="tokens trained on, all epochs together")
    sequence_tokens: Whole = Field(ge=16, le=10_000_000, description="tokens of a sequence")
    batch_tokens: Positive | None = Field(default=None, le=1e12, description="tokens of an optimiser step")
    precision: Literal["bf16", "fp8"] = Field(default="bf16", description="bf16 or fp8")
    optimiser_states: Literal["fp32", "bf16", "8bit"] = Field(
        default="fp32", description="fp32, bf16 or 8bit"
    )
    lora: LoraFields | None = Field(default=None, description="rank and targets")
    flash_attention: bool = Field(default=True, description="whether attention's scores are never written")
    deadline_days: Positive | None = Field(default=None, le=MOST_DAYS, description="days from now")
    finish_by: date | None = Field(default=None, description="a date such as 2027-03-01")
    storage: StorageFields = Field(
        default_factory=StorageFields,
        description="dataset_gb, checkpoints_kept, checkpoint_gb, usd_per_gb_month",
    )
    policy: dict[str, Any] = Field(
        default_factory=dict, description="fields of the policy, such as providers: [aws]"
    )


_SECTIONS: dict[tuple[str, ...], type[Section]] = {
    (): JobFields,
    ("lora",): LoraFields,
    ("storage",): StorageFields,
}


def load_job(path: Path, as_of: date, overrides: Mapping[str, str] | None = None) -> TrainingJob:
    """Read one job's file, planned on as_of; overrides are those of load_workload.

    Raises UsageError, naming file, field, value and what would be right.
    """
    where = str(path)
    fields = _fields(path, overrides or {})
    method = Method(fields.method)
    check_policy(f"{where}: policy", fields.policy)
    if fields.lora and not method.adapters_alone:
        right = f"goes with method lora or qlora, not {method}: leave it out (--set lora=null)"
        raise bad_value(where, "lora", fields.lora.model_dump(), right)
    if method.adapters_alone and fields.precision != "bf16":
        raise bad_value(
            where, "precision", fields.precision, f"bf16: adapters of {method} are trained in 16 bit"
        )
    if fields.tokens < fields.sequence_tokens:
        right = f"one sequence at the least (sequence_tokens = {fields.sequence_tokens:,})"
        raise bad_value(where, "tokens", fields.tokens, right)
    batch = fields.batch_tokens or _usual_batch(method, fields)
    if batch < fields.sequence_tokens or batch > fields.tokens:
        right = f"from one sequence ({fields.sequence_tokens:,}) to all tokens ({fields.tokens:,.0f})"
        raise bad_value(where, "batch_tokens", batch, right)
    hours, said = _deadline(where, fields, as_of)
    lora = fields.lora or LoraFields()
    return TrainingJob(
        name=fields.name,
        model=fields.model,
        method=method,
        tokens=fields.tokens,
        sequence_tokens=fields.sequence_tokens,
        batch_tokens=batch,
        precision=fields.precision,
        states=States(fields.optimiser_states),
        lora=LoraJob(rank=lora.rank, attention_only=lora.targets == "attention"),
        flash_attention=fields.flash_attention,
        deadline_hours=hours,
        deadline_said=said,
        storage=Storage(**fields.storage.model_dump()),
        description=fields.description,
        source=fields.source,
        policy=dict(fields.policy),
    )


def _fields(path: Path, overrides: Mapping[str, str]) -> JobFields:
    """The fields that a file gives. Raises UsageError, for a workload too."""
    where = str(path)
    raw = fields_of(path, "a training job is a mapping of fields such as `method: lora`", overrides)
    if raw.keys() >= _OF_WORKLOADS and not raw.keys() & _OF_JOBS:
        needed = ", ".join(sorted(_OF_JOBS))
        raise UsageError(
            f"{where}: is a workload, which `optimiser recommend` plans: a training job has {needed}"
        )
    _typed_deadline(raw, overrides)
    try:
        return JobFields.model_validate(raw)
    except ValidationError as error:
        raise first_fault(where, error, _SECTIONS) from None


def check_policy(where: str, fields: Mapping[str, Any]) -> None:
    """Raises UsageError for a field of the policy that means nothing for a training job."""
    for name, value in fields.items():
        if name not in POLICY_FIELDS:
            right = f"means nothing for a training job; {did_you_mean(name, POLICY_FIELDS)}"
            raise bad_value(where, name, value, right)
        if name == "max_spot_share" and value != 0:
            right = "is a share of capacity that serves: of a training job 0 alone means something, no spot"
            raise bad_value(where, name, value, right)


def _typed_deadline(raw: dict[str, Any], overrides: Mapping[str, str]) -> None:
    """A deadline that was typed takes the place of the file's, however that is given."""
    for typed, other in ((_DAYS, _DATE), (_DATE, _DAYS)):
        if typed in overrides and other not in overrides and raw[typed] is not None:
            raw.pop(other, None)


def _usual_batch(method: Method, fields: JobFields) -> float:
    """The batch where none is given, no more than there are tokens."""
    sequences = FINE_TUNING_BATCH_SEQUENCES * fields.sequence_tokens
    usual = (
        max(PRETRAINING_BATCH_TOKENS, fields.sequence_tokens) if method is Method.PRETRAINING else sequences
    )
    return float(max(min(usual, fields.tokens), fields.sequence_tokens))


def _deadline(where: str, fields: JobFields, as_of: date) -> tuple[float, str]:
    """Hours until the end, and how they were given."""
    if fields.deadline_days is not None and fields.finish_by is not None:
        raise bad_value(where, "finish_by", fields.finish_by, "give it or deadline_days, not both")
    if fields.deadline_days is not None:
        return fields.deadline_days * 24, f"deadline_days = {fields.deadline_days:g}"
    if fields.finish_by is None:
        return DEFAULT_DAYS * 24, "no deadline is given"
    # Of the day planned on nothing says how much is over, and the same day must give the same plan: none of it counts.
    days = (fields.finish_by - as_of).days - 1
    if not 0 < days <= MOST_DAYS:
        right = f"must leave 1 to {MOST_DAYS:,} days: from the end of {as_of}, which is planned on, it is {days:,}"
        raise bad_value(where, "finish_by", fields.finish_by, right)
    return days * 24.0, f"finish_by = {fields.finish_by}, from the end of {as_of}"
