"""Measured operators as the library itself has them, and estimates made on them."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from aiconfigurator_core.sdk import common, config, models, perf_database
from aiconfigurator_core.sdk.backends.factory import get_backend
from aiconfigurator_core.sdk.step_estimate import MixedStepInput

from optimiser.cli import main
from optimiser.config import Config, load_config
from optimiser.performance.estimate import estimate_shapes
from optimiser.performance.estimate_types import Estimate, Rejection
from optimiser.silicon.coverage import Asked, config_of
from optimiser.silicon.library import NotMeasured, decode_ms, loaded, mixed_ms
from optimiser.silicon.surfaces import operators_of
from optimiser.workload import SizeBucket, Target
from providers.shape import GpuLink, InstanceShape, Obtainability, QuotaUnit

ROOT = Path(__file__).parents[2]
GPUS = ("A100-80GB", "H100", "H200", "B200", "B300", "GB200", "L40S", "RTX-PRO-6000")
DENSE = ("llama-3.1-8b", "qwen2.5-32b")
MIXTURES = ("mixtral-8x7b", "qwen3-30b-a3b", "deepseek-r1")


@cache
def shipped() -> Config:
    """The embedded config, without any of the user's own."""
    return load_config(ROOT / "config")


def shape(gpu: str, count: int = 8) -> InstanceShape:
    pcie = gpu in ("L40S", "RTX-PRO-6000")
    return InstanceShape(
        provider="test",
        instance_type=f"{count}x{gpu}",
        gpu=gpu,
        gpu_count=count,
        vcpus=8,
        memory_gib=4000,
        gpu_link=GpuLink.PCIE if pcie else GpuLink.NVLINK,
        network_gbps=None,
        obtainability=Obtainability.ELASTIC,
        quota_family="",
        quota_unit=QuotaUnit.GPU,
    )


def estimates(
    model: str,
    precision: str | None,
    on: Sequence[InstanceShape],
    *,
    silicon: bool = True,
    target: Target | None = None,
    kv_precision: str | None = None,
) -> list[Estimate | Rejection]:
    """Requests of 1,024 + 512 tokens on TensorRT-LLM."""
    known, sizes = shipped(), [SizeBucket(prompt_tokens=1024, output_tokens=512, share=1.0)]
    anchors = operators_of if silicon else None
    args = (known.models[model], sizes, target, on, known.gpus, known.fit, precision, kv_precision)
    return estimate_shapes(*args, "trtllm", anchors)


def llama_8b(mode: str = "fp8_static") -> Asked:
    return Asked(
        system="h100_sxm",
        engine="trtllm",
        config_json=json.dumps(config_of(shipped().models["llama-3.1-8b"])),
        dense_mode=mode,
        expert_mode="bfloat16",
        kv_mode="fp8",
        shards=1,
        ranks=1,
        stages=1,
        expert_splits=((1, 1),),
    )


def published(mode: str) -> tuple[object, object]:
    """Llama 3.1 8B as the library ships its description, and the H100's measurements."""
    chosen = config.ModelConfig(
        tp_size=1,
        gemm_quant_mode=common.GEMMQuantMode[mode],
        kvcache_quant_mode=common.KVCacheQuantMode.fp8,
        fmha_quant_mode=common.FMHAQuantMode.bfloat16,
        moe_quant_mode=common.MoEQuantMode.fp8,
    )
    database = perf_database.get_database("h100_sxm", "trtllm", "current")
    return models.get_model("meta-llama/Meta-Llama-3.1-8B", chosen, "trtllm"), database


# The library's own figures


@pytest.mark.parametrize("sequences", [1, 16, 256])
def test_a_decode_step_is_the_librarys_own(sequences: int) -> None:
    model, database = published("fp8_static")
    load = config.RuntimeConfig(batch_size=sequences, isl=1999, osl=2)
    own = get_backend("trtllm").run_static(model, database, load, "static_gen").get_generation_latency_dict()
    assert decode_ms(loaded(llama_8b()), sequences, 2000.0) == pytest.approx(sum(own.values()))


