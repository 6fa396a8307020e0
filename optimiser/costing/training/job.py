"""A training job, resolved: what is trained on how many tokens, by when, and what it keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Method(StrEnum):
    """What is trained: every weight (from scratch, or of a model that exists), or low-rank adapters beside frozen
    weights in 16 bit (LoRA, arXiv 2106.09685) or in 4 bit (QLoRA, arXiv 2305.14314).
    """

    PRETRAINING = "pretraining"
    FULL = "full"
    LORA = "lora"
    QLORA = "qlora"

    @property
    def adapters_alone(self) -> bool:
        """Whether the model's own weights stay as they are."""
        return self in (Method.LORA, Method.QLORA)


class States(StrEnum):
    """What AdamW keeps its two moments in, beside a 32-bit copy of each trained weight."""

    FP32 = "fp32"
    BF16 = "bf16"
    EIGHT_BIT = "8bit"


@dataclass(frozen=True, kw_only=True)
class LoraJob:
    """Rank of the adapters, and whether they lie on the attention projections alone or on every linear layer outside
    the routed experts.
    """

    rank: int = 16
    attention_only: bool = False


@dataclass(frozen=True, kw_only=True)
class Storage:
    """What lies in object storage while the job runs: the data in GB, how many checkpoints are kept, and USD per GB
    and month. checkpoint_gb is one checkpoint, None where it follows from the weights and the optimiser's states.
    """

    dataset_gb: float = 0.0
    checkpoints_kept: int = 3
    checkpoint_gb: float | None = None
    usd_per_gb_month: float = 0.023


@dataclass(frozen=True, kw_only=True)
class TrainingJob:
    """One job. tokens are trained on in all; a step takes batch_tokens of them in sequences of sequence_tokens.

    precision is "bf16" or "fp8" (products of linear layers alone). deadline_hours is from the day planned on;
    deadline_said says how it was given.
    """

    name: str
    model: str
    method: Method
    tokens: float
    sequence_tokens: int
    batch_tokens: float
    precision: str = "bf16"
    states: States = States.FP32
    lora: LoraJob = field(default_factory=LoraJob)
    flash_attention: bool = True
    deadline_hours: float
    deadline_said: str
    storage: Storage = field(default_factory=Storage)
    description: str = ""
    source: str = ""
    policy: Mapping[str, Any] = field(default_factory=dict)

    @property
    def batch_sequences(self) -> float:
        """Sequences of one optimiser step."""
        return self.batch_tokens / self.sequence_tokens
