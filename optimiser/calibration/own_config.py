"""A calibrated GPU in a config directory: its entry under `gpus` in performance.yaml."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from optimiser.config.entries import mapping_of
from optimiser.errors import UsageError
from optimiser.files import locked, read_yaml, write_whole
from optimiser.performance.specs import Calibrated

# A top-level key and the indented lines below it; comments at the margin are not part of it.
_SECTION = re.compile(r"^gpus:.*\n(?:[ \t]+.*\n|[ \t]*\n)*", re.MULTILINE)
_KEY = re.compile(r"""^["']?gpus["']?[ \t]*:""", re.MULTILINE)


def write_own_shares(own: Calibrated, path: Path) -> None:
    """Put the GPU's entry into a performance.yaml, in the place of one it had; all else stays, comments too.

    Raises UsageError for a file that cannot be read or written, or whose `gpus` cannot be told from the rest.
    """
    with locked(path):
        text = path.read_text(encoding="utf-8-sig") if path.is_file() else ""
        content = mapping_of(read_yaml(path), str(path), "the file") if text else {}
        entry = {name: value for name, value in asdict(own).items() if name != "gpu"}
        gpus = mapping_of(content.get("gpus"), str(path), "gpus") | {own.gpu: entry}
        written = _with_section(text, gpus)
        if not _holds(written, {**content, "gpus": gpus}):
            raise UsageError(
                f"{path}: gpus: cannot be rewritten as it stands: write it as an indented block, an entry a GPU"
            )
        try:
            write_whole(path, written)
        except OSError as error:
            raise UsageError(f"{path}: cannot be written: {error.strerror}") from None


def _holds(text: str, content: dict[str, Any]) -> bool:
    """Whether the text is YAML of that content, no key given twice."""
    try:
        return bool(yaml.safe_load(text) == content) and len(_KEY.findall(text)) == 1
    except yaml.YAMLError:
        return False


def _with_section(text: str, gpus: dict[str, Any]) -> str:
    section = yaml.safe_dump({"gpus": gpus}, sort_keys=False, allow_unicode=True, width=110)
    if text and not text.endswith("\n"):
        text += "\n"
    if _SECTION.search(text):
        return _SECTION.sub(lambda _: section, text, count=1)
    return text + section
