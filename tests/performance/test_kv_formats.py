"""Which engine has a KV cache in which format on which GPUs: one table of them all, written out from their pages.

vLLM: docs/design/attention_backends.md (FLASHINFER: fp8 at compute capability 7.x to 9.x; TRITON_ATTN:
int8_per_token_head; no MLA back end with int8), issues 43562 and 49011 (fp4 not on SM120), 52202 (latent attention on
Ampere in 16 bit alone). SGLang: docs/advanced_features/quantized_kv_cache.md and attention_backend.md. TensorRT-LLM:
docs/source/features/quantization.md (hardware support matrix), issue 10241 (fp4 not on SM120), pull request 18953.
"""

from dataclasses import replace

import pytest
from hardware import shape

from optimiser.config import load_config
from optimiser.performance.estimate import estimate_shapes
from optimiser.performance.estimate_types import Estimate, Rejection
from optimiser.performance.lifts import Asked
from optimiser.performance.why import explain
from optimiser.workload import SizeBucket

CONFIG = load_config()
DENSE, LATENT = CONFIG.find_model("llama-3.1-8b"), CONFIG.find_model("deepseek-v2")
GPUS = ("V100", "T4", "A100-80GB", "A10G", "L40S", "H100", "H100-NVL", "B200", "RTX-PRO-6000", "MI300X")
# In the order of GPUS: has it, has it in some releases or for some models (c), has it not (-).
TABLE = {
    ("vllm", "fp8"): "- - c c y y y y y y",
    ("vllm", "int8"): "- c c c c c c c c c",
    ("vllm", "fp4"): "- - - - - - - c - -",
    ("sglang", "fp8"): "- - c c y y y y y y",
    ("sglang", "int8"): "- - - - - - - - - -",
    ("sglang", "fp4"): "- - - - - - - c c -",
    ("trtllm", "fp8"): "- - c c y y y y y -",
    ("trtllm", "int8"): "- - - - - - - - - -",
    ("trtllm", "fp4"): "- - - - - - - c - -",
}
CELLS = [
    (engine, cache, gpu, cell)
    for (engine, cache), row in TABLE.items()
    for gpu, cell in zip(GPUS, row.split(), strict=True)
]
MIX = [SizeBucket(prompt_tokens=1000, output_tokens=500, share=1.0)]
LONG = [SizeBucket(prompt_tokens=30_000, output_tokens=1000, share=1.0)]


def answer(engine: str, gpu: str, cache: str | None, model=DENSE, gpus=CONFIG.gpus):
    (found,) = estimate_shapes(
        model,
        MIX,
        None,
        [shape(gpu, 8, network_gbps=None)],
        gpus,
        CONFIG.fit,
        kv_precision=cache,
        engine=engine,
    )
    return found


def to_be_checked(found: Estimate) -> bool:
    return any("check" in note and "KV cache" in note for note in found.notes)


@pytest.mark.parametrize(("engine", "cache", "gpu", "cell"), CELLS)
def test_a_cache_is_served_where_the_engine_has_it_and_told_of_where_only_some_releases_or_models_do(
    engine: str, cache: str, gpu: str, cell: str
) -> None:
    found, wide = answer(engine, gpu, cache), answer(engine, gpu, None)
    if cell == "-":
        assert isinstance(found, Rejection)
        if isinstance(wide, Rejection):
            assert found.code == wide.code == "engine"
        else:
            assert found.code == "precision"
            assert f"KV cache in {cache}" in found.reason
            assert engine in found.reason or gpu in found.reason
        return
    assert isinstance(found, Estimate)
    assert isinstance(wide, Estimate)
    assert found.setup.kv_precision == cache
    assert to_be_checked(found) is (cell == "c")
    assert found.low_confidence >= (cell == "c")
    # Half as many bytes for each token, or 9 for 16 elements, in the room that is left beside the same weights.
    narrower = 2 / (9 / 16) if cache == "fp4" else 2
    room = found.kv_room_tokens_per_replica / wide.kv_room_tokens_per_replica
    share = found.setup.tensor_parallel / wide.setup.tensor_parallel
    assert share != 1 or room == pytest.approx(narrower, rel=1e-6)


