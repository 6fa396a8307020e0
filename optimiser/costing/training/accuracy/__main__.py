"""`python -m optimiser.costing.training.accuracy FILE`: how far estimates of training are from published runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from optimiser.config import load_config
from optimiser.costing.training.accuracy.judge import judge
from optimiser.costing.training.accuracy.report import as_json, as_text
from optimiser.errors import OptimiserError


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the report; 0, or the exit code of the fault that is told on stderr."""
    parser = argparse.ArgumentParser(
        prog="python -m optimiser.costing.training.accuracy", description=__doc__
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="table of training runs (CSV)")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="default: table")
    asked = parser.parse_args(arguments)
    try:
        found = judge(asked.file, load_config())
    except OptimiserError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    sys.stdout.write(as_json(found) if asked.format == "json" else as_text(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