def test_a_mixed_step_is_the_librarys_own_where_its_scheduling_has_the_same_lengths() -> None:
    model, database = published("fp8_static")
    load = config.RuntimeConfig(isl=1024, osl=1024)
    step = MixedStepInput(context_tokens=2048, num_decode_requests=200)
    own = get_backend("trtllm").run_mixed(model, database, load, step)
    # It has sequences look back at the prompt and half the output.
    assert mixed_ms(loaded(llama_8b()), 200.0, 1536.0, 2048.0, 1024.0) == pytest.approx(
        own.latency_ms, rel=2e-3
    )


def test_the_operating_point_is_near_the_librarys_own() -> None:
    """Llama 3.1 8B in fp8 on one H100, 1,024 + 1,024 tokens, TTFT 2 s and TPOT 20 ms: 13,256 tokens/s in 0.12.0."""
    model, database = published("fp8")
    limits = config.RuntimeConfig(isl=1024, osl=1024, ttft=2000, tpot=20)
    best = get_backend("trtllm").find_best_agg_result_under_constraints(
        model, database, limits, top_k=1, max_batch_size=512, ctx_stride=512
    )
    theirs = float(best.get_summary_df()["tokens/s/gpu"].iloc[0])
    assert theirs == pytest.approx(13_256, rel=1e-3)
    known = shipped()
    sizes = [SizeBucket(prompt_tokens=1024, output_tokens=1024, share=1.0)]
    target = Target(ttft_ms=2000, tpot_ms=20, percentile=50)
    args = (
        known.models["llama-3.1-8b"],
        sizes,
        target,
        [shape("H100", 1)],
        known.gpus,
        known.fit,
        "fp8",
        "fp8",
    )
    (found,) = estimate_shapes(*args, "trtllm", operators_of)
    assert isinstance(found, Estimate)
    # Its batching leaves time between steps out, and takes at most 512 sequences; the products are counted dynamic.
    assert found.requests_per_second * 1024 == pytest.approx(theirs, rel=0.15)


def test_one_model_does_not_answer_for_another() -> None:
    def step_ms(name: str) -> float:
        spec = shipped().models[name]
        return decode_ms(loaded(replace(llama_8b(), config_json=json.dumps(config_of(spec)))), 64.0, 1000.0)

    small, large = step_ms("llama-3.2-1b"), step_ms("qwen2.5-14b")
    assert step_ms("llama-3.2-1b") == small
    # Weights of 1.2 and 14.8 billion parameters are what most of a step reads.
    assert 6.0 < large / small < 15.0


def test_what_was_not_measured_is_refused_in_few_words() -> None:
    with pytest.raises(NotMeasured, match=r"^GEMM perf data missing for quant 'int4_wo'$"):
        loaded(llama_8b("int4_wo"))


# Estimates


def test_an_estimate_says_what_it_rests_on() -> None:
    (found,) = estimates("llama-3.1-8b", None, [shape("H100", 1)])
    assert isinstance(found, Estimate)
    assert found.engine == "trtllm 1.3.0rc20"
    assert found.method.startswith(
        "measured operators of aiconfigurator-core 0.12.0 (h100_sxm, trtllm 1.3.0rc20)"
    )


def test_an_uncovered_card_keeps_the_rooflines_estimate_and_says_why() -> None:
    (plain,), (found,) = (
        estimates("llama-3.1-8b", None, [shape("L4", 1)], silicon=flag) for flag in (False, True)
    )
    assert isinstance(plain, Estimate)
    assert isinstance(found, Estimate)
    assert found == replace(plain, notes=found.notes)
    assert "no measurements on L4" in found.notes[-1]


