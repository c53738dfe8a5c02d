"""A model behind a server's URL on a suite: no weight is loaded here."""

from pathlib import Path

from medtune import models, provenance
from medtune.assess import PRIVATE_RESPONSES, score_sets
from medtune.data import Encoder
from medtune.digests import remove_folder
from medtune.errors import RecipeError
from medtune.evaluating import (
    BEGUN,
    DEFAULT_SEED,
    Evaluated,
    asked_conditions,
    default_name,
    finish,
    read_suite,
)
from medtune.evaluation.prompt_file import load_prompts
from medtune.evaluation.scores import Examiner, evaluation_arms
from medtune.evaluation.suites import load_suite
from medtune.models.locate import tokenizer_digest
from medtune.recipe import Base, Evaluate
from medtune.records import Evaluation, Progress, Silent
from medtune.runs import DEFAULT_PARENT, begin, open_run
from medtune.scoring.cache import ResponseCache
from medtune.scoring.server import ServerEngine
from medtune.subject import TemplateName, choose_template, name_or_place


def evaluate_served(
    model: str,
    suite: str | Path,
    section: Evaluate | None = None,
    *,
    server: str,
    tokenizer: str | None,
    template: TemplateName = "auto",
    data: str | Path | None = None,
    seed: int | None = None,
    name: str | None = None,
    out: Path | str | None = None,
    resume: bool = False,
    offline: bool = False,
    progress: Progress | None = None,
) -> Evaluated:
    """Score a model behind a URL on a suite.

    Its weights are the server's: what they are is not verified, and the results say so. Answers are
    kept for ``resume`` until the evaluation is finished, and not longer.

    Args:
        model: As the server calls it: a base, or an adapter that it has loaded.
        suite: The name of a suite, or a file of your own.
        section: How to ask.
        server: URL, with /v1 at its end.
        tokenizer: The base whose tokenizer the model has: an alias, a hub id, or a folder, which
            needs to hold no weights.
        template: auto: the tokenizer's own, or else ``plain``.
        data: Folder of the suite's rows; None: as the suite says, or below $MEDTUNE_DATA.
        seed: Of draws; None: 17.
        name: Of the folder of results; None: suite and protocol.
        out: Folder in which the model's folder is; ``runs`` by default.
        resume: Continue one that was stopped.
        offline: Reach for no other machine.
        progress: Where to report.

    Raises:
        MedtuneError: See ``medtune.errors`` for which, and their exit codes.
    """
    progress, section = progress or Silent(), section or Evaluate()
    if tokenizer is None:
        raise RecipeError(
            "--server needs --tokenizer: the base whose tokenizer the served model has (an alias, "
            "a hub id, or a folder with its files)"
        )
    loaded, seed = load_suite(suite), DEFAULT_SEED if seed is None else seed
    folder, called = _tokenizer_folder(tokenizer, offline=offline, progress=progress)
    chosen = choose_template(models.read_tokenizer(folder, called), template, progress)
    encoder = Encoder(chosen)
    examiner = Examiner(
        encoder=encoder, prompts=load_prompts(section.prompt), section=section, seed=seed,
        dtype="the server's",
    )  # fmt: skip
    item_sets, digests = read_suite(loaded, section, data=data, offline=offline, progress=progress)
    begun = asked_conditions(loaded, section, seed, digests) | {
        "server": server, "model": model, "template": chosen.digest,
        "tokenizer": tokenizer_digest(folder),
    }  # fmt: skip
    place = Path(out or DEFAULT_PARENT) / model.replace("/", "--") / "eval"
    with open_run(name or default_name(loaded, section), place, resume=resume) as run:
        begin(run / BEGUN, begun, resume=resume)
        started = provenance.now()
        answers = run / PRIVATE_RESPONSES
        engine = ServerEngine(
            server, model, encoder.tokenizer, batch_size=section.batch_size,
            kept=ResponseCache(answers, begun), offline=offline, progress=progress,
        )  # fmt: skip
        reports = score_sets(
            examiner,
            item_sets,
            lambda items: evaluation_arms(("base",), items, section, seed),
            lambda items: {"base": engine},
            None,
            progress,
        )
        conditions = {
            **engine.conditions, "template": chosen.digest, "tokenizer": tokenizer_digest(folder),
        }  # fmt: skip
        evaluation = Evaluation(suite=loaded.name, conditions=conditions, reports=reports)
        finish(run, evaluation, started, resumed=resume)
        if answers.exists():
            remove_folder(answers)
    return Evaluated(path=run, evaluation=evaluation)


def _tokenizer_folder(name: str, *, offline: bool, progress: Progress) -> tuple[Path, str]:
    """A folder that holds a tokenizer's files, and what it is called."""
    place = Path(name).expanduser()
    if place.is_dir():
        return place, place.name
    base = Base(model=name_or_place(name))
    located = models.locate_base(base, offline=offline, progress=progress)
    return located.folder, located.reference
