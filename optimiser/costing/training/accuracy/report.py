"""The accuracy of training estimates as text and JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from statistics import median

import numpy as np

from optimiser.costing.training.accuracy.judge import Judged, TrainingAccuracy
from optimiser.costing.training.accuracy.targets import Target, targets

_IDENTITIES = "Identities: published GPU-hours × W of the card (PUE 1) against published energy and carbon"


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
    held = targets(found)
    lines += ["", *_targets("Predictions", [one for one in held if not one.identity])]
    lines += ["", *_targets(_IDENTITIES, [one for one in held if one.identity])]
    lines += ["", "Energy and what its authors' tonnes mean for a kWh"]
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
        "targets": [
            {
                "kind": "identity" if one.identity else "prediction",
                "what": one.what,
                "published": one.published,
                "ours": one.ours,
                "error": one.error,
                "target": one.target,
                "met": one.met,
            }
            for one in targets(found)
        ],
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


def _targets(title: str, held: Sequence[Target]) -> list[str]:
    lines = [
        f"{title}: {sum(one.met for one in held)} of {len(held)} met",
        f"  {'':56} {'published':>12} {'ours':>12} {'error':>7} {'target':>6}",
    ]
    for one in held:
        both = f"{'':12} {'':12}" if one.published is None else f"{one.published:12,.2f} {one.ours:12,.2f}"
        verdict = "met" if one.met else "missed"
        lines.append(f"  {one.what:56} {both} {one.error:7.2%} {one.target:6.0%} {verdict}")
    return lines
