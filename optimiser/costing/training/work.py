"""What training a token takes: operations with weights, operations of attention, weights that are trained."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimiser.costing.training.job import TrainingJob
from optimiser.performance.model_work import model_work
from optimiser.performance.parameters import active_parameter_count, lora_parameters, parameter_count
from optimiser.performance.specs import ModelSpec
from optimiser.performance.timing import looks_back

# FlashAttention's backward pass does five products where the forward pass does two, for it makes the scores anew
# (Dao, FlashAttention-2, arXiv 2307.08691, section 4.1).
ATTENTION_BACKWARD = 2.5


@dataclass(frozen=True, kw_only=True)
class TokenFlops:
    """Operations (a multiplication and an addition are two) of one token trained on, over all GPUs.

    forward and backward are products with weights; attention is the forward pass of the attention core as kernels do
    it, which pass over what a causal mask hides. model is what MFU counts by convention: no recomputation, and
    attention as if nothing were hidden (Chowdhery et al., PaLM, arXiv 2204.02311, appendix B).
    """

    forward: float
    backward: float
    attention: float
    model: float

    def hardware(self, *, recomputed: bool) -> float:
        """What HFU counts: model's operations, and those of the forward pass again where it is recomputed, attention as
        model counts it (PaLM, appendix B), so that HFU is never below MFU.
        """
        attention = (self.model - self.forward - self.backward) / 3
        return self.model + (self.forward + attention if recomputed else 0.0)


def adapter_parameters(model: ModelSpec, job: TrainingJob) -> float:
    """Weights of the adapters; 0 where the model's own weights are trained."""
    if not job.method.adapters_alone:
        return 0.0
    return lora_parameters(model, job.lora.rank, attention_only=job.lora.attention_only)


def trained_parameters(model: ModelSpec, job: TrainingJob) -> float:
    """Weights that have gradients and optimiser states."""
    return adapter_parameters(model, job) if job.method.adapters_alone else parameter_count(model)


def token_flops(model: ModelSpec, job: TrainingJob) -> TokenFlops:
    """The operations of one token.

    Products: 2·N forward, 2·N for the gradients of activations and 2·N for those of weights, N the weights that a
    token is multiplied with: 6·N (Kaplan et al., arXiv 2001.08361, section 2.1), of the active experts in a mixture.
    Frozen weights need no gradients of their own: 4·N, and adapters 6·N of theirs (Hu et al., LoRA, arXiv 2106.09685,
    section 4.2).
    Attention: 4·h·s a layer forward, twice that backward: 12·L·h·s in all (PaLM, appendix B); with grouped queries,
    latent attention and sliding windows as the architecture has it.
    """
    weights, adapters = active_parameter_count(model), adapter_parameters(model, job)
    frozen = job.method.adapters_alone
    forward = 2.0 * (weights + adapters)
    backward = 2.0 * weights + 4.0 * adapters if frozen else 4.0 * weights
    work = model_work(model, (("bf16", "bf16"),))
    sequence = job.sequence_tokens
    whole = float(looks_back(work, np.array(float(sequence)))) * work.prefill_attention_flops
    sliding = 1.0 - work.full_share
    seen = work.full_share * sequence / 2 + sliding * _seen_in_window(sequence, work.window_tokens)
    return TokenFlops(
        forward=forward,
        backward=backward,
        attention=seen * work.prefill_attention_flops,
        model=forward + backward + 3.0 * whole,
    )


def _seen_in_window(sequence: float, window: float) -> float:
    """Tokens that a token sees on average, of at most `window` before it: w − w²/2s where s > w, else s/2."""
    return window - window * window / (2 * sequence) if sequence > window else sequence / 2
