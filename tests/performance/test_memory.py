"""Does it fit: weights, reserve, KV room and host RAM worked by hand."""

import numpy as np
import pytest
from hardware import DEEPSEEK_R1, LLAMA_8B, LLAMA_70B, TRTLLM, VLLM, hardware
from hypothesis import given
from hypothesis import strategies as st

from optimiser.performance.layouts import Array, Layouts
from optimiser.performance.memory import GIB, MIB, MemoryNeed, host_ram_needed_gib, memory_need
from optimiser.performance.model_work import model_work
from optimiser.performance.physics import Engine
from optimiser.performance.setups import Candidate, layouts_of
from optimiser.performance.specs import ModelSpec

H100_MIB = 81559


def array(*values: float) -> Array:
    return np.array(values, dtype=np.float64)


def laid_out(*splits: tuple[int, int, int]) -> Layouts:
    """Set-ups of so many shards, ranks and stages each."""
    return layouts_of(
        [
            Candidate(
                hardware=hardware("H100", 8),
                shards=shards,
                ranks=ranks,
                stages=stages,
                instances=1,
                replicas=1,
            )
            for shards, ranks, stages in splits
        ]
    )


SEQUENCES = 1024.0


def need(
    model: ModelSpec,
    shards: int,
    ranks: int = 1,
    stages: int = 1,
    precision: str = "bf16",
    engine: Engine = VLLM,
) -> MemoryNeed:
    work = model_work(model, [(precision, "bf16")])
    chunk = 8192.0
    split = laid_out((shards, ranks, stages))
    return memory_need(work, model.intermediate, chunk, array(SEQUENCES), array(H100_MIB), engine, split)


def test_llama_70b_on_eight_h100_by_hand() -> None:
    found = need(LLAMA_70B, 8)
    weights = 2 * 70_553_706_496 / 8
    # A chunk's activations, and float32 logits over the vocabulary of every sequence.
    reserve = 1.5 * GIB + 8192 * 2 * (4 * 8192 + 2 * 28672 / 8) + SEQUENCES * 128_256 * 4
    assert found.weights_bytes_per_gpu[0] == pytest.approx(weights, rel=1e-6)
    assert found.reserve_bytes_per_gpu[0] == pytest.approx(reserve)
    room = 8 * (0.9 * H100_MIB * MIB - weights - reserve)
    assert found.kv_room_bytes[0] == pytest.approx(room, rel=1e-6)
    # 327,680 bytes per token of context at 16 bit, so about 1.38 million tokens.
    assert found.kv_room_bytes[0] / 327_680 == pytest.approx(1.380e6, rel=0.001)


def test_an_engine_that_shares_out_what_is_left_has_more_room_the_larger_the_weights() -> None:
    """70 GB of weights on one H100: 0.9 of 85.5 GB leaves 3.8 GB less than nothing much, 0.9 of the rest ten."""
    free = need(LLAMA_70B, 1, precision="fp8", engine=TRTLLM)
    taken = free.weights_bytes_per_gpu[0] + free.reserve_bytes_per_gpu[0]
    assert free.kv_room_bytes[0] == pytest.approx(0.9 * (H100_MIB * MIB - taken))
    whole = need(LLAMA_70B, 1, precision="fp8")
    assert whole.kv_room_bytes[0] == pytest.approx(0.9 * H100_MIB * MIB - taken)
    assert free.kv_room_bytes[0] > 2 * whole.kv_room_bytes[0]
    assert need(LLAMA_70B, 1, engine=TRTLLM).kv_room_bytes[0] < 0


def test_stages_split_weights_as_shards_do() -> None:
    split = need(LLAMA_70B, 4, stages=2).weights_bytes_per_gpu
    assert split == pytest.approx(need(LLAMA_70B, 8).weights_bytes_per_gpu)


def test_shards_beyond_the_kv_heads_hold_copies() -> None:
    assert need(LLAMA_70B, 8).kv_copies[0] == 1
    assert need(LLAMA_70B, 16).kv_copies[0] == 2


def test_every_shard_holds_the_mla_latent_but_attention_ranks_hold_their_own() -> None:
    sharded, ranked = need(DEEPSEEK_R1, 16, precision="fp8"), need(DEEPSEEK_R1, 1, ranks=16, precision="fp8")
    assert sharded.kv_copies[0] == 16
    assert ranked.kv_copies[0] == 1
    # What is not routed is on every rank: attention, dense and shared parts, embeddings.
    routed = 58 * 256 * 3 * 7168 * 2048
    total = model_work(DEEPSEEK_R1, [("fp8", "bf16")]).resident_bytes.item()
    assert ranked.weights_bytes_per_gpu[0] == pytest.approx((total - routed) + routed / 16)
    assert sharded.weights_bytes_per_gpu[0] == pytest.approx(total / 16)


def test_weights_larger_than_the_gpu_leave_no_room() -> None:
    assert need(LLAMA_70B, 1).kv_room_bytes[0] < 0
    assert need(LLAMA_8B, 1).kv_room_bytes[0] > 0


def test_host_ram_is_a_fifth_above_the_weights_of_one_host() -> None:
    weights = model_work(LLAMA_70B, [("bf16", "bf16")]).resident_bytes.item()
    assert host_ram_needed_gib(weights, 1) == pytest.approx(1.2 * 2 * 70_553_706_496 / 2**30, rel=1e-6)
    assert host_ram_needed_gib(weights, 2) == pytest.approx(host_ram_needed_gib(weights, 1) / 2)


def test_select_keeps_rows_together() -> None:
    work = model_work(LLAMA_8B, [("bf16", "bf16")])
    splits = laid_out((1, 1, 1), (2, 1, 1), (4, 1, 1))
    mib = array(20000, 40000, 80000)
    three = memory_need(work, 14336, 8192.0, np.full(3, 256.0), mib, VLLM, splits)
    picked = three.select(np.array([2, 0]))
    assert picked.weights_bytes_per_gpu.tolist() == three.weights_bytes_per_gpu[[2, 0]].tolist()
    assert picked.kv_room_bytes.tolist() == three.kv_room_bytes[[2, 0]].tolist()


@given(
    mib=st.floats(10_000, 300_000),
    more=st.floats(1, 2),
    shards=st.sampled_from([1, 2, 4, 8]),
    model=st.sampled_from([LLAMA_8B, LLAMA_70B]),
    engine=st.sampled_from([VLLM, TRTLLM]),
)
def test_more_memory_never_leaves_less_room(
    mib: float, more: float, shards: int, model: ModelSpec, engine: Engine
) -> None:
    work = model_work(model, [("bf16", "bf16")])
    split = laid_out((shards, 1, 1), (shards, 1, 1))
    both = array(mib, mib * more)
    room = memory_need(
        work, model.intermediate, 8192.0, np.full(2, SEQUENCES), both, engine, split
    ).kv_room_bytes
    assert room[1] >= room[0]