def test_the_reason_names_engine_format_and_generation() -> None:
    assert answer("sglang", "H100", "int8").reason == "sglang has no KV cache in int8 on Hopper"
    assert answer("vllm", "RTX-PRO-6000", "fp4").reason == "vllm has no KV cache in fp4 on Blackwell RTX"
    # An engine's list is of generations, so that none may be forgotten as generations come.
    for engine in ("sglang", "trtllm"):
        assert set(CONFIG.fit.engines[engine].kv_without["int8"]) == set(CONFIG.fit.generations)


@pytest.mark.parametrize("cache", [None, "bf16", "fp8"])
def test_sixteen_bit_and_fp8_where_there_are_tensor_cores_for_it_are_sure(cache: str | None) -> None:
    found = answer("vllm", "H100", cache)
    assert isinstance(found, Estimate)
    assert (found.low_confidence, found.notes) == (False, ())


@pytest.mark.parametrize(("gpu", "cache"), [("A100-80GB", "fp8"), ("H100", "int8"), ("B200", "fp4")])
def test_a_cache_of_which_no_figure_was_published_is_in_doubt(gpu: str, cache: str) -> None:
    sure, unsure = answer("vllm", gpu, None), answer("vllm", gpu, cache)
    # Half as much again, and where it is converted at least what two published pairs of runs were off.
    least = 0.20 if cache == "fp8" else 0.0
    assert unsure.relative_error == pytest.approx(max(1.5 * sure.relative_error, least))
    assert unsure.low_confidence
    assert any(f"no public measurement of a KV cache in {cache}" in note for note in unsure.notes)


def test_a_converted_cache_is_read_in_eight_bit_and_computed_as_ever() -> None:
    # The same A100 with fp8 tensor cores, which bf16 weights leave idle: no figure of the estimate may differ.
    real = CONFIG.gpus["A100-80GB"]
    gifted = replace(real, dense_tflops={**real.dense_tflops, "fp8": 1248.0})
    converted = answer("vllm", "A100-80GB", "fp8")
    native = answer("vllm", "A100-80GB", "fp8", gpus={**CONFIG.gpus, real.name: gifted})
    sure = {"notes": (), "relative_error": 0.0, "low_confidence": False}
    assert native.notes == ()
    assert replace(converted, **sure) == replace(native, **sure)


@pytest.mark.parametrize("engine", ["vllm", "sglang", "trtllm"])
def test_latent_attention_has_no_int8_cache_and_fp8_only_in_tensor_cores_for_it(engine: str) -> None:
    assert isinstance(answer(engine, "A100-80GB", None, LATENT), Estimate)
    for gpu, cache in (("A100-80GB", "fp8"), ("H100", "int8"), ("A100-80GB", "int8")):
        found = answer(engine, gpu, cache, LATENT)
        assert isinstance(found, Rejection)
        assert found.code == "precision"
        assert f"KV cache in {cache}" in found.reason
    assert isinstance(answer(engine, "H100", "fp8", LATENT), Estimate)


@pytest.mark.parametrize("engine", ["vllm", "sglang", "trtllm"])
@pytest.mark.parametrize("gpu", ["A100-80GB", "H100", "B200", "RTX-PRO-6000"])
def test_lifts_offer_the_caches_that_the_engine_has_and_say_what_is_to_be_checked(
    engine: str, gpu: str
) -> None:
    # Long contexts fill the KV cache, so that every narrower format lifts the rate.
    asked = Asked(
        model=DENSE, buckets=LONG, target=None, shape=shape(gpu, 1, network_gbps=None), gpus=CONFIG.gpus,
        fit=CONFIG.fit, engine=engine,
    )  # fmt: skip
    offered = {lift.change for lift in explain(asked).lifts if "KV cache" in lift.change}
    expected = set()
    for cache in ("fp8", "int8", "fp4"):
        cell = TABLE[engine, cache].split()[GPUS.index(gpu)]
        if cell != "-":
            expected.add(f"{cache} KV cache" + (", if the engine has it" if cell == "c" else ""))
    assert offered == expected


def test_another_engine_lifts_what_this_one_lacks_and_is_to_be_checked_too() -> None:
    asked = Asked(
        model=DENSE, buckets=LONG, target=None, shape=shape("H100", 1, network_gbps=None), gpus=CONFIG.gpus,
        fit=CONFIG.fit, kv_precision="int8", engine="sglang",
    )  # fmt: skip
    changes = {lift.change for lift in explain(asked).lifts}
    assert "engine vllm, if it has the KV cache" in changes
    assert not any(change.startswith("engine trtllm") for change in changes)
