"""Recipe file and overrides in, frozen recipe out; every fault in one error."""

import copy
import re
from pathlib import Path

import pydantic
import pytest
import yaml

from medtune.errors import RecipeError
from medtune.recipe import Recipe, json_schema, load

MINIMAL = """\
name: first
base:
  model: smollm2-135m
data:
  task: mcq
train:
  learning_rate: 2e-4
"""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MEDTUNE_DATA", raising=False)


def write(text: str, name: str = "a.yaml") -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def refusal(text: str, overrides=()) -> str:
    with pytest.raises(RecipeError) as caught:
        load(write(text), overrides)
    return str(caught.value)


def fault(text: str, overrides=()) -> str:
    """The one fault that a text has."""
    first, *faults = refusal(text, overrides).splitlines()
    assert first == "1 fault in the recipe"
    (only,) = faults
    return only


def test_what_is_not_written_has_its_documented_default():
    recipe = load(write(MINIMAL))
    assert recipe.seed == 17
    assert recipe.train.learning_rate == 2e-4
    assert recipe.train.adam_beta2 == 0.95
    assert recipe.adapter.targets == "all-linear"
    assert recipe.evaluate.limit is None


def test_a_path_may_be_given_as_text():
    write(MINIMAL)
    assert load("a.yaml") == load(Path("a.yaml"))


def test_a_misspelt_key_is_refused_with_line_column_and_suggestion():
    found = fault(MINIMAL + "  lerning_rte: 1\n")
    assert found.startswith(
        "a.yaml:8:3 train.lerning_rte: unknown key. Did you mean learning_rate? Allowed here: "
    )


def test_an_unknown_key_is_refused_with_every_key_that_is_allowed_there():
    found = fault(MINIMAL + "evaluate: {zzz: 1}\n")
    assert found == (
        "a.yaml:8:12 evaluate.zzz: unknown key. Allowed here: suites, protocol, normalise, "
        "few_shot, shot_seeds, rotate_options, samples, temperature, prompt, metric, "
        "max_new_tokens, limit, batch_size"
    )


def test_an_unknown_section_is_refused_with_every_section():
    assert fault(MINIMAL + "adpter: {rank: 2}\n") == (
        "a.yaml:8:1 adpter: unknown key. Did you mean adapter? "
        "Allowed here: name, seed, base, data, adapter, train, evaluate, probe"
    )


def test_every_fault_is_told_at_once_in_the_order_of_the_lines():
    text = MINIMAL.replace("task: mcq", "task: surgery\n  zzz: 1").replace("2e-4", "fast")
    lines = refusal(text + "seed: -1\nadapter:\n  rank: 1.5\n  targets: 3\n").splitlines()
    assert lines[0] == "7 faults in the recipe"
    assert [line.split(": ")[0] for line in lines[1:]] == [
        "a.yaml:5:3 data.task",
        "a.yaml:6:3 data.zzz",
        "a.yaml:8:3 train.learning_rate",
        "a.yaml:9:1 seed",
        "a.yaml:11:3 adapter.rank",
        # Two lines for one value: it is neither a name of a group nor a list of names.
        "a.yaml:12:3 adapter.targets",
        "a.yaml:12:3 adapter.targets",
    ]


