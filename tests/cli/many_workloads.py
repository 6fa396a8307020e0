"""A folder of small workloads, some of which have no plan, and what asking for it needs."""

from __future__ import annotations

from pathlib import Path

CHAT = """
name: chat
model: llama-3.1-8b
target: {ttft_ms: 2000, tpot_ms: 60, percentile: 95}
demand: {requests_per_second: 2}
sizes: {prompt_tokens: 800, output_tokens: 200}
"""
# Few enough to choose from that a plan takes a fraction of a second.
FEW = ("--gpu", "L4", "--provider", "gcp", "--as-of", "2026-11-21")


def folder_of_workloads(directory: Path) -> Path:
    """Three that have plans (in order: busy, chat, quiet), one too fast for any machine, one with a misspelt model."""
    folder = directory / "services"
    folder.mkdir()
    texts = {
        "busy": CHAT.replace("second: 2", "second: 9"),
        "chat": CHAT,
        "impossible": CHAT.replace("ttft_ms: 2000", "ttft_ms: 1"),
        "misspelt": CHAT.replace("llama-3.1-8b", "llama-3.1-9b"),
        "quiet": CHAT.replace("second: 2", "second: 0.2"),
    }
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text.replace("name: chat", f"name: {name}"), encoding="utf-8")
    (folder / "notes.txt").write_text("not a workload", encoding="utf-8")
    return folder
