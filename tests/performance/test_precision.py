"""Estimates at precisions that were asked for: what is served, computed in what, and refused."""

from dataclasses import replace

import pytest
from asking import CHAT, MIX, bucket, estimates, one, refused
from hardware import FIT, GPUS, LLAMA_8B, LLAMA_70B, shape

from optimiser.config import load_config
from optimiser.errors import UsageError
from optimiser.performance.estimate import estimate_shapes
from optimiser.performance.estimate_types import Estimate, Rejection
from optimiser.performance.physics import Kernel
from optimiser.performance.precision import Served, served_on
from optimiser.performance.specs import ModelSpec
from optimiser.workload import Target


def test_precision_follows_the_gpu() -> None:
    assert refused(LLAMA_8B, shape("T4", 1), weight_precision="fp8").code == "precision"
    assert one(LLAMA_8B, shape("H100", 1)).setup.weight_precision == "bf16"
    wide = Target(ttft_ms=60_000, tpot_ms=500)
    turing = one(LLAMA_8B, shape("T4", 4, link="pcie"), wide)
    assert (turing.setup.weight_precision, turing.setup.kv_precision) == ("fp16", "fp16")
    assert any("no bf16" in note for note in turing.notes)
    for precision in ("fp4", "fp8"):
        packed = one(LLAMA_70B, shape("A100", 2), wide, weight_precision=precision)
        assert any("computed in 16 bit" in note for note in packed.notes)
        assert packed.low_confidence
    assert refused(LLAMA_8B, shape("T4", 1), wide, weight_precision="fp4").code == "precision"