def test_the_tenth_line_comes_after_the_ninth():
    text = MINIMAL + "".join(f"  unknown{n}: 1\n" for n in range(4))
    places = [line.split()[0] for line in refusal(text).splitlines()[1:]]
    assert places == ["a.yaml:8:3", "a.yaml:9:3", "a.yaml:10:3", "a.yaml:11:3"]


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        ("train.epochs", "0", "greater than 0, found 0"),
        ("train.epochs", "1.0", "valid integer, found 1.0"),
        ("train.epochs", "true", "valid integer, found True"),
        ("train.epochs", "'1'", "valid integer, found '1'"),
        ("train.learning_rate", "'2e-4'", "valid number, found '2e-4'"),
        ("train.learning_rate", "1e", "valid number, found '1e'"),
        ("train.learning_rate", "abc", "valid number, found 'abc'"),
        ("train.learning_rate", "0", "greater than 0, found 0"),
        ("train.learning_rate", "1", "less than 1, found 1"),
        ("train.learning_rate", ".nan", "finite number, found nan"),
        ("adapter.alpha", ".inf", "finite number, found inf"),
        ("train.gradient_checkpointing", "1", "valid boolean, found 1"),
        ("train.max_steps", "[]", "valid integer, found []"),
        ("seed", "-1", "greater than or equal to 0, found -1"),
        ("seed", "4294967296", "less than 4294967296, found 4294967296"),
        ("data.task", "medq", "'aci_bench', 'mcq' or 'chat', found 'medq'"),
        ("data.max_tokens", "15", "greater than or equal to 16, found 15"),
        ("data.validation_fraction", "1.0", "less than 1, found 1.0"),
        ("base.model", "null", "valid string, found None"),
        ("name", "2024-01-02", "valid string"),
        ("name", "a/b", "match pattern"),
        ("name", "..", "match pattern"),
        ("name", '"a\\n"', "match pattern"),
        ("adapter", "3", "a section with keys of its own is expected"),
        ("evaluate", "null", "a section with keys of its own is expected"),
    ],
)
def test_an_override_is_held_to_the_type_and_range_of_its_field(key, text, expected):
    found = fault(MINIMAL, [f"{key}={text}"])
    assert found.startswith(f"override '{key}={text}' {key}: ")
    assert expected in found


def test_a_value_in_a_list_is_refused_at_the_key_of_the_list():
    count, *faults = refusal(MINIMAL + "adapter: {targets: [q_proj, 3]}\n").splitlines()
    assert count == "2 faults in the recipe"
    assert "a.yaml:8:11 adapter.targets.1: input should be a valid string, found 3" in faults


def test_a_section_that_has_to_be_there_is_missed_with_the_name_of_the_file():
    assert fault("name: x\n" + MINIMAL.split("\n", 1)[1].split("train:")[0]) == (
        "a.yaml train: missing; it has no default"
    )


def test_a_key_that_has_to_be_there_is_missed_at_its_section():
    text = MINIMAL.replace("learning_rate: 2e-4", "epochs: 1")
    assert fault(text) == "a.yaml:6:1 train.learning_rate: missing; it has no default"


def test_held_out_shares_that_leave_nothing_to_train_on_are_refused():
    shares = "  validation_fraction: 0.5\n  test_fraction: 0.5\n"
    text = MINIMAL.replace("  task: mcq\n", "  task: mcq\n" + shares)
    assert "leave no row to train on" in fault(text)


def test_a_setting_that_the_schedule_would_ignore_is_refused():
    assert "final_fraction has no meaning with schedule: constant" in fault(
        MINIMAL + "  schedule: constant\n  final_fraction: 0.1\n"
    )


def test_faults_name_the_file_that_they_stand_in():
    write("train: {zzz: 1}\n", "parts/p.yaml")
    text = "extends: parts/p.yaml\n" + MINIMAL + "  yyy: 2\n"
    places = [line.split(": ")[0] for line in refusal(text, ["train.xxx=1"]).splitlines()[1:]]
    assert places == [
        "a.yaml:9:3 train.yyy",
        "override 'train.xxx=1' train.xxx",
        "parts/p.yaml:1:9 train.zzz",
    ]


def test_what_a_section_lacks_that_only_an_override_began_is_missed_at_the_override():
    text = MINIMAL.split("train:")[0]
    assert fault(text, ["train.epochs=3"]) == (
        "override 'train.epochs=3' train.learning_rate: missing; it has no default"
    )


def test_an_unknown_key_inside_an_override_of_a_section_is_named():
    found = fault(MINIMAL, ["train={learning_rate: 1e-3, zzz: 1}"])
    assert found.startswith("override 'train={learning_rate: 1e-3, zzz: 1}' train.zzz: unknown key")


def test_overrides_may_be_a_list_or_a_mapping():
    path = write(MINIMAL)
    as_list = load(path, ["train.max_steps=40", "adapter.targets=[q_proj]", "name=second"])
    as_mapping = load(
        path, {"train.max_steps": 40, "adapter": {"targets": ["q_proj"]}, "name": "second"}
    )
    assert as_list == as_mapping
    assert as_list.train.max_steps == 40
    assert as_list.train.learning_rate == 2e-4


def test_a_value_of_an_override_mapping_is_taken_as_it_is_and_checked():
    assert fault(MINIMAL, {"train.max_steps": "40"}) == (
        "override 'train.max_steps' train.max_steps: input should be a valid integer, found '40'"
    )


