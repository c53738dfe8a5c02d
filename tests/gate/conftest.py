"""The browser of the reports' tests."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "report"))
