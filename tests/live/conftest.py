"""The promises of tests/providers/contract, within reach of the tests against the real clouds."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "providers/contract"))
pytest.register_assert_rewrite("promises")
