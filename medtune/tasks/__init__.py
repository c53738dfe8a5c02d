"""What a row of each data set means: raw rows in, examples out. Knows no tokenizer or template."""

from medtune.tasks.catalogue import TASKS, HubSource, Task
from medtune.tasks.prompts import Prompt, read_prompts
from medtune.tasks.reading import read_hub, read_shots, read_task

__all__ = [
    "TASKS",
    "HubSource",
    "Prompt",
    "Task",
    "read_hub",
    "read_prompts",
    "read_shots",
    "read_task",
]
