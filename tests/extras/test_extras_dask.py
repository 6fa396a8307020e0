"""Many workloads on a cluster: a Dask scheduler and two workers of their own on this machine, reached over TCP."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import LocalCluster

from optimiser import pool
from optimiser.cli import main

CHAT = """
name: chat
model: llama-3.1-8b
target: {ttft_ms: 2000, tpot_ms: 60, percentile: 95}
demand: {requests_per_second: 2}
sizes: {prompt_tokens: 800, output_tokens: 200}
"""
FEW = ("--gpu", "L4", "--provider", "gcp", "--as-of", "2026-11-21", "--format", "json")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    cluster = LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", protocol="tcp://", dashboard_address=None
    )
    with cluster:
        yield cluster.scheduler_address


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in (1, 2, 3):
        text = CHAT.replace("second: 2", f"second: {number}").replace("name: chat", f"name: chat-{number}")
        (tmp_path / f"chat-{number}.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "impossible.yaml").write_text(CHAT.replace("ttft_ms: 2000", "ttft_ms: 1"), encoding="utf-8")
    return tmp_path


def test_plans_made_on_a_cluster_are_those_made_here(
    address: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["recommend", str(folder), *FEW, "--jobs", "1"]) == 3
    here = capsys.readouterr()
    for reached in (address, address.replace("tcp://", "dask://")):
        assert main(["recommend", str(folder), *FEW, "--cluster", reached]) == 3
        assert capsys.readouterr() == here
    last = json.loads(here.out.splitlines()[-1])
    assert (last["workload"], last["exit_code"]) == ("impossible", 3)


def test_a_model_that_only_we_can_read_travels_with_the_work(
    address: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "chat-1.yaml"
    model = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "hidden_size": 4096,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336,
        "vocab_size": 128256, "max_position_embeddings": 131072, "torch_dtype": "bfloat16",
        "tie_word_embeddings": False,
    }  # fmt: skip
    (folder / "own").mkdir()
    (folder / "own" / "config.json").write_text(json.dumps(model), encoding="utf-8")
    # A relative path: where the workers run, nothing is there.
    path.write_text(path.read_text(encoding="utf-8").replace("llama-3.1-8b", "own"), encoding="utf-8")
    monkeypatch.chdir(folder)
    assert main(["recommend", "chat-1.yaml", "chat-2.yaml", *FEW, "--cluster", address]) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert first["totals"]["total_monthly_usd"]


def test_a_cluster_that_does_not_answer_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "ANSWERS_WITHIN_SECONDS", 1)
    assert main(["recommend", str(folder), *FEW, "--cluster", "dask://127.0.0.1:9"]) == 1
    ran = capsys.readouterr()
    assert ran.out == ""
    assert ran.err.startswith("error: --cluster dask://127.0.0.1:9: no cluster answers there: ")
    assert ran.err.count("\n") == 1
