"""What ``medtune eval`` is to ask: a base, or an adapter with its base, found and checked."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from medtune import models
from medtune.data import ChatTemplate, Encoder, choose_pad_id, make_template
from medtune.errors import AdapterError, RecipeError
from medtune.models import CATALOGUE, LocatedBase
from medtune.models.adapter import MANIFEST
from medtune.models.loading import Tokenizer
from medtune.models.locate import HUB_ID
from medtune.recipe import Base, lock
from medtune.records import AdapterManifest, Message, Progress
from medtune.registry.pull import SCHEME, find_adapter

TemplateName = Literal["auto", "tokenizer", "chatml", "plain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A base or adapter on this machine; no weight is loaded yet."""

    name: str
    """By which its folder of results is called."""
    run: Path | None
    """The run that an adapter is of, where it still lies in it."""
    adapter: Path | None
    """None: a bare base."""
    base: Base
    located: LocatedBase
    tokenizer: Tokenizer
    template: ChatTemplate
    pad_id: int


def find_subject(
    name: str,
    *,
    base: str | None = None,
    dtype: Literal["bfloat16", "float32"] | None = None,
    quantization: Literal["none", "nf4", "int8"] | None = None,
    template: TemplateName = "auto",
    offline: bool = False,
    progress: Progress,
) -> Subject:
    """Find what a name means.

    Args:
        name: A run or an adapter's folder, or ``registry:NAME:VERSION``; or a base: an alias, a hub
            id, or a path.
        base: An adapter's base, where neither the run nor the adapter tells where it is.
        dtype: Precision; None: that of the run, or bfloat16.
        quantization: None: that of the adapter's training, or none.
        template: For a bare base; auto: its tokenizer's own, or else ``plain``.
        offline: Reach for no network.
        progress: Where to report.

    Raises:
        MedtuneError: There is no such base or adapter, or the two do not fit.
    """
    adapter = _adapter(name)
    manifest = None if adapter is None else models.read_manifest(adapter)
    run = None if adapter is None else _run_of(adapter)
    section = _base(name, run, manifest, base)
    changes = {"dtype": dtype, "quantization": quantization}
    section = section.model_copy(update={k: v for k, v in changes.items() if v is not None})
    located = models.locate_base(section, offline=offline, progress=progress)
    tokenizer = models.load_tokenizer(located)
    chosen = _template(tokenizer, manifest, template, progress)
    if manifest is not None:
        _require_fit(name, manifest, located, chosen)
    stops = frozenset({chosen.stop_token_id, tokenizer.eos_token_id})
    reference = located.reference.replace("/", "--")
    return Subject(
        name=(run or adapter).resolve().name if adapter else reference,
        run=run,
        adapter=adapter,
        base=section,
        located=located,
        tokenizer=tokenizer,
        template=chosen,
        pad_id=choose_pad_id(tokenizer, stops),
    )


def _run_of(adapter: Path) -> Path | None:
    """The run that an adapter lies in, also where a link or ``.`` names the adapter."""
    places = (adapter.parent, adapter.resolve().parent)
    return next((place for place in places if (place / lock.FILE_NAME).is_file()), None)


def _adapter(name: str) -> Path | None:
    """The adapter's folder that a name means: of a registry's version, a run's, or itself."""
    if name.startswith(SCHEME):
        return find_adapter(name)
    path = Path(name)
    return next((p for p in (path, path / "adapter") if (p / MANIFEST).is_file()), None)


def _base(name: str, run: Path | None, manifest: AdapterManifest | None, given: str | None) -> Base:
    if manifest is None:
        if given is not None:
            raise RecipeError(f"--base is for an adapter; {name} is none")
        if (Path(name) / "adapter_config.json").is_file():
            raise AdapterError(
                f"{name} is an adapter that medtune did not write: it has no {MANIFEST}, which "
                "tells its base by digest"
            )
        return Base(model=name_or_place(name))
    quantization: str = manifest.quantization
    if given is not None:
        return Base.model_validate({"model": name_or_place(given), "quantization": quantization})
    if run is not None:
        recorded = lock.read(run / lock.FILE_NAME)
        if recorded is not None:
            return recorded.recipe.base
    if manifest.base not in CATALOGUE and HUB_ID.match(manifest.base) is None:
        raise RecipeError(
            f"{name} is an adapter of {manifest.base}, a base on disk, and does not say where that "
            "lies; give --base FOLDER"
        )
    return Base.model_validate(
        {"model": manifest.base, "revision": manifest.base_revision, "quantization": quantization}
    )


def name_or_place(name: str) -> str:
    """A base as it is named on the command line: what lies there comes before an id of the hub.

    ``runs/mine`` is no id where there is a folder ``runs``: a run that is not there (yet) is not to
    be looked for on the network.
    """
    place = Path(name).expanduser()
    is_path = name not in CATALOGUE and (
        place.exists()
        or HUB_ID.match(name) is None
        or name.startswith((".", "/", "~"))
        or ("/" in name and place.parent.is_dir())
    )
    return str(place.resolve()) if is_path else name


def _template(
    tokenizer: Tokenizer, manifest: AdapterManifest | None, name: TemplateName, progress: Progress
) -> ChatTemplate:
    if manifest is not None:
        if name not in ("auto", manifest.template):
            raise RecipeError(
                f"--template {name}: the adapter was trained with {manifest.template}, and is "
                "asked with no other"
            )
        return make_template(manifest.template, tokenizer)
    return choose_template(tokenizer, name, progress)


def choose_template(tokenizer: Tokenizer, name: TemplateName, progress: Progress) -> ChatTemplate:
    """The template of a bare base; auto: its tokenizer's own, or else ``plain``, with a word.

    Raises:
        TemplateError: The tokenizer has none of that name that can be used.
    """
    if name == "auto":
        has_own = isinstance(tokenizer.chat_template, str)
        name = "tokenizer" if has_own else "plain"
        if not has_own:
            progress.say("the base has no chat template: it is asked with medtune's, plain")
    return make_template(name, tokenizer)


def _require_fit(
    name: str, manifest: AdapterManifest, located: LocatedBase, template: ChatTemplate
) -> None:
    """Refuse, before any weight is loaded, what the adapter was not trained with."""
    if manifest.base_digest != located.digest:
        raise AdapterError(
            f"{name} was trained on {manifest.base} with digest {manifest.base_digest[:16]}…; "
            f"{located.reference} here has {located.digest[:16]}…. Give its own base (--base)"
        )
    if manifest.template_digest != template.digest:
        raise AdapterError(
            f"{name} was trained with another chat template (digest "
            f"{manifest.template_digest[:16]}…) than its base's tokenizer gives here "
            f"({template.digest[:16]}…)"
        )


def answer_lengths(base: str, *, offline: bool, progress: Progress) -> Callable[[str, str], int]:
    """Counts the tokens of an answer behind a prompt, as a base is asked it.

    Raises:
        MedtuneError: There is no such base.
    """
    subject = find_subject(base, offline=offline, progress=progress)
    encoder = Encoder(subject.template)

    def count(prompt: str, answer: str) -> int:
        ids = encoder.prompt([Message(role="user", content=prompt)])
        return len(encoder.continuation(ids, answer))

    return count
