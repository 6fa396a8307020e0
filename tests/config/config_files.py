"""Config files as a user writes them, and the message that a faulty one ends in."""

import textwrap
from pathlib import Path

import pytest

from optimiser.config import load_config
from optimiser.errors import UsageError

GPU = """
    gpus:
      L4:
        vendor: NVIDIA
        generation: Ada
        memory_gb: 24
        usable_mib: 23034
        memory_bandwidth_gbs: 300
        dense_tflops: {fp16: 121}
        link: PCIe4
        link_gbs_bidirectional: 64
        tdp_w: 72
        confidence: sourced
        source: a datasheet
        checked: 2026-11-21
"""
SHAPE = """
    instances:
      box: {gpu: L4, gpu_count: 2, vcpus: 8, memory_gib: 64, gpu_link: pcie, network_gbps: 10,
            obtainability: elastic, quota_family: F, quota_unit: gpu}
"""
MODEL = """
    tiny-moe:
      {hf_id: a/b, layers: 2, hidden: 8, heads: 2, kv_heads: 1, head_dim: 4, intermediate: 16,
       vocabulary: 32, max_context: 64, tied_embeddings: false, sliding_window: null,
       published: {bf16: a/b}, moe: {experts: 4, active: 2, intermediate: 8}}
"""


def write(directory: Path, name: str, text: str) -> Path:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def fault(directory: Path) -> str:
    with pytest.raises(UsageError) as caught:
        load_config(directory)
    return str(caught.value)