def test_an_override_mapping_can_name_the_data_folder_and_nothing_else(monkeypatch, tmp_path):
    monkeypatch.setenv("MEDTUNE_DATA", str(tmp_path / "d"))
    recipe = load(write(MINIMAL), {"data": {"task": "mcq", "path": "${MEDTUNE_DATA}/x"}})
    assert recipe.data.path == str(tmp_path / "d/x")
    assert "${HOME} is not known" in refusal(MINIMAL, {"data.path": "${HOME}/x"})


def test_an_override_mapping_is_left_as_it_was():
    overrides = {"data": {"task": "mcq", "path": "rows"}}
    before = copy.deepcopy(overrides)
    load(write(MINIMAL), overrides)
    assert overrides == before


def test_an_unknown_override_is_refused_like_an_unknown_key():
    assert "train.max_step: unknown key. Did you mean max_steps?" in fault(
        MINIMAL, ["train.max_step=4"]
    )


def test_a_path_is_relative_to_the_file_that_wrote_it(tmp_path):
    write("data: {path: rows}\n", "parts/p.yaml")
    text = "extends: ../parts/p.yaml\n" + MINIMAL
    path = write(text.replace("smollm2-135m", "./model"), "here/a.yaml")
    recipe = load(path)
    assert recipe.data.path == str(tmp_path / "parts/rows")
    assert recipe.base.model == str(tmp_path / "here/model")


def test_a_path_in_an_override_is_relative_to_the_working_folder(tmp_path):
    path = write(MINIMAL.replace("task: mcq", "task: mcq\n  path: rows"), "here/a.yaml")
    assert load(path).data.path == str(tmp_path / "here/rows")
    assert load(path, ["data.path=rows"]).data.path == str(tmp_path / "rows")
    # The same where the whole section is replaced, whatever stood there before.
    assert load(path, ["data={task: mcq, path: rows}"]).data.path == str(tmp_path / "rows")


