"""GPUs as published tables spell them: chip, memory and form (SXM, PCIe, NVL, OAM) in any order."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from optimiser.performance.specs import GpuSpec

# What tables mean that say neither 40 nor 80 GB: nearly all published results are of the 80 GB ones.
_MEMORY_MEANT = {"a100": 80.0}
# Of the SXM boards, the one that each NVLink came on.
_SXM_OF_LINK = {"NVLink2": "sxm2", "NVLink3": "sxm4", "NVLink4": "sxm5", "NVLink5": "sxm6"}
_FORMS = ("pcie", "sxm", "nvl", "nvl72", "oam")
_VENDORS = {"nvidia": "NVIDIA", "tesla": "NVIDIA", "amd": "AMD", "instinct": "AMD"}
# Systems whose GPUs are on SXM boards, memory types by GPU, and what else says nothing of which GPU it is.
_SXM_SYSTEMS = ("hgx", "dgx")
_MEMORY_TYPES = {
    "V100": "hbm2",
    "V100-32GB": "hbm2",
    "V100-PCIe": "hbm2",
    "A100-40GB": "hbm2",
    "A100-80GB": "hbm2e",
    "A100-80GB-PCIe": "hbm2e",
    "H100": "hbm3",
    "H100-NVL": "hbm3",
    "H200": "hbm3e",
    "B200": "hbm3e",
    "B300": "hbm3e",
    "GB200": "hbm3e",
    "MI300X": "hbm3",
}
_EDITIONS = {"rtxpro6000": ("blackwell", "server", "edition")}
_NOTHING = ("gpu", "tensor", "core")
_MEMORY = re.compile(r"(?<![\w.])(\d+)[ -]?gi?b?(?![\w.])")
_WATTS = re.compile(r"(\d+)w")


@dataclass(frozen=True, kw_only=True)
class Spelling:
    """What a GPU's name says: memory in GB and form are None where it does not."""

    chip: str
    memory_gb: float | None
    form: str | None
    details: tuple[str, ...]


def spelling_of(name: str) -> Spelling | None:
    """What the name says, None where it contradicts itself or names no chip."""
    text = re.sub(r"[_/(),]", " ", name.lower())
    memories = {float(size) for size in _MEMORY.findall(text)}
    words = [word for word in re.split(r"[ -]+", _MEMORY.sub(" ", text)) if word]
    forms = {form for word in words if (form := _form_of(word))}
    chip = "".join(word for word in words if not _is_detail(word))
    editions = next((each for start, each in _EDITIONS.items() if chip.startswith(start)), ())
    for edition in editions:
        chip = chip.replace(edition, "")
    if not chip or len(memories) > 1 or len(forms) > 1:
        return None
    return Spelling(
        chip=chip,
        memory_gb=next(iter(memories), None),
        form=next(iter(forms), None),
        details=tuple(word for word in words if _is_detail(word)),
    )


def gpu_spelled(gpus: Mapping[str, GpuSpec], name: str) -> GpuSpec | None:
    """The one GPU that the name can mean; None where there is none, or more than one.

    A GPU is meant where chip, and memory and form as far as the name says them, are its own. A name without a
    form means the chip's main one, which gpus names without a form, too: "H100" is never the PCIe card.
    """
    asked = spelling_of(name)
    if asked is None:
        return None
    fitting = [gpu for gpu in gpus.values() if _can_be(gpu, asked)]
    if len(fitting) > 1 and asked.memory_gb is None:
        plain = [gpu for gpu in fitting if gpu.name.lower() == asked.chip and asked.form is None]
        fitting = plain or [gpu for gpu in fitting if gpu.memory_gb == _MEMORY_MEANT.get(asked.chip)]
    return fitting[0] if len(fitting) == 1 else None


# The GPUs' own names are the same for every name that is looked up.
_spelling_of_own = cache(spelling_of)


def _can_be(gpu: GpuSpec, asked: Spelling) -> bool:
    own = _spelling_of_own(gpu.name)
    if own is None or own.chip != asked.chip or asked.memory_gb not in (None, gpu.memory_gb):
        return False
    if asked.form is None and own.form is not None:
        return False
    if asked.form is not None and asked.form != (own.form or _main_form(gpu)):
        return False
    return all(_fits(word, gpu) for word in asked.details)


def _main_form(gpu: GpuSpec) -> str:
    """The form of a GPU that gpus.yaml names without one."""
    if gpu.link.startswith("PCIe"):
        return "pcie"
    if gpu.vendor == "AMD":
        return "oam"
    return "nvl72" if gpu.name.lower().startswith("gb") else "sxm"


def _form_of(word: str) -> str | None:
    if word in _SXM_SYSTEMS or word in _SXM_OF_LINK.values():
        return "sxm"
    return word if word in _FORMS else None


def _is_detail(word: str) -> bool:
    plain = word in {*_VENDORS, *_MEMORY_TYPES.values(), *_NOTHING}
    return plain or _form_of(word) is not None or _WATTS.fullmatch(word) is not None


def _fits(word: str, gpu: GpuSpec) -> bool:
    """Whether a detail of a name holds of the GPU: vendor, SXM generation, memory type, power limit."""
    if word in _VENDORS:
        return gpu.vendor == _VENDORS[word]
    if word in _SXM_OF_LINK.values():
        return _SXM_OF_LINK.get(gpu.link) == word
    watts = _WATTS.fullmatch(word)
    if watts:
        return float(watts[1]) == gpu.tdp_w
    return not word.startswith("hbm") or word == _MEMORY_TYPES.get(gpu.name)
