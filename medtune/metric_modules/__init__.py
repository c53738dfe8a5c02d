"""medtune's metrics as Hugging Face ``evaluate`` modules, which load without a network.

    accuracy = medtune.load_metric("accuracy")
    accuracy.compute(predictions=["A", "C"], references=["A", "B"], groups=["p1", "p2"])

A folder each, which ``evaluate.load(folder)`` takes as well. No figure comes without its 95 %
interval and the number of its items; the formulas are those of medtune's own evaluation.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from medtune.errors import MedtuneError

if TYPE_CHECKING:
    import evaluate

METRIC_FOLDERS = {
    folder.name: folder
    for folder in sorted(Path(__file__).parent.iterdir())
    if (folder / f"{folder.name}.py").is_file()
}


def load_metric(name: str) -> "evaluate.Metric":
    """A metric of this folder: accuracy, exact_match, rouge_l, brier, expected_calibration_error.

    ``compute(predictions=..., references=..., groups=...)`` gives a dictionary with the figure
    under the metric's name, ``interval_low``, ``interval_high``, ``interval_method``,
    ``num_items`` and ``num_groups``. ``groups`` names the patient or document of each item; without
    it every item stands for itself. Texts stay in memory: ``evaluate.load`` would write them to
    its cache.

    Raises:
        MedtuneError: There is no such metric, or ``evaluate`` is not installed.
    """
    if name not in METRIC_FOLDERS:
        names = ", ".join(METRIC_FOLDERS)
        raise MedtuneError(f"{name!r} is no metric of medtune: choose one of {names}")
    try:
        import evaluate
    except ModuleNotFoundError as error:
        raise MedtuneError(
            f"metrics as modules need the package {error.name}, which is not installed: install "
            'medtune with its train extra: pip install "medtune[train]"'
        ) from error
    return evaluate.load(str(METRIC_FOLDERS[name]), keep_in_memory=True)
