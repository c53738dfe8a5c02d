"""What the stages hand on to each other: frozen values, written to disk as they are in memory."""

from medtune.records.adapters import AdapterManifest
from medtune.records.examples import SPLITS, Example, Message, Role, Split, SplitFile, TaskRows
from medtune.records.progress import Progress, Silent
from medtune.records.scores import SCORES_VERSION, ItemScore, Measure, ArmScore, Comparison, Spread, ArmSpread, Contamination, ScoreReport, Evaluation

__all__ = ['AdapterManifest', 'SPLITS', 'Example', 'Message', 'Role', 'Split', 'SplitFile', 'TaskRows', 'Progress', 'Silent', 'SCORES_VERSION', 'ItemScore', 'Measure', 'ArmScore', 'Comparison', 'Spread', 'ArmSpread', 'Contamination', 'ScoreReport', 'Evaluation']
