"""Estimates of training against figures that their authors published."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest
from training_jobs import job

from optimiser import Policy, load_config
from optimiser.costing.training.accuracy.__main__ import main
from optimiser.costing.training.accuracy.judge import TrainingAccuracy, judge
from optimiser.costing.training.accuracy.targets import targets
from optimiser.costing.training.interruptions import checkpoint_gb
from optimiser.costing.training.job import TrainingJob
from optimiser.costing.training.market import Market, Price
from optimiser.costing.training.node import node_of
from optimiser.costing.training.pace import paces
from optimiser.costing.training.ways import Terms, ways

COLUMNS = (
    "model,params_b,active_params_b,tokens_t,hardware,gpu_count,gpu_hours,mfu,mfu_source,tdp_w,energy_mwh,tco2e,source,"
    "verified,notes"
)
ROWS = (
    # Llama 2, arXiv 2307.09288, table 2.
    "Llama-2-7B,6.74,6.74,2.0,A100,,184320,,,400,,31.22,paper,read,",
    "Llama-2-13B,13.02,13.02,2.0,A100,,368640,,,400,,62.44,paper,read,",
    "Llama-2-34B,33.7,33.7,2.0,A100,,1038336,,,350,,153.9,paper,read,",
    "Llama-2-70B,68.98,68.98,2.0,A100,,1720320,,,400,,291.42,paper,read,",
    # Llama 3.1's model card; 15.6 T tokens by arXiv 2407.21783.
    "Llama-3.1-405B,405.85,405.85,15.6,H100,16384,30840000,,,700,,8930,paper,read,",
    "Llama-3.1-8B,8.03,8.03,15.0,H100,,1460000,,,700,,420,card,read,15T+",
    "Llama-3.1-70B,70.55,70.55,15.0,H100,,7000000,,,700,,2040,card,read,15T+",
    # DeepSeek-V2, arXiv 2405.04434, section 3.2.3: 300.6K and 172.8K H800-hours per trillion tokens.
    "DeepSeek-67B (per 1T tokens),67.4,67.4,1.0,H800,,300600,,,,,,paper,read,",
    "DeepSeek-V2 (per 1T tokens),236,21,1.0,H800,,172800,,,,,,paper,read,",
    # DeepSeek-V3, arXiv 2412.19437, table 1.
    "DeepSeek-V3 pretraining,671,37,14.8,H800,2048,2664000,,,,,,paper,read,FP8 training",
    # BLOOM, arXiv 2211.02001: 1,082,990 A100-hours, 433,196 kWh, 24.7 t.
    "BLOOM-176B,176.2,176.2,0.366,A100,384,1082990,,,400,433.196,24.7,paper,read,366B tokens",
    # llm-foundry, scripts/train/benchmarking: MPT 7B on 8 GPUs.
    'MPT 7b,6.66,,,A100 80GB,8,,0.5767,,,,,llm-foundry,read,"seqlen 2048, prec amp_bf16, HFU 57.67"',
    'MPT 7b,6.66,,,H100 80GB BF16,8,,0.4644,,,,,llm-foundry,read,"seqlen 2048, prec amp_bf16, HFU 46.44"',
    # What is no clean run.
    "Llama-3-8B,8.03,8.03,15.0,H100,,1300000,,,700,,390,card,read,15T+ tokens",
    "DeepSeek-V3 total,671,37,14.8,H800,2048,2788000,,,,,,paper,read,",
    "Falcon-40B,41.8,41.8,1.0,A100,384,552960,,,,,,card,memory,approx",
    "Somebody's 3B,3,3,1.0,H100,64,30000,,,,,,blog,read,",
    "PaLM 8B,8,8,0.78,TPUv4,64,800000,,,,,,paper,read,",
    "Megatron 2B,2,2,,H100,,,0.41,,,,,readme,read,",
)


def recipe_of_405b() -> TrainingJob:
    """Llama 3.1 405B: 15.6 T tokens in sequences of 8,192, 16 M a step (arXiv 2407.21783, section 3.4)."""
    return job(model="llama-3.1-405b", tokens=15.6e12, sequence_tokens=8192, batch_tokens=16.0e6)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "runs.csv"
    path.write_text("\n".join((COLUMNS, *ROWS)) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def found(table: Path) -> TrainingAccuracy:
    return judge(table, load_config())


def test_gpu_hours_of_clean_runs_are_within_a_fifth_at_the_median(found: TrainingAccuracy) -> None:
    assert len(found.whole) == 9
    assert median(one.error for one in found.whole) <= 0.20
    assert median(found.left_one_out()) <= 0.20  # each by a share that the others alone say
    assert all(one.error < 0.2 for one in found.throughputs)


def test_whole_runs_are_predicted_as_the_hours_that_a_job_on_their_cluster_takes(
    found: TrainingAccuracy,
) -> None:
    config, run = load_config(), recipe_of_405b()
    model = config.find_model("llama-3.1-405b")
    shape = next(one for one in config.shapes.values() if one.instance_type == "p5.48xlarge")
    machine = node_of(shape, config.gpus[shape.gpu], config.fit, "bf16")
    assert not isinstance(machine, str)
    (pace,) = paces(model, run, machine, config.fit.physics, [2048])
    terms = Terms(
        deadline_hours=1e6, checkpoint_gb=checkpoint_gb(model, run), frozen_gb=0, storage_usd_per_hour=0,
        start_up=config.settings.start_up, policy=Policy(performance_confidence=0.5),
    )  # fmt: skip
    here = Market(
        provider="aws", region="r", region_kind="region", shape=shape,
        on_demand=[Price(offer_id="a", usd_per_hour=50, most_instances=1e9)],
    )  # fmt: skip
    (way,) = ways(here, pace, terms)
    judged = next(one for one in found.whole if one.run.model == "Llama-3.1-405B")
    assert judged.predicted * 15.6 == pytest.approx(way.hours * 16_384)
    assert way.hours > 1.05 * pace.hours  # failures are in it, once


def test_experts_and_latent_attention_save_two_fifths_of_a_dense_models_hours(
    found: TrainingAccuracy,
) -> None:
    by_model = {one.run.model: one for one in found.whole}
    dense, mixture = (by_model[f"DeepSeek-{name} (per 1T tokens)"] for name in ("67B", "V2"))
    assert dense.predicted == pytest.approx(300_600, rel=0.20)
    assert mixture.predicted == pytest.approx(172_800, rel=0.20)
    assert 1 - mixture.predicted / dense.predicted == pytest.approx(0.425, abs=0.10)


def test_what_is_left_out_says_why(found: TrainingAccuracy) -> None:
    reasons = {run.model: why for run, why in found.left_out}
    assert "lower bound" in reasons["Llama-3-8B"]
    assert "further stages" in reasons["DeepSeek-V3 total"]
    assert "memory" in reasons["Falcon-40B"]
    assert "not known here" in reasons["Somebody's 3B"]
    assert "TPUv4" in reasons["PaLM 8B"]
    assert "cluster of known size" in reasons["Megatron 2B"]
    assert len(found.whole) + len(found.throughputs) + len(found.left_out) == found.rows == len(ROWS)


def test_energy_and_carbon_that_authors_state_follow_from_their_own_hours_to_one_per_cent(
    found: TrainingAccuracy,
) -> None:
    held = {one.what: one for one in targets(found)}
    # 1,720,320 h × 400 W = 688.128 MWh; × 1.1 × 0.385 = 291.42 t, which its table says.
    carbon = held["Llama-2-70B, t CO2e at 0.4235 kg/kWh"]
    assert carbon.published == 291.42
    assert carbon.ours == pytest.approx(688.128 * 0.4235)
    # (420 + 2,040) t over (1,022 + 4,900) MWh are 0.4154 kg/kWh: 30.84 M h × 700 W = 21,588 MWh are 8,968 t of 8,930.
    llama = held["Llama-3.1-405B, t CO2e at 0.4154 kg/kWh"]
    assert llama.ours == pytest.approx(8967.7, abs=0.1)
    assert llama.error == pytest.approx(0.0042, abs=1e-4)
    # 1,082,990 h × 400 W = 433.196 MWh, which BLOOM's authors give.
    assert held["BLOOM-176B, MWh (published)"].error < 1e-9
    identities = [one for one in held.values() if one.identity]
    assert {one.what for one in identities} == {name for name in held if "MWh" in name or "t CO2e" in name}
    assert len(identities) == 12
    assert all(one.met and one.target == 0.01 for one in identities)


def test_a_target_is_missed_where_the_error_is_larger(found: TrainingAccuracy) -> None:
    other = replace(found.energies[0], tonnes=found.energies[0].tonnes * 1.02)
    held = targets(replace(found, energies=(other,)))[-1]
    assert (round(held.error, 2), held.met) == (0.02, False)


def test_the_command_reports_in_text_and_json(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(table)]) == 0
    text = capsys.readouterr().out
    assert "median error" in text
    assert re.search(r"Llama-2-7B, t CO2e at 0.4235 kg/kWh +31.22 +31.22 +0.01% +1% met", text)
    assert re.search(r"% of H800-hours saved +42.51 +[0-9.]+ +[0-9.]+% +20% (met|missed)", text)
    assert "Left out: 8 rows" in text
    predictions, identities = text.split("\nIdentities: ")
    assert re.search(r"\nPredictions: [0-5] of 5 met\n", predictions)
    assert identities.splitlines()[0].endswith("published energy and carbon: 12 of 12 met")
    assert "t CO2e" not in predictions
    assert "H800-hours" not in identities
    assert main([str(table), "--format", "json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert len(content["whole_runs"]) == 9
    assert content["median_error_left_one_out"] <= 0.20
    kinds = [one["kind"] for one in content["targets"]]
    assert (kinds.count("prediction"), kinds.count("identity")) == (5, 12)


def test_a_bad_table_is_told_by_line_and_column(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(f"{COLUMNS}\n" + ROWS[0].replace("184320", "many") + "\n", encoding="utf-8")
    assert main([str(path)]) == 2
    assert f"{path} line 2: gpu_hours = 'many': must be a number" in capsys.readouterr().err
    path.write_text("model,hardware\nLlama-2-7B,A100\n", encoding="utf-8")
    assert main([str(path)]) == 2
    assert "column 'params_b' is missing" in capsys.readouterr().err
    assert main([str(tmp_path / "none.csv")]) == 2
    assert "none.csv" in capsys.readouterr().err
