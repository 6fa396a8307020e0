"""Questions whose estimates are explained, and the best answer to each."""

from dataclasses import replace

from hardware import FIT, GPUS, TRTLLM, VLLM

from optimiser.performance.estimate_types import Estimate
from optimiser.performance.lifts import Asked, best_of
from optimiser.performance.specs import ModelSpec
from optimiser.workload import SizeBucket, Target
from providers.shape import InstanceShape

CHAT = Target(ttft_ms=2000, tpot_ms=50)
MIX = [
    SizeBucket(prompt_tokens=200, output_tokens=50, share=0.3),
    SizeBucket(prompt_tokens=1000, output_tokens=200, share=0.5),
    SizeBucket(prompt_tokens=3000, output_tokens=400, share=0.2),
]
ENGINES = replace(
    FIT,
    engines={"vllm": VLLM, "trtllm": replace(TRTLLM, step_factor=0.8), "sglang": replace(VLLM, versions="")},
)


def asked(model: ModelSpec, on: InstanceShape, target: Target | None = CHAT, **more: object) -> Asked:
    fields = {"buckets": MIX, "gpus": GPUS, "fit": ENGINES} | more
    return Asked(model=model, shape=on, target=target, **fields)  # type: ignore[arg-type]


def estimated(question: Asked) -> Estimate:
    found = best_of(question.answers())
    assert found is not None
    return found