def test_a_path_may_start_at_home_or_at_the_root(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert load(write(MINIMAL), ["data.path=~/rows"]).data.path == str(tmp_path / "me/rows")
    assert load(write(MINIMAL), ["data.path=/rows"]).data.path == "/rows"


def test_a_home_that_nobody_has_is_refused_at_its_key():
    text = MINIMAL.replace("task: mcq", "task: mcq\n  path: ~no_such_user_here/x")
    assert refusal(text).startswith("a.yaml:6:3 data.path: not a path: ")


@pytest.mark.parametrize("reference", ["smollm2-135m", "epfl-llm/meditron-7b", "org/name.v2"])
def test_an_alias_or_hub_id_is_left_alone_even_if_a_folder_has_its_name(reference):
    Path(reference).mkdir(parents=True)
    assert load(write(MINIMAL), [f"base.model={reference}"]).base.model == reference


@pytest.mark.parametrize("reference", ["./m", "../m", "/m", "~/m", "m.gguf", "sub/m.gguf", "."])
def test_a_base_that_looks_like_a_path_is_made_absolute(reference):
    found = load(write(MINIMAL), [f"base.model={reference}"]).base.model
    assert found == str(Path(reference).expanduser().resolve())


def test_the_data_variable_leads_to_the_data_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("MEDTUNE_DATA", str(tmp_path / "d"))
    text = MINIMAL.replace("task: mcq", "task: mcq\n  path: ${MEDTUNE_DATA}/qa/own")
    assert load(write(text, "here/a.yaml")).data.path == str(tmp_path / "d/qa/own")


def test_a_recipe_does_not_change():
    recipe = load(write(MINIMAL))
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        recipe.train.epochs = 3


def test_the_recipe_inside_a_lock_is_loaded_with_the_places_of_the_lock():
    body = "".join(f"  {line}\n" for line in MINIMAL.splitlines())
    lock = f"lock_version: 1\nrecipe:\n{body}resolved: {{}}\n"
    assert load(write(lock, "l.yaml")) == load(write(MINIMAL))
    assert load(write(lock, "l.yaml"), ["seed=3"]).seed == 3
    assert fault(lock.replace("2e-4", "x")).startswith("a.yaml:9:5 train.learning_rate: ")


def test_a_recipe_cannot_extend_a_lock_because_its_own_sections_would_be_ignored():
    body = "".join(f"  {line}\n" for line in MINIMAL.splitlines())
    write(f"lock_version: 1\nrecipe:\n{body}resolved: {{}}\n", "l.yaml")
    message = refusal("extends: l.yaml\ntrain: {epochs: 5}\n")
    assert message.startswith("a.yaml:2:1 train: a lock is closed and cannot be extended")


def _described(schema: dict) -> dict[str, str]:
    """Every field of a schema, by path, with its description."""
    found = {}

    def visit(node: dict, above: str) -> None:
        for name, field in node["properties"].items():
            target = field
            if "$ref" in field:
                target = schema["$defs"][field["$ref"].rsplit("/", 1)[1]]
                visit(target, f"{above}{name}.")
            found[above + name] = field.get("description") or target.get("description", "")

    visit(schema, "")
    return found


def _fields(section: type[pydantic.BaseModel], above: str = "") -> set[str]:
    found = set()
    for name, info in section.model_fields.items():
        found.add(above + name)
        if isinstance(info.annotation, type) and issubclass(info.annotation, pydantic.BaseModel):
            found |= _fields(info.annotation, f"{above}{name}.")
    return found


def test_the_json_schema_describes_every_field():
    described = _described(json_schema())
    # Field by field against the classes, so that a new field without words is seen here.
    assert described.keys() == _fields(Recipe) | {"extends"}
    # Recipe's two plain fields, `name` and `seed`, count as much as the sections.
    assert {"name", "seed", "train.learning_rate", "evaluate.limit"} <= described.keys()
    assert [name for name, words in described.items() if not words.strip()] == []


def test_the_json_schema_is_as_strict_as_the_loader():
    schema = json_schema()
    for part in (schema, *schema["$defs"].values()):
        assert part["additionalProperties"] is False
    assert set(schema["required"]) == {"name", "base", "data", "train"}
    assert set(yaml.safe_load(MINIMAL)) == set(schema["required"])
    assert re.compile(schema["properties"]["name"]["pattern"]).match("a/b") is None


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ({"adapter.method": "dora", "adapter.init": "pissa"}, "method: dora cannot start from"),
        ({"adapter.method": "dora", "adapter.init": "olora"}, "method: dora cannot start from"),
        (
            {"adapter.method": "dora", "adapter.init": "loftq", "base.quantization": "nf4"},
            "method: dora cannot start from",
        ),
        ({"adapter.init": "pissa", "base.quantization": "nf4"}, "needs base.quantization: none"),
        ({"adapter.init": "olora", "base.quantization": "int8"}, "needs base.quantization: none"),
        ({"adapter.init": "loftq"}, "needs base.quantization: nf4, found none"),
        ({"adapter.init": "loftq", "base.quantization": "int8"}, "needs base.quantization: nf4"),
        ({"adapter.method": "dora", "base.quantization": "int8"}, "does not work with"),
        ({"train.seeds": [3, 4, 3]}, "seeds has a number twice"),
        ({"train.seeds": []}, "at least 1 item"),
        ({"train.seeds": [-1]}, "greater than or equal to 0"),
        ({"train.lora_plus_ratio": 0}, "greater than 0"),
    ],
)
def test_settings_that_do_not_fit_each_other_are_refused_with_the_reason(lines, reason):
    assert reason in fault(MINIMAL, lines)


def test_adapters_that_fit_their_base_are_taken():
    for lines in (
        {"adapter.method": "dora", "adapter.rslora": True, "base.quantization": "nf4"},
        {"adapter.method": "dora", "adapter.init": "eva"},
        {"adapter.init": "eva", "base.quantization": "int8"},
        {"adapter.init": "loftq", "base.quantization": "nf4", "adapter.rslora": True},
        {"adapter.init": "pissa", "train.lora_plus_ratio": 16, "train.seeds": [1, 2]},
    ):
        load(write(MINIMAL), lines)


def test_a_source_cannot_take_the_name_of_the_runs_own_rows():
    for name in ("own", "train", "canaries"):
        source = f"data.sources=[{{task: chat, path: x.jsonl, name: {name}}}]"
        assert f"a source cannot be named {name}" in fault(MINIMAL, [source])
