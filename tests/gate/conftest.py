"""A run with harmless evidence, and a policy that it passes."""

from pathlib import Path

import pytest
from evidence_files import CLEAN, outcomes, write_evidence, write_policy


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_evidence(tmp_path / "run", outcomes("doses", CLEAN))


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    return write_policy(tmp_path, "doses")
