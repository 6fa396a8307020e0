"""The workload file as its author writes it, field by field, and the message for the first thing wrong in it.

    name: chat                      required; what the service is called in reports
    description: …                  optional; free text
    source: …                       optional; where the demand and the sizes come from (shown with the plan)
    model: llama-3.1-70b            required; a name in config/models.yaml or the path of a config.json
    weight_precision: fp8           optional; what the checkpoint is published in where absent
    kv_precision: fp8               optional; the same for the key-value cache
    engine: vllm                    optional; the serving engine: vllm, sglang or trtllm
    speculative_decoding:           optional; drafts that the model checks, several tokens a step
      tokens_per_step: 2.4          tokens a sequence gains per step on average (its acceptance length)
      draft_tokens: 3               tokens proposed per step, 1 to 16
      draft_parameters: 0.99e9      optional, 0; weights of the draft that a token passes through (0: looked up)
      draft_layers: 1               optional, 1; layers of the draft
    lora: {adapters: 20, rank: 16}  optional; low-rank adapters held in GPU memory, all of one rank
    performance: silicon            optional, as in settings.yaml: roofline or silicon; what step times rest on
    timezone: Europe/Berlin         optional, UTC; zone of every time below that carries no UTC offset
    target:                         optional; absent means no latency target
      ttft_ms: 2000                 time to first token, ms, above 0
      tpot_ms: 50                   time per output token after the first, ms, above 0
      percentile: 95                at which both hold over the whole mix; 50 or more, below 100
      arrival_cv: 1                 optional; how bursty arrivals at a replica are: 1 is Poisson, 2 to 3 in bursts
      service_arrival_cv: 1         optional, instead: the same of the whole service, before it is spread over replicas
    demand:                         required; exactly one of the five kinds, and what goes with it
      requests_per_second: 12.5     one rate: a flat week (168 hourly periods)
      hourly_requests_per_second: [3.0, 2.5, …]   any number of hours, in order
      profile: file.csv             see `optimiser.workload.profile`
      trace: file.csv               or .parquet: see `optimiser.workload.trace`
      batch:                        scheduled work, spread evenly over a window that repeats through one week
        requests: 500000            requests per window; or
        input_tokens: 1.5e9         prompt tokens per window; and/or
        output_tokens: 1.0e8        output tokens per window (with the sizes, those given agree within 2 %)
        start: "22:00"              local time on the hour, "Sat 22:00" where every is week
        deadline_hours: 8           whole hours from start; at most 24 (day) or 168 (week)
        every: day                  day or week
        timezone: Europe/Berlin     optional; the workload's zone where absent
      start: 2026-01-05T00:00:00    optional, Monday 2026-01-05 00:00; when the first hour begins
      scale: 2.0                    optional, 1; multiplies every rate
    scenarios:                      optional; courses that demand may take: what runs all along suits them all
      - name: as usual              each with a name
        probability: 0.7            above 0; they add up to 1
        scale: 1.5                  and at most one of: every rate times this
        grow_per_month: 0.1         (1 + this)^months times every rate, above -1
        months: 6                   with it; months from now, above 0
        bad_day:                    one day of the horizon (local time), its rates
          factor: 2                 times this
          day: busiest              optional; a date such as 2026-01-06, or the day with most requests
        quantile: 0.9               each hour of the week at this quantile of its rates in a profile or trace of two
                                    weeks or more; of two days or more, each hour of the day
        demand: {…}                 a demand of its own, of as many periods
    sizes:                          required; exactly one of
      prompt_tokens: 1200           with output_tokens: one size for every request
      output_tokens: 250
      cached_prefix_tokens: 800     optional, 0; of the prompt, found in the KV cache and not computed again
      buckets: [{prompt_tokens: 400, output_tokens: 100, share: 0.7}, …]   shares sum to 1; each may have
                                    cached_prefix_tokens
      quantiles: file.csv           see `optimiser.workload.sizes`
      from_trace: true              the sizes in demand.trace
      trace: file.parquet           the sizes in another trace (which needs no times)
      cached_prefix_share: 0.4      optional, 0; of every prompt, where nothing above says how much is cached
    routing: by_size                optional, uniform; by_size sends each request size where it is served cheapest
    policy: {max_spot_share: 0.5}   optional; fields of the policy that differ for this workload

Files are named relative to the workload file.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from optimiser.errors import UsageError, bad_value, did_you_mean
from optimiser.field_faults import ONE_LINE, first_fault
from optimiser.workload.demand_fields import (
    BadDayFields,
    BatchFields,
    DemandFields,
    NotNegative,
    Positive,
    ScenarioFields,
    Section,
    check_demand,
    check_scenarios,
    not_bool,
)
from optimiser.workload.resolved import PERFORMANCE

Tokens = Annotated[float, BeforeValidator(not_bool), Field(ge=1)]
Whole = Annotated[int, BeforeValidator(not_bool)]


def _known_performance(value: object) -> object:
    if isinstance(value, str) and value not in PERFORMANCE:
        raise ValueError(f"{' or '.join(PERFORMANCE)}; {did_you_mean(value, PERFORMANCE)}")
    return value


class TargetFields(Section):
    ttft_ms: Positive = Field(description="time to first token in ms")
    tpot_ms: Positive = Field(description="time per output token in ms")
    percentile: Annotated[float, BeforeValidator(not_bool)] = Field(
        default=95.0, ge=50, lt=100, description="95 is p95; 50 or more and below 100"
    )
    arrival_cv: Annotated[float, BeforeValidator(not_bool)] = Field(
        default=1.0, ge=1, le=10, description="1 for Poisson arrivals at a replica, up to 10 for bursts"
    )
    service_arrival_cv: Annotated[float, BeforeValidator(not_bool)] = Field(
        default=1.0, ge=1, le=10, description="the same of the whole service, in the place of arrival_cv"
    )


class BucketFields(Section):
    prompt_tokens: Tokens = Field(description="prompt length in tokens")
    output_tokens: Tokens = Field(description="output length in tokens")
    share: Annotated[float, BeforeValidator(not_bool)] = Field(
        gt=0, le=1, description="share of all requests"
    )
    cached_prefix_tokens: NotNegative = Field(default=0.0, description="of the prompt, found in the KV cache")


class SizesFields(Section):
    prompt_tokens: Tokens | None = Field(default=None, description="prompt length in tokens")
    output_tokens: Tokens | None = Field(default=None, description="output length in tokens")
    cached_prefix_tokens: NotNegative | None = Field(
        default=None, description="of the prompt, found in the KV cache"
    )
    cached_prefix_share: Annotated[float, BeforeValidator(not_bool)] | None = Field(
        default=None, ge=0, lt=1, description="share of every prompt found in the KV cache, below 1"
    )
    buckets: tuple[BucketFields, ...] | None = Field(
        default=None, min_length=1, description="a list of {prompt_tokens, output_tokens, share}"
    )
    quantiles: str | None = Field(
        default=None, min_length=1, description="a CSV: field, quantile_pct, tokens"
    )
    from_trace: bool = Field(default=False, description="true takes the sizes in demand.trace")
    trace: str | None = Field(
        default=None, min_length=1, description="a CSV or Parquet file, one row a request"
    )


class SpeculativeFields(Section):
    tokens_per_step: Annotated[float, BeforeValidator(not_bool)] = Field(
        ge=1, description="tokens a sequence gains per step on average, 1 or more"
    )
    draft_tokens: Whole = Field(ge=1, le=16, description="tokens proposed per step, 1 to 16")
    draft_parameters: NotNegative = Field(
        default=0.0, le=1e12, description="weights of the draft; 0 where drafts are looked up"
    )
    draft_layers: Whole = Field(default=1, ge=1, le=200, description="layers of the draft")


class LoraFields(Section):
    adapters: Whole = Field(ge=1, le=10_000, description="adapters held in GPU memory at once")
    rank: Whole = Field(ge=1, le=1024, description="rank of every adapter, such as 16")


class WorkloadFields(Section):
    name: str = Field(min_length=1, pattern=ONE_LINE, description="what the service is called")
    description: str = Field(default="", description="free text")
    source: str = Field(default="", description="where demand and sizes come from")
    model: str = Field(min_length=1, description="a name in config/models.yaml or the path of a config.json")
    weight_precision: str | None = Field(default=None, description="such as bf16, fp8, int4")
    kv_precision: str | None = Field(default=None, description="such as bf16, fp8")
    engine: str = Field(default="vllm", min_length=1, description="vllm, sglang or trtllm")
    speculative_decoding: SpeculativeFields | None = Field(
        default=None, description="tokens_per_step, draft_tokens, draft_parameters and draft_layers"
    )
    lora: LoraFields | None = Field(default=None, description="adapters and rank")
    performance: Annotated[str | None, BeforeValidator(_known_performance)] = Field(
        default=None, description="what step times rest on"
    )
    timezone: str | None = Field(default=None, description="an IANA time zone such as Europe/Berlin")
    target: TargetFields | None = Field(default=None, description="ttft_ms, tpot_ms and percentile")
    demand: DemandFields = Field(
        description="requests_per_second, hourly_requests_per_second, profile, trace or batch"
    )
    scenarios: tuple[ScenarioFields, ...] | None = Field(
        default=None, min_length=1, description="a list of {name, probability, and how demand differs}"
    )
    sizes: SizesFields = Field(
        description="prompt_tokens with output_tokens, buckets, quantiles, from_trace or trace"
    )
    routing: Literal["uniform", "by_size"] = Field(default="uniform", description="uniform or by_size")
    policy: dict[str, Any] = Field(
        default_factory=dict, description="fields of the policy, such as max_spot_share: 0.5"
    )


_SECTIONS: dict[tuple[str, ...], type[Section]] = {
    (): WorkloadFields,
    ("target",): TargetFields,
    ("speculative_decoding",): SpeculativeFields,
    ("lora",): LoraFields,
    ("demand",): DemandFields,
    ("demand", "batch"): BatchFields,
    ("scenarios",): ScenarioFields,
    ("scenarios", "bad_day"): BadDayFields,
    ("scenarios", "demand"): DemandFields,
    ("scenarios", "demand", "batch"): BatchFields,
    ("sizes",): SizesFields,
    ("sizes", "buckets"): BucketFields,
}


def validate(where: str, raw: dict[str, Any]) -> WorkloadFields:
    """The fields of one workload file; UsageError names the first wrong one and what would be right."""
    try:
        fields = WorkloadFields.model_validate(raw)
    except ValidationError as error:
        raise first_fault(where, error, _SECTIONS) from None
    check_demand(where, "demand", fields.demand)
    if fields.scenarios:
        check_scenarios(where, fields.scenarios)
    _check_sizes(where, fields.sizes)
    drafts = fields.speculative_decoding
    if drafts and drafts.tokens_per_step > drafts.draft_tokens + 1:
        right = (
            f"at most draft_tokens + 1 = {drafts.draft_tokens + 1}: all proposed and the model's own next one"
        )
        raise bad_value(where, "speculative_decoding.tokens_per_step", drafts.tokens_per_step, right)
    return fields


def _check_sizes(where: str, sizes: SizesFields) -> None:
    pair = [name for name in ("prompt_tokens", "output_tokens") if getattr(sizes, name) is not None]
    others = [name for name in ("buckets", "quantiles", "from_trace", "trace") if getattr(sizes, name)]
    if len(others) + bool(pair) != 1:
        kinds = "prompt_tokens with output_tokens, buckets, quantiles, from_trace: true, trace"
        raise bad_value(where, "sizes", ", ".join(pair + others) or None, f"exactly one of {kinds}")
    if len(pair) == 1:
        missing = "output_tokens" if pair[0] == "prompt_tokens" else "prompt_tokens"
        raise UsageError(f"{where}: sizes.{missing} is missing: it goes with sizes.{pair[0]}")
    if sizes.cached_prefix_tokens is not None and not pair:
        right = "goes with prompt_tokens; buckets and traces have their own, and cached_prefix_share goes with all"
        raise bad_value(where, "sizes.cached_prefix_tokens", sizes.cached_prefix_tokens, right)
