"""Every error that medtune raises on purpose, and the exit code that each one means.

    MedtuneError                  1  failed at run time
    +-- RecipeError               2  the recipe, or a value given on the command line
    +-- RunExistsError            2  a run directory of that name is already there
    +-- DataError                 2  a file of examples that cannot be used as it is
    +-- TemplateError             2  a chat template or tokenizer that cannot be trained on
    +-- BaseError                 1  a base that cannot be found, fetched or loaded
    +-- VerificationError         5  bytes are not the ones that were promised
    |   +-- AdapterError          5  an adapter that is incomplete, foreign or without effect
    +-- DriftError                6  a run is resumed, or a lock repeated, under other conditions
    +-- TrainingError             1  training cannot go on
    +-- EvaluationError           1  a model or server cannot be asked, or answers nonsense
    +-- RegistryError             1  a registry cannot be read, reached or written
    |   +-- UnapprovedError       4  a promotion that still waits for approvals
    +-- Interrupted             130  stopped from outside, with a checkpoint written

A message says what was found, where, and what to do. A message about private data names keys,
types and lengths, never values.
"""

from typing import ClassVar


class MedtuneError(Exception):
    """Something that a user or a file can cause, told in one message without a traceback."""

    exit_code: ClassVar[int] = 1


class RecipeError(MedtuneError):
    """The recipe does not describe a run; the message lists every fault that was found."""

    exit_code = 2


class RunExistsError(MedtuneError):
    """The run directory exists; results of two runs are never mixed."""

    exit_code = 2


class DataError(MedtuneError):
    """A file of examples is missing, or a row of it is not what its task requires."""

    exit_code = 2


class TemplateError(MedtuneError):
    """A template or tokenizer under which the mask could not be proven right."""

    exit_code = 2


class BaseError(MedtuneError):
    """The base model cannot be found, fetched or loaded."""


class VerificationError(MedtuneError):
    """A digest differs from the recorded one."""

    exit_code = 5


class AdapterError(VerificationError):
    """The adapter is incomplete, belongs to another base, or changes nothing."""


class DriftError(MedtuneError):
    """The recipe, data, base or packages differ from those that the run or lock recorded."""

    exit_code = 6


class TrainingError(MedtuneError):
    """Training cannot go on: a loss that is not finite, or nothing left to train on."""


class EvaluationError(MedtuneError):
    """A model or server cannot be asked, or what it answers cannot be scored."""


class RegistryError(MedtuneError):
    """A registry cannot be read, reached or written; nothing was changed."""


class UnapprovedError(RegistryError):
    """An approval was noted, and others are still missing."""

    exit_code = 4


class Interrupted(MedtuneError):
    """Training was stopped by a signal after it had written a checkpoint."""

    exit_code = 130
