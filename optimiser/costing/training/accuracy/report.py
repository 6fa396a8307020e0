"""The accuracy of training estimates as text and JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from statistics import median

import numpy as np

from optimiser.costing.training.accuracy.judge import Judged, TrainingAccuracy

_FROM, _TO = "DeepSeek-67B (per 1T tokens)", "DeepSeek-V2 (per 1T tokens)"


def as_text(found: TrainingAccuracy) -> str:
    """The report, for a terminal."""
    lines = [f"{found.table}: {found.rows} rows", "", "Whole runs: GPU-hours per 1T tokens"]
    lines += _table(found.whole)
    lines += [_summary("as shipped", [one.error for one in found.whole])]
    lines += [_summary("each by the others' share of their steps' rate", found.left_one_out())]
    lines += ["", "Throughputs: GPU-hours per 1T tokens of steps alone"]
    for hardware in sorted({one.run.hardware for one in found.throughputs}):
        of = [one for one in found.throughputs if one.run.hardware == hardware]
        lines.append(
            f"  {hardware}: {_summary(f'{median(one.ratio for one in of):.2f} ×', [one.error for one in of])}"
        )
    lines += [
        "",
        *_saving(found.whole),
        "",
        "Energy: GPU-hours × W, and what a kWh emitted by its authors' tonnes",
    ]
    lines += [
        f"  {one.model:32} {one.mwh:12,.1f} MWh  {one.tonnes:10,.2f} t  {one.kg_per_kwh:.4f} kg/kWh"
        for one in found.energies
    ]
    lines += ["", f"Left out: {len(found.left_out)} rows"]
    for reason, count in Counter(reason for _, reason in found.left_out).most_common():
        names = [run.model for run, why in found.left_out if why == reason]
        lines.append(f"  {count:3} {reason}: {', '.join(names)}")
    return "\n".join(lines) + "\n"


def as_json(found: TrainingAccuracy) -> str:
    """The same, for programs."""
    content = {
        "table": found.table,
        "rows": found.rows,
        "median_error_whole_runs": _median([one.error for one in found.whole]),
        "median_error_left_one_out": _median(found.left_one_out()),
        "median_error_throughputs": _median([one.error for one in found.throughputs]),
        "whole_runs": [_record(one) for one in found.whole],
        "throughputs": [_record(one) for one in found.throughputs],
        "energies": [
            {"model": one.model, "mwh": one.mwh, "tonnes": one.tonnes, "kg_per_kwh": one.kg_per_kwh}
            for one in found.energies
        ],
        "left_out": [{"line": run.line, "model": run.model, "reason": why} for run, why in found.left_out],
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _table(judged: Sequence[Judged]) -> list[str]:
    return [
        f"  {one.run.model:32} {one.measured:12,.0f} measured {one.predicted:12,.0f} predicted {one.ratio:6.2f} ×  "
        f"{one.layout}"
        for one in judged
    ]


def _record(one: Judged) -> dict[str, object]:
    return {
        "line": one.run.line,
        "model": one.run.model,
        "hardware": one.run.hardware,
        "measured_gpu_hours_per_tera_token": one.measured,
        "predicted_gpu_hours_per_tera_token": one.predicted,
        "layout": one.layout,
    }


def _summary(what: str, errors: Sequence[float]) -> str:
    if not errors:
        return f"{what}: no rows"
    high = float(np.percentile(errors, 90))
    return f"{what}: median error {median(errors):.1%}, 90th percentile {high:.1%}, {len(errors)} rows"


def _median(errors: Sequence[float]) -> float | None:
    return median(errors) if errors else None


def _saving(whole: Sequence[Judged]) -> list[str]:
    """What latent attention and experts save of a dense model's hours, where the table has both DeepSeek rows."""
    pair = {one.run.model: one for one in whole if one.run.model in (_FROM, _TO)}
    if len(pair) < 2:
        return ["DeepSeek-V2 against 67B: not both in the table"]
    dense, mixture = pair[_FROM], pair[_TO]
    return [
        "DeepSeek-V2 against 67B, H800-hours per 1T tokens:",
        f"  {mixture.predicted:,.0f} against {dense.predicted:,.0f} predicted "
        f"(-{1 - mixture.predicted / dense.predicted:.1%})",
        f"  {mixture.measured:,.0f} against {dense.measured:,.0f} published "
        f"(-{1 - mixture.measured / dense.measured:.1%})",
    ]
