"""Operations and memory of training, worked by hand from the papers' formulas."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from training_jobs import GPT, job, layouts

from optimiser import load_config
from optimiser.costing.training.job import LoraJob, Method, States
from optimiser.costing.training.layouts import ALL, CHEAP
from optimiser.costing.training.memory import activations, layer_activation_bytes, memory, score_bytes
from optimiser.costing.training.work import token_flops, trained_parameters
from optimiser.performance.parameters import active_parameter_count, lora_parameters, parameter_count
from optimiser.performance.specs import MoeSpec

# 32 layers × (12·4,096² + 2 norms × 4,096) + the last norm + 50,000 × 4,096, which the head shares.
GPT_WEIGHTS = 32 * (12 * 4096**2 + 2 * 4096) + 4096 + 50_000 * 4096


def test_training_takes_six_operations_a_weight_and_twelve_l_h_s_of_attention() -> None:
    flops = token_flops(GPT, job())
    assert flops.model == pytest.approx(6 * GPT_WEIGHTS + 12 * 32 * 4096 * 2048)
    assert flops.forward == pytest.approx(2 * GPT_WEIGHTS)
    assert flops.hardware(recomputed=False) == flops.model
    assert flops.attention == pytest.approx(4 * 32 * 4096 * 1024)  # half of all pairs are behind the mask


def test_recomputing_is_a_forward_pass_more() -> None:
    flops = token_flops(GPT, job())
    more = flops.hardware(recomputed=True) - flops.hardware(recomputed=False)
    assert more == pytest.approx(2 * GPT_WEIGHTS + 4 * 32 * 4096 * 2048)


def test_frozen_weights_take_four_operations_and_adapters_six() -> None:
    lora = job(method=Method.LORA, lora=LoraJob(rank=8))
    adapters = 8 * 32 * (4 * (4096 + 4096) + 2 * (4096 + 16_384))  # r·(n + m) of four and two products
    assert trained_parameters(GPT, lora) == adapters == lora_parameters(GPT, 8)
    flops = token_flops(GPT, lora)
    assert flops.forward + flops.backward == pytest.approx(4 * GPT_WEIGHTS + 6 * adapters)
    on_attention = job(method=Method.LORA, lora=LoraJob(rank=8, attention_only=True))
    assert trained_parameters(GPT, on_attention) == 8 * 32 * 4 * (4096 + 4096)


def test_a_mixture_takes_its_active_weights_alone() -> None:
    model = load_config().find_model("deepseek-v2")
    flops = token_flops(model, job())
    assert flops.forward == pytest.approx(2 * active_parameter_count(model))
    assert parameter_count(model) > 10 * active_parameter_count(model)


def test_layers_with_a_window_see_no_more_than_it() -> None:
    windowed = replace(GPT, sliding_window=512, sliding_layers=32)
    assert token_flops(windowed, job()).model == pytest.approx(6 * GPT_WEIGHTS + 12 * 32 * 4096 * 512)
    # A token at place p sees min(p, 512): 512 − 512²/(2·2,048) = 448 on average.
    assert token_flops(windowed, job()).attention == pytest.approx(4 * 32 * 4096 * 448)


def test_seven_billion_weights_take_112_gb_before_sharding() -> None:
    # ZeRO, section 3.1: 2 + 2 + 12 = 16 B a weight; 16 × 7e9 = 112 GB.
    held = memory(GPT, job(), layouts())
    sharded_by_nothing = float((held.weights + held.gradients + held.states)[0])
    assert sharded_by_nothing == pytest.approx(16 * GPT_WEIGHTS)
    assert sharded_by_nothing * 7e9 / GPT_WEIGHTS == pytest.approx(112e9)
    lean = memory(GPT, job(states=States.EIGHT_BIT), layouts())
    assert float(lean.states[0]) == pytest.approx(6 * GPT_WEIGHTS)


def test_zero_shards_states_then_gradients_then_weights() -> None:
    held = memory(GPT, job(), layouts(data=4.0, zero=[0.0, 1.0, 2.0, 3.0], micro_batches=256.0))
    each = held.weights + held.gradients + held.states
    assert each / GPT_WEIGHTS == pytest.approx([16, 2 + 2 + 3, 2 + 0.5 + 3, 4])
    assert np.all(np.diff(held.total) < 0)


def test_four_bit_weights_take_half_a_byte_and_the_embedding_two() -> None:
    held = memory(GPT, job(method=Method.QLORA, lora=LoraJob(rank=8)), layouts())
    adapters = trained_parameters(GPT, job(method=Method.QLORA, lora=LoraJob(rank=8)))
    assert float(held.weights[0]) == pytest.approx(
        (GPT_WEIGHTS - 50_000 * 4096) * 4.127 / 8 + 2 * 50_000 * 4096 + 2 * adapters
    )
    assert float(held.states[0]) == pytest.approx(12 * adapters)


def test_a_layer_keeps_34_h_a_token_but_for_the_masks_of_dropout() -> None:
    # Korthikanti et al., section 4.1: s·b·h·(34 + 5·a·s/h), of which two dropout masks of one byte are 2·h.
    assert layer_activation_bytes(GPT) == (34 - 2) * 4096
    assert score_bytes(GPT, 2048) == 5 * 32 * 2048


def test_activations_are_of_all_layers_over_tensor_ranks_and_one_input_a_layer_where_recomputed() -> None:
    tokens, flash = 2048, job()
    (kept,) = activations(GPT, flash, layouts(tensor=2.0))
    assert kept == pytest.approx((32 * 32 * 4096 + 4 * 50_000) * tokens / 2)
    (unfused,) = activations(GPT, job(flash_attention=False), layouts(tensor=2.0))
    assert unfused - kept == pytest.approx(5 * 32 * 2048 * 32 * tokens / 2)
    (again,) = activations(GPT, flash, layouts(tensor=2.0, recompute=ALL))
    assert again == pytest.approx((2 * 4096 * 32 + 4 * 50_000) * tokens / 2)  # logits outweigh one layer
    (cheap,) = activations(GPT, flash, layouts(tensor=2.0, recompute=CHEAP))
    assert kept - cheap == pytest.approx(2 * (2 * 4096 + 16_384) * 32 * tokens / 2)


def test_a_pipeline_holds_as_many_micro_batches_as_stages() -> None:
    # Section 4.2.3: L layers' worth on the first stage, 1 + (p − 1)/(p·v) times that where interleaved.
    layer = 32 * 4096 * 2048
    (plain,) = activations(GPT, job(), layouts(pipeline=4.0, micro_batches=8.0))
    assert plain == pytest.approx(32 * layer)
    (interleaved,) = activations(GPT, job(), layouts(pipeline=4.0, micro_batches=8.0, chunks=2.0))
    assert interleaved == pytest.approx(32 * layer * (1 + 3 / 8))


@given(
    data=st.sampled_from([2, 8, 64]),
    tensor=st.sampled_from([1, 2, 8]),
    pipeline=st.sampled_from([1, 2, 8]),
    experts=st.booleans(),
    states=st.sampled_from(States),
)
def test_a_higher_stage_of_zero_never_takes_more(
    data: int, tensor: int, pipeline: int, experts: bool, states: States
) -> None:
    moe = MoeSpec(experts=16, active=2, intermediate=4096) if experts else None
    spread = 2.0 if experts else 1.0
    at = layouts(
        data=float(data), tensor=float(tensor), pipeline=float(pipeline), zero=[0.0, 1.0, 2.0], expert=spread
    )
    held = memory(replace(GPT, moe=moe), job(states=states), at).total
    assert np.all(np.diff(held) <= 0)