def test_quantised_weights_and_cache_only_where_named() -> None:
    plain = one(LLAMA_70B, shape("H100", 4))
    small = one(LLAMA_70B, shape("H100", 4), weight_precision="fp8", kv_precision="fp8")
    assert (plain.setup.weight_precision, plain.setup.kv_precision) == ("bf16", "bf16")
    assert (small.setup.weight_precision, small.setup.kv_precision) == ("fp8", "fp8")
    assert small.requests_per_second > plain.requests_per_second


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight_precision": "fp6"}, "weight_precision = 'fp6'"),
        ({"kv_precision": "int5"}, "kv_precision = 'int5'"),
    ],
)
def test_unknown_precisions_are_named(change: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        estimates(LLAMA_8B, [shape("H100", 1)], **change)  # type: ignore[arg-type]


def test_a_cache_in_four_bit_needs_the_tensor_cores_and_takes_9_bytes_for_16_elements() -> None:
    assert refused(LLAMA_8B, shape("H100", 1), kv_precision="fp4").code == "precision"
    blackwell = replace(GPUS["H100"], dense_tflops={**GPUS["H100"].dense_tflops, "fp4": 4000})
    wide, narrow = (
        estimate_shapes(
            LLAMA_8B, MIX, None, [shape("H100", 1)], {"H100": blackwell}, FIT, kv_precision=precision
        )[0]
        for precision in ("bf16", "fp4")
    )
    assert isinstance(wide, Estimate)
    assert isinstance(narrow, Estimate)
    room = narrow.kv_room_tokens_per_replica / wide.kv_room_tokens_per_replica
    assert room == pytest.approx(2 / (9 / 16))
    assert any("NVFP4" in note for note in narrow.notes)


def test_unpacked_weights_of_a_dense_model_are_read_in_their_own_width_and_computed_nearly_as_fast() -> None:
    # A few sequences read 0.52 bytes a linear weight instead of 2; the head and the overheads stay as they are.
    alone = {
        precision: one(LLAMA_8B, shape("A100", 1), buckets=[bucket(64, 400)], weight_precision=precision)
        .load_points[0]
        .tpot_ms
        for precision in ("bf16", "int4")
    }
    assert 0.3 < alone["int4"] / alone["bf16"] < 0.75
    full = {
        precision: one(LLAMA_8B, shape("A100", 1), None, weight_precision=precision).requests_per_second
        for precision in ("bf16", "int4")
    }
    assert full["int4"] > 0.9 * full["bf16"]


def test_a_precision_is_not_served_where_the_engine_has_no_kernels_for_it() -> None:
    fit = replace(FIT, engines={"vllm": replace(FIT.engines["vllm"], without={"int8": ("Hopper",)})})
    shapes = [shape("H100", 1), shape("A100", 1)]
    refused, served = estimate_shapes(LLAMA_8B, MIX, CHAT, shapes, GPUS, fit, weight_precision="int8")
    assert isinstance(refused, Rejection)
    said = "vllm has no kernels for int8 weights on Hopper"
    assert (refused.code, refused.reason) == ("precision", said)
    assert isinstance(served, Estimate)
    assert isinstance(estimate_shapes(LLAMA_8B, MIX, CHAT, shapes, GPUS, fit)[0], Estimate)


def test_int8_weights_alone_are_unpacked_and_run_wherever_16_bit_does() -> None:
    # GPTQ's: no int8 tensor cores are needed and no int8 kernels of the engine, on Blackwell as on Volta.
    alone = replace(LLAMA_8B, computed_in={"int8": "bf16"})
    config = load_config()
    machines = {name: config.gpus[name] for name in ("V100", "A100-80GB", "H100", "B200", "B300")}
    asked = {name: replace(shape("H100", 1), gpu=name) for name in machines}
    for name, gpu in machines.items():
        both, weights = served_on(gpu, LLAMA_8B, "int8", None), served_on(gpu, alone, "int8", None)
        assert isinstance(weights, Served)
        assert weights.weight_tflops == weights.half_tflops
        assert weights.kernel is Kernel.UNPACKED
        # Weights and activations run at the int8 rate, which B300 has cut below its 16-bit rate, and V100 lacks.
        if name == "V100":
            assert isinstance(both, str)
            assert "int8 tensor cores" in both
        else:
            assert isinstance(both, Served)
            assert (both.weight_tflops, both.kernel) == (gpu.dense_tflops["int8"], Kernel.PLAIN)
    vllm = {"weight_precision": "int8", "engine": "vllm"}
    found = estimate_shapes(alone, MIX, CHAT, list(asked.values()), machines, config.fit, **vllm)
    assert all(isinstance(one, Estimate) for one in found)
    refused = estimate_shapes(LLAMA_8B, MIX, CHAT, [asked["B200"]], machines, config.fit, **vllm)
    assert isinstance(refused[0], Rejection)
    assert "vllm has no kernels for int8 weights on Blackwell" in refused[0].reason


def test_fp8_weights_alone_are_computed_in_16_bit_and_read_in_8() -> None:
    # compressed-tensors' W8A16: half the bytes of 16 bit, at its rate, on GPUs with fp8 as on those without.
    alone = replace(LLAMA_8B, computed_in={"fp8": "bf16"})
    gpus = load_config().gpus
    for name in ("A100-80GB", "H100", "B200"):
        served = served_on(gpus[name], alone, "fp8", None)
        assert isinstance(served, Served)
        assert (served.weight_tflops, served.kernel) == (gpus[name].dense_tflops["bf16"], Kernel.UNPACKED)
        assert served.notes == ()
    assert "need Ampere or newer" in str(served_on(gpus["V100"], alone, "fp8", None))

    def asked(model: ModelSpec, precision: str) -> Estimate:
        return one(model, shape("H100", 1), None, weight_precision=precision)

    wide, both, weights = asked(LLAMA_8B, "bf16"), asked(LLAMA_8B, "fp8"), asked(alone, "fp8")
    assert weights.weights_gib_per_gpu == both.weights_gib_per_gpu < 0.6 * wide.weights_gib_per_gpu
    # Long prompts are computing alone, which takes as long as in 16 bit or a little longer.
    prompts = [bucket(8000, 2)]
    ttft = {
        name: one(model, shape("H100", 1), None, buckets=prompts, weight_precision=precision).unloaded_ttft_ms
        for name, model, precision in (
            ("wide", LLAMA_8B, "bf16"),
            ("both", LLAMA_8B, "fp8"),
            ("alone", alone, "fp8"),
        )
    }
    assert ttft["both"] < 0.75 * ttft["wide"] < ttft["wide"] <= ttft["alone"] * 1.001 < 1.2 * ttft["wide"]