def test_both_back_ends_agree_on_most_and_are_shown_where_they_do_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Offline rates on eight GPUs of every kind covered; mixtures of experts are looser."""
    ratios: dict[str, list[float]] = {}
    lines = []
    for model in (*DENSE, *MIXTURES):
        for precision in {"deepseek-r1": ("fp8",)}.get(model, ("bf16", "fp8")):
            shapes = [shape(gpu, 4 if gpu == "GB200" else 8) for gpu in GPUS]
            pairs = zip(
                estimates(model, precision, shapes, silicon=False),
                estimates(model, precision, shapes),
                strict=True,
            )
            for roofline, silicon in pairs:
                if isinstance(silicon, Rejection) or not silicon.method.startswith("measured operators"):
                    continue
                assert isinstance(roofline, Estimate)
                ratio = silicon.requests_per_second / roofline.requests_per_second
                ratios.setdefault(model, []).append(ratio)
                if not 1 / 1.3 <= ratio <= 1.3:
                    setup = f"TP{silicon.setup.tensor_parallel} × {silicon.setup.replicas_per_unit}"
                    rates = f"{roofline.requests_per_second:8.2f} {silicon.requests_per_second:8.2f}"
                    lines.append(
                        f"{model:14}{precision:6}{silicon.gpu:14}{setup:10}{rates} {ratio - 1:+7.0%}"
                    )
    compared = sum(len(some) for some in ratios.values())
    with capsys.disabled():
        print(f"\nRequests/s offline, roofline and silicon, over 30 % apart: {len(lines)} of {compared}")  # noqa: T201
        print("\n".join(lines))  # noqa: T201
    assert compared > 50
    for model, some in ratios.items():
        apart = sorted(max(ratio, 1 / ratio) - 1.0 for ratio in some)
        assert apart[len(apart) // 2] < (0.20 if model in DENSE else 0.40), model


def test_what_was_measured_whole_outranks_operators(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, workload, mine = tmp_path / "runs.csv", tmp_path / "batch.yaml", tmp_path / "mine"
    table.write_text("prompt_tokens,output_tokens,requests_per_second\n1024,512,9.0\n", encoding="utf-8")
    workload.write_text(
        "name: batch\nmodel: llama-3.1-8b\nengine: trtllm\nperformance: silicon\n"
        "demand: {requests_per_second: 5}\nsizes: {prompt_tokens: 1024, output_tokens: 512}\n"
        "policy: {providers: [gcp], gpus: [H100, A100-80GB]}\n",
        encoding="utf-8",
    )
    mine.mkdir()
    run = ("--gpu", "H100", "--gpu-count", "1", "--model", "llama-3.1-8b", "--weight-precision", "bf16")
    tool = ("--engine", "trtllm", "--engine-version", "1.0", "--config", str(mine))
    assert main(["measure", "import", str(table), *run, *tool]) == 0
    capsys.readouterr()
    assert main(["estimate", str(workload), "--format", "json", "--config", str(mine)]) == 0
    answers = json.loads(capsys.readouterr().out)
    methods = {one["instance_type"]: one["method"] for one in answers if one.get("method")}
    assert methods["a3-highgpu-1g"].startswith("anchored on 1 measurement")
    assert methods["a2-ultragpu-1g"].startswith("measured operators")


# Without a network

ASK = """
import socket, sys

def refuse(*args, **kwargs):
    raise SystemExit("network")

socket.socket.connect = socket.getaddrinfo = refuse
from optimiser.cli import main

sys.exit(main(["estimate", "chat-llama-70b", "--format", "json", *sys.argv[1:]]))
"""


def test_a_fresh_process_touches_no_network_and_the_library_says_nothing_by_itself() -> None:
    limits = ("--set", "performance=silicon", "--set", "engine=trtllm", "--set", "gpus=[H100]")
    ran = subprocess.run([sys.executable, "-c", ASK, *limits], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert any(one["method"].startswith("measured operators") for one in json.loads(ran.stdout))
