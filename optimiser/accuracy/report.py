"""The accuracy of the performance model as text, JSON, and row by row as CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from optimiser.accuracy.coverage import CONFIDENCES
from optimiser.accuracy.ranking import RIGHT_SHARE, TELLING_RATIO
from optimiser.accuracy.repeats import by_their_median, of_repeated
from optimiser.accuracy.result import Accuracy
from optimiser.accuracy.sets import GENERATION_LEFT_OUT, Goal
from optimiser.accuracy.sets_text import CELL, kinds_of, left_out_heads, met_text, percent, sets_text
from optimiser.accuracy.summary import (
    DIMENSIONS,
    Errors,
    Judged,
    by_dimension,
    by_reason,
    by_set,
    errors_of,
)
from optimiser.accuracy.verdicts import Verdict


def as_text(accuracy: Accuracy) -> str:
    """The report for a terminal."""
    sections = [sets_text(accuracy), _repeated(accuracy.judged), _coverage(accuracy), _ranking(accuracy)]
    sections += [_dimension(accuracy, name) for name in DIMENSIONS]
    return "\n".join("\n".join(lines) + "\n" for lines in [*sections, _left_out(accuracy)])


def _repeated(judged: Sequence[Judged]) -> list[str]:
    ours, best = by_set(of_repeated(judged)), by_set(by_their_median(judged))
    lines = [
        "Set-ups measured more than once: error in % of the median of each one's figures, and of the model on the same",
        f"{'':16}{'figures':>8}{'their median':>22}{'the model':>22}",
    ]
    for goal, some in best.items():
        floor, errors = errors_of(some), errors_of(ours[goal])
        if floor and errors:
            cells = (f"{percent(one.median)} / {percent(one.p90)}" for one in (floor, errors))
            lines.append(f"{goal.name:16}{floor.figures:>8}" + "".join(f"{cell:>22}" for cell in cells))
    return lines if len(lines) > 2 else [lines[0], "  none"]


def _coverage(accuracy: Accuracy) -> list[str]:
    stated = " / ".join(f"{100 * confidence:.0f}" for confidence in CONFIDENCES)
    lines = [
        "Share of measured rates, in %, that reach what is planned on at each confidence",
        f"{'':16}{stated:>{CELL}}{left_out_heads(accuracy.unseen_coverage)}".rstrip(),
    ]
    for goal, shares in accuracy.coverage.items():
        unseen = accuracy.unseen_coverage.get(goal.name, {})
        cells = [shares, *(unseen.get(kind, ()) for kind in kinds_of(accuracy.unseen_coverage))]
        texts = (" / ".join(f"{100 * share:.0f}" for share in some) for some in cells)
        lines.append((f"{goal.name:16}" + "".join(f"{text:>{CELL}}" for text in texts)).rstrip())
    return lines


def _cell(errors: Errors) -> str:
    return f"{100 * errors.median:.0f}/{100 * errors.p90:.0f} {100 * errors.bias:+.0f}"


def _ranking(accuracy: Accuracy) -> list[str]:
    telling = f"{TELLING_RATIO - 1:.0%}{_in_sample(accuracy)}"
    lines = [f"Which of two GPUs does a job for less, where they differ by over {telling}"]
    for item in accuracy.rankings:
        share = f"{item.right / item.pairs:.0%} right" if item.pairs else "no pairs"
        met = met_text(item.right >= RIGHT_SHARE * item.pairs if item.pairs else None)
        lines.append(f"  {item.job:24}{item.basis:20}{item.pairs:>6} pairs   {share:12}{met}".rstrip())
    return lines


def _in_sample(accuracy: Accuracy) -> str:
    """What a head adds over figures that the fit saw."""
    return " (in sample)" if accuracy.fitted_on else ""


def _dimension(accuracy: Accuracy, name: str) -> list[str]:
    """A row per value, a column per set that has figures; a cell is median/p90 bias, and the figures below."""
    judged = accuracy.judged
    goals = [goal for goal, some in by_set(judged).items() if some]
    rows = [("", [goal.name for goal in goals])]
    for value, cells in by_dimension(judged, name).items():
        shown = [f"{_cell(cells[goal])} ({cells[goal].figures})" if goal in cells else "" for goal in goals]
        rows.append((value[:24], shown))
    widths = [max(17, *(len(texts[column]) + 2 for _, texts in rows)) for column in range(len(goals))]
    lines = [f"By {name}: median/p90 bias (figures), in %{_in_sample(accuracy)}"]
    for value, texts in rows:
        line = "".join(f"{text:>{width}}" for text, width in zip(texts, widths, strict=True))
        lines.append(f"  {value:24}{line}".rstrip())
    return lines


def _left_out(accuracy: Accuracy) -> list[str]:
    lines = ["Left out"]
    for reason, details in by_reason(accuracy.left_out).items():
        named = ", ".join(f"{name} {count}" for name, count in details.most_common(6) if name)
        lines.append(f"{details.total():>6}  {reason}" + (f" ({named})" if named else ""))
    return lines


def as_json(accuracy: Accuracy) -> str:
    """The same as one JSON document; shares, not percent."""
    by: dict[str, Any] = {
        name: [
            {"value": value, "set": goal.name, "errors": _numbers(errors)}
            for value, cells in by_dimension(accuracy.judged, name).items()
            for goal, errors in cells.items()
        ]
        for name in DIMENSIONS
    }
    document = {
        "table": accuracy.table,
        "rows": accuracy.rows,
        "figures": len(accuracy.judged),
        "fitted_on": accuracy.fitted_on or None,
        "fitted_engine": accuracy.fitted_engine or None,
        "sets": _sets_in_json(accuracy),
        "rankings": [{**asdict(item), "in_sample": bool(accuracy.fitted_on)} for item in accuracy.rankings],
        "by": by,
        "left_out": [
            {"reason": reason, "rows": details.total(), "details": dict(details)}
            for reason, details in by_reason(accuracy.left_out).items()
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _sets_in_json(accuracy: Accuracy) -> list[dict[str, Any]]:
    sets = []
    roofline = by_set(accuracy.roofline)
    repeated, median = by_set(of_repeated(accuracy.judged)), by_set(by_their_median(accuracy.judged))
    for goal, some in by_set(accuracy.judged).items():
        errors = errors_of(some)
        verdict = accuracy.verdict_on(goal, errors) if errors else Verdict()
        sets.append(
            {
                "set": goal.name,
                "goal": _goal(goal),
                "errors": _numbers(errors),
                "met": verdict.met,
                "met_decided_by": verdict.decided_by,
                "goal_generation_left_out": _goal(GENERATION_LEFT_OUT) if goal.median else None,
                "met_generation_left_out": verdict.generation_met,
                "errors_of_roofline": _numbers(errors_of(roofline[goal])),
                "errors_of_repeated": _numbers(errors_of(repeated[goal])),
                "errors_of_their_median": _numbers(errors_of(median[goal])),
                "coverage": dict(zip(map(str, CONFIDENCES), accuracy.coverage.get(goal, ()), strict=False)),
                "errors_left_out_of_fit": {
                    kind: {"median": pair[0], "p90": pair[1]}
                    for kind, pair in accuracy.unseen.get(goal.name, {}).items()
                    if kind != "here"
                },
            }
        )
    return sets


def _goal(goal: Goal) -> dict[str, float | None] | None:
    return {"median": goal.median, "p90": goal.p90} if goal.median else None


def _numbers(errors: Errors | None) -> dict[str, float | None] | None:
    """As JSON has numbers: null for the infinite, which an overloaded replica's TTFT is."""
    if errors is None:
        return None
    return {name: value if math.isfinite(value) else None for name, value in asdict(errors).items()}


def as_csv(judged: Sequence[Judged]) -> str:
    """A line per figure: its row, its set, measured and predicted in the unit of `what`, and the error."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([
        "line", "source", "model", "gpu", "gpu_count", "tp", "pp", "attn", "precision_weights", "precision_kv",
        "engine", "prompt_tokens", "output_tokens", "load", "set", "what", "measured", "predicted", "error",
    ])  # fmt: skip
    for item in judged:
        case, row = item.case, item.case.row
        writer.writerow([
            row.line, row.source, case.model.name, case.gpu.name, row.gpu_count, row.tp, row.pp, row.attn,
            case.served.weight_precision, case.served.kv_precision, row.engine, case.prompt, case.output, case.load,
            case.judged_in.name, case.how, case.measured, f"{item.predicted:.6g}", f"{item.error:.4f}",
        ])  # fmt: skip
    return out.getvalue()
