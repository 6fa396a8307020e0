"""How long a step takes: exchanges and bubbles by hand, laws over layouts, layouts that are possible."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from training_jobs import GPT, job, layouts, node

from optimiser import load_config
from optimiser.costing.training.job import Method
from optimiser.costing.training.layouts import possible_layouts
from optimiser.costing.training.memory import memory
from optimiser.costing.training.pace import RUN_SHARE, paces, run_seconds, steps_of
from optimiser.costing.training.step import StepTime, mfu, step_time
from optimiser.costing.training.work import token_flops
from optimiser.performance.specs import MoeSpec

CONFIG = load_config()
PHYSICS = CONFIG.fit.physics
H100 = node(CONFIG, "aws", "p5.48xlarge")
A100 = node(CONFIG, "aws", "p4de.24xlarge")
A10G = node(CONFIG, "aws", "g5.12xlarge")


def time_of(at: object, asked: object = None, machine: object = H100) -> StepTime:
    return step_time(GPT, asked or job(), machine, PHYSICS, at)  # type: ignore[arg-type]


def test_the_bubble_is_p_minus_one_over_v_m_of_the_work() -> None:
    time = time_of(layouts(pipeline=8.0, micro_batches=[8.0, 64.0, 64.0], chunks=[1.0, 1.0, 4.0]))
    work = time.computing + time.stage_exchange
    # Handing over v chunks each takes v times as long; the bubble is of micro-batches as they are.
    assert time.idle_pipeline / work == pytest.approx([7 / 8, 7 / 64, 7 / (4 * 64)])


def test_tensor_ranks_exchange_four_all_reduces_a_layer() -> None:
    time = time_of(layouts(tensor=8.0))
    message = 2048 * 4096 * 2
    assert float(time.tensor_exchange[0]) == pytest.approx(
        32 * 4 * 2 * 7 / 8 * message / H100.link_bytes_per_s
    )


def test_reductions_hide_behind_a_micro_batch_and_no_more() -> None:
    # 16 bit of gradients and of weights, 4 B a weight, from each instance of eight ranks that share its network.
    held = 4.0 * (32 * (12 * 4096**2 + 2 * 4096) + 4096 + 50_000 * 4096)
    slow = replace(H100, network_bytes_per_s=1e9)
    time = time_of(layouts(nodes=2.0, data=16.0, zero=1.0), machine=slow)
    assert float(time.reduction[0]) == pytest.approx(held / 1e9 - float(time.computing[0]))
    assert float(time_of(layouts(nodes=2.0, data=16.0, zero=1.0)).reduction[0]) == 0


def test_a_token_goes_once_to_each_rank_that_has_one_of_its_experts() -> None:
    model = replace(GPT, moe=MoeSpec(experts=16, active=2, intermediate=4096))
    time = step_time(model, job(), H100, PHYSICS, layouts(data=8.0, expert=8.0, zero=1.0))
    hops = 7 * (1 - (7 / 8) ** 2)  # ranks that two draws of eight reach, but the own
    assert float(time.expert_exchange[0]) == pytest.approx(
        32 * 4 * hops * 2048 * 4096 * 2 / H100.link_bytes_per_s
    )


def test_mfu_is_model_operations_over_what_the_peak_would_do() -> None:
    at = layouts(nodes=2.0, data=16.0)
    (found,) = mfu(GPT, job(), H100, at, np.array([10.0]))
    assert found == pytest.approx(token_flops(GPT, job()).model * 1024 * 2048 / (10 * 16 * 989e12))


def test_four_bit_weights_are_shared_by_zero_alone() -> None:
    moe = replace(GPT, moe=MoeSpec(experts=16, active=2, intermediate=4096))
    at = possible_layouts(moe, job(method=Method.QLORA), 8, [1, 4])
    assert set(at.zero.tolist()) == {1, 2, 3}
    assert set((at.tensor * at.pipeline * at.expert).tolist()) == {1}
    assert possible_layouts(moe, job(method=Method.LORA), 8, [1]).tensor.max() == 8


def test_clean_runs_of_steps_lie_where_published_ones_do() -> None:
    # MPT 7B: 0.60 at most on A100 and 0.46 on H100 (llm-foundry); Megatron-LM on H100: 0.41 to 0.48.
    for machine, low, high in ((A100, 0.50, 0.65), (H100, 0.40, 0.55)):
        (found,) = paces(GPT, job(), machine, PHYSICS, [8])
        assert low < found.step_mfu < high
        assert found.step_hfu >= found.step_mfu
        assert found.mfu == pytest.approx(found.step_mfu * RUN_SHARE)


@settings(max_examples=25)
@given(
    data=st.sampled_from([16, 64, 256]),
    tensor=st.sampled_from([1, 2, 8]),
    zero=st.sampled_from([1, 2, 3]),
    sequences=st.sampled_from([1, 2]),
    machine=st.sampled_from([H100, A100, A10G]),
)
def test_more_gpus_in_the_same_layout_never_take_longer(
    data: int, tensor: int, zero: int, sequences: int, machine: object
) -> None:
    tensor = min(tensor, machine.gpus)  # type: ignore[attr-defined]
    ranks = np.array([data, 2.0 * data])
    at = layouts(
        nodes=list(ranks * tensor / machine.gpus),  # type: ignore[attr-defined]
        data=list(ranks),
        tensor=float(tensor),
        zero=float(zero),
        sequences=float(sequences),
        micro_batches=list(np.ceil(1024 / ranks / sequences)),
    )
    few, many = time_of(at, machine=machine).total
    assert many <= few * (1 + 1e-9)


def test_adapters_train_faster_than_all_weights_and_hold_less() -> None:
    at = layouts(data=8.0, zero=1.0, micro_batches=128.0)
    lora = job(method=Method.LORA)
    assert time_of(at, lora).total[0] < time_of(at).total[0]
    assert memory(GPT, lora, at).total[0] < memory(GPT, job(), at).total[0]


def test_possible_layouts_divide_gpus_heads_and_batches() -> None:
    at = possible_layouts(GPT, job(), 8, [1, 3])
    assert len(at)
    assert np.array_equal(at.tensor * at.pipeline * at.data, at.nodes * 8)
    assert (at.data * at.sequences <= 1024).all()
    assert (at.micro_batches * at.data * at.sequences >= 1024).all()
    assert not ((at.pipeline > 1) & (at.zero > 1)).any()
    large = possible_layouts(GPT, job(), 8, [128])
    assert large.data[large.zero == 3].max() == 512
    assert large.data[large.zero == 2].max() == 1024


def test_a_step_is_taken_for_the_last_tokens_and_takes_what_they_do() -> None:
    assert steps_of(job(tokens=10.0, batch_tokens=4.0)) == 3
    assert steps_of(job(tokens=12.0, batch_tokens=4.0)) == 3
    at, batch = layouts(data=8.0, zero=1.0, micro_batches=128.0), 1024 * 2048
    whole = float(time_of(at).total[0])
    for sequences, micro_batches in ((1024, 128), (256, 32), (17, 3), (0.5, 1)):
        asked = job(tokens=2.0 * batch + sequences * 2048)
        short = float(time_of(replace(at, micro_batches=np.array([float(micro_batches)]))).total[0])
        (found,) = run_seconds(GPT, asked, H100, PHYSICS, at, np.array([whole]))
        assert found == pytest.approx(2 * whole + short)


def hours(tokens: float) -> dict[int, float]:
    """Of a run, by instances."""
    return {pace.nodes: pace.hours for pace in paces(GPT, job(tokens=tokens), H100, PHYSICS, [1, 4])}


@settings(max_examples=20)
@given(tokens=st.floats(2**21, 2**24), more=st.floats(1.0, 1.5))
def test_a_run_on_more_tokens_never_takes_less(tokens: float, more: float) -> None:
    fewer, longer = hours(tokens), hours(tokens * more)
    assert all(longer[nodes] >= fewer[nodes] * (1 - 1e-9) for nodes in fewer)


def test_one_sequence_more_does_not_take_a_whole_step() -> None:
    # Beyond two steps of 1,024 sequences it is a micro-batch of at most 16 a rank, of which a step has at least 2.
    whole, beyond = hours(2.0 * 2**21), hours(2.0 * 2**21 + 2048)
    assert all(whole[nodes] < beyond[nodes] < 1.3 * whole[nodes] for nodes in whole)


def test_several_instances_need_a_network_that_is_known() -> None:
    assert {pace.nodes for pace in paces(GPT, job(), replace(H100, network_bytes_per_s=0.0), PHYSICS)} == {1}


def test_what_nothing_is_published_of_carries_more_error() -> None:
    (sure,) = paces(GPT, job(), H100, PHYSICS, [2])
    (pcie,) = paces(GPT, job(), A10G, PHYSICS, [2])
    (lora,) = paces(GPT, job(method=Method.LORA), H100, PHYSICS, [2])
    (newer,) = paces(GPT, job(), node(CONFIG, "aws", "p6-b200.48xlarge"), PHYSICS, [2])
    assert sure.relative_error < lora.relative_error == newer.relative_error < pcie.relative_error


def test_a_65b_model_has_room_for_adapters_on_48_gb_in_4_bit_alone() -> None:
    # QLoRA, arXiv 2305.14314, abstract: "finetune a 65B parameter model on a single 48GB GPU".
    llama_65b = replace(
        GPT, layers=80, hidden=8192, heads=64, kv_heads=64, intermediate=22_016, vocabulary=32_000, gated=True
    )
    l40s = node(CONFIG, "aws", "g6e.xlarge")
    small = {"sequence_tokens": 512, "batch_tokens": 16 * 512}
    assert paces(llama_65b, job(method=Method.QLORA, **small), l40s, PHYSICS, [1])
    assert not paces(llama_65b, job(method=Method.LORA, **small), l40s, PHYSICS, [1])
    # 16 B a weight of 7B are 112 GB: more than one GPU of 80 GB, less than two with their activations recomputed.
    single = replace(H100, gpus=1)
    assert not paces(GPT, job(**small), single, PHYSICS, [1])
    assert paces(GPT, job(**small), single, PHYSICS, [2])
