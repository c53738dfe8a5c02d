"""YAML with positions: what is read, where it was written, what it extends, what overrides it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medtune.errors import RecipeError
from medtune.recipe import document


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    # Messages show files relative to the working folder: so the tests can spell them out.
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MEDTUNE_DATA", raising=False)


def write(name: str, text: str) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def refusal(name: str) -> str:
    with pytest.raises(RecipeError) as caught:
        document.read(Path(name))
    return str(caught.value)


def value_of(text: str) -> object:
    write("one.yaml", f"key: {text}\n")
    return document.read(Path("one.yaml")).values["key"]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2e-4", 2e-4),
        ("1E5", 1e5),
        ("-3e2", -300.0),
        ("+1e2", 100.0),
        ("2.e3", 2000.0),
        ("1.5e-3", 1.5e-3),
        (".5e3", 500.0),
    ],
)
def test_a_number_with_an_exponent_is_a_number(text, number):
    value = value_of(text)
    assert isinstance(value, float)
    assert value == number


@pytest.mark.parametrize("text", ["1e", "abc", "e5", "1e5x", "1 e5", "-e2", "2e-", "1e2.5", "."])
def test_what_only_resembles_a_number_is_a_text(text):
    assert value_of(text) == text


def test_a_quoted_number_is_a_text():
    assert value_of("'2e-4'") == "2e-4"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_that_python_writes_is_read_as_that_number(number):
    assert value_of(repr(number)) == number


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text().map(lambda text: text.replace("$", "")),
        lambda inner: st.lists(inner, max_size=3),
        max_leaves=5,
    )
    | st.from_regex(r"\A[-+.0-9_eE]{1,6}\Z")
)
def test_what_is_dumped_is_read_back_with_the_same_values_and_types(value):
    write("dumped.yaml", document.dump({"section": {"key": value}}))
    read = document.read(Path("dumped.yaml")).values["section"]["key"]
    assert read == value
    assert repr(read) == repr(value)  # 1 == 1.0 == True, and yet they are not the same


def test_every_key_knows_line_and_column():
    write("sub/a.yaml", "name: x\n\ntrain:\n  epochs: 3\n  other: {deep: 1}\n")
    read = document.read(Path("sub/a.yaml"))
    assert read.origin(("name",)).text == "sub/a.yaml:1:1"
    assert read.origin(("train", "epochs")).text == "sub/a.yaml:4:3"
    assert read.origin(("train", "other", "deep")).text == "sub/a.yaml:5:11"


def test_a_key_that_was_not_written_has_the_place_of_the_section_it_lacks_in():
    write("a.yaml", "train:\n  epochs: 3\n")
    read = document.read(Path("a.yaml"))
    assert read.origin(("train", "learning_rate")).text == "a.yaml:1:1"
    assert read.origin(("base", "model")).text == "a.yaml"


@pytest.mark.parametrize(
    ("text", "place", "key"),
    [
        ("name: x\nname: y\n", "a.yaml:2:1", "name"),
        ("train:\n  epochs: 1\n  epochs: 1\n", "a.yaml:3:3", "train.epochs"),
        ("train: {a: {b: 1, b: 2}}\n", "a.yaml:1:19", "train.a.b"),
    ],
)
def test_a_key_that_is_given_twice_is_refused_where_it_stands_again(text, place, key):
    write("a.yaml", text)
    assert refusal("a.yaml") == f"{place} {key}: the key is given twice"


def test_a_missing_file_is_refused_with_the_command_that_lists_recipes():
    message = refusal("nothing.yaml")
    assert "no recipe file nothing.yaml" in message
    assert "medtune recipes list" in message


def test_a_folder_is_no_recipe_file():
    Path("folder").mkdir()
    assert "no recipe file folder" in refusal("folder")


def test_a_file_that_the_system_cannot_read_is_refused_with_the_cause():
    name = 300 * "a"  # a refusal that root meets too, unlike that of a file without rights
    assert refusal(name) == f"{name} cannot be read: File name too long"


def test_text_that_is_not_utf8_is_refused_with_the_byte():
    Path("a.yaml").write_bytes(b"name: caf\xe9\n")
    assert refusal("a.yaml") == "a.yaml: not UTF-8 text at byte 9"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("name: [1\nb: 2\n", "a.yaml:2:2"),
        ("name: x\n  epochs: 3\n", "a.yaml:2:9"),
        ("name: *nowhere\n", "a.yaml:1:7"),
        ("name: x\n---\nname: y\n", "a.yaml:2:1"),
        ("name: \t@\n", "a.yaml:1:7"),
    ],
)
def test_text_that_is_not_yaml_is_refused_with_line_and_column(text, place):
    write("a.yaml", text)
    assert refusal("a.yaml").startswith(f"{place}: not YAML: ")


@pytest.mark.parametrize("text", ["", "# only a comment\n", "- name: x\n", "name\n", "3\n"])
def test_a_file_that_is_no_mapping_is_refused(text):
    write("a.yaml", text)
    assert refusal("a.yaml").startswith("a.yaml:1:1: a recipe is a mapping")


def test_a_placeholder_of_another_template_language_is_no_key():
    write("a.yaml", "name: x\nseed: {{ seed }}\n")
    assert refusal("a.yaml").startswith("a.yaml:2:8: a list or mapping stands where a key")


def test_a_python_object_is_refused_and_not_made():
    write("a.yaml", "name: x\nseed: !!python/object/apply:os.mkdir ['made']\n")
    assert refusal("a.yaml").startswith("a.yaml:2:1: could not determine a constructor")
    assert not Path("made").exists()


def test_a_day_that_no_calendar_has_is_refused_at_its_key():
    write("a.yaml", "name: 2024-13-45\n")
    assert refusal("a.yaml").startswith("a.yaml:1:1: month must be in 1..12")


def test_an_alias_inside_itself_is_refused():
    write("a.yaml", "train: &again {part: *again}\n")
    assert "alias (*) inside itself" in refusal("a.yaml")


def test_a_recipe_is_laid_over_the_one_it_extends_key_by_key():
    write("parent.yaml", "seed: 1\ntrain: {epochs: 1, batch_size: 8}\nname: parent\n")
    write("child.yaml", "extends: parent.yaml\nname: child\ntrain: {epochs: 5}\n")
    read = document.read(Path("child.yaml"))
    assert read.values == {
        "seed": 1,
        "train": {"epochs": 5, "batch_size": 8},
        "name": "child",
    }
    assert read.origin(("train", "epochs")).text == "child.yaml:3:9"
    assert read.origin(("train", "batch_size")).text == "parent.yaml:2:20"


def test_of_several_parents_the_later_one_wins_and_the_file_itself_over_both():
    write("first.yaml", "a: 1\nb: 1\nc: 1\n")
    write("second.yaml", "b: 2\nc: 2\n")
    write("child.yaml", "extends: [first.yaml, second.yaml]\nc: 3\n")
    assert document.read(Path("child.yaml")).values == {"a": 1, "b": 2, "c": 3}


def test_a_list_is_replaced_and_never_joined():
    write("parent.yaml", "adapter: {targets: [q, k, v]}\n")
    write("child.yaml", "extends: parent.yaml\nadapter: {targets: [o]}\n")
    assert document.read(Path("child.yaml")).values == {"adapter": {"targets": ["o"]}}


def test_what_is_extended_is_found_beside_the_file_that_names_it():
    write("parts/deep/base.yaml", "seed: 7\n")
    write("parts/middle.yaml", "extends: deep/base.yaml\n")
    write("child.yaml", "extends: parts/middle.yaml\n")
    read = document.read(Path("child.yaml"))
    assert read.values == {"seed": 7}
    assert read.origin(("seed",)).folder.resolve() == Path("parts/deep").resolve()


def test_one_part_may_be_reached_on_two_ways():
    write("root.yaml", "seed: 7\n")
    write("left.yaml", "extends: root.yaml\n")
    write("right.yaml", "extends: root.yaml\n")
    write("child.yaml", "extends: [left.yaml, right.yaml]\n")
    assert document.read(Path("child.yaml")).values == {"seed": 7}


def test_files_that_extend_each_other_in_a_circle_are_refused_with_the_circle():
    write("a.yaml", "extends: parts/b.yaml\n")
    write("parts/b.yaml", "extends: c.yaml\n")
    write("parts/c.yaml", "extends: ../a.yaml\n")
    message = refusal("a.yaml")
    assert "extends itself" in message
    assert "a.yaml -> parts/b.yaml -> parts/c.yaml" in message


def test_a_missing_part_is_refused_where_it_is_named():
    write("sub/a.yaml", "name: x\nextends: [nothing.yaml]\n")
    assert refusal("sub/a.yaml") == "sub/a.yaml:2:1 extends: there is no file sub/nothing.yaml"


@pytest.mark.parametrize("text", ["3", "null", "[1]", "{a: b}"])
def test_extends_takes_a_file_name_or_a_list_of_them(text):
    write("a.yaml", f"extends: {text}\n")
    assert refusal("a.yaml") == "a.yaml:1:1 extends: give a file name or a list of file names"


def test_the_data_folder_is_put_in_for_its_variable(monkeypatch):
    monkeypatch.setenv("MEDTUNE_DATA", "relative/data")
    expected = str(Path.cwd() / "relative/data")
    assert value_of("'${MEDTUNE_DATA}/qa'") == f"{expected}/qa"
    assert value_of("['${MEDTUNE_DATA}', {deep: '${MEDTUNE_DATA}'}]") == [
        expected,
        {"deep": expected},
    ]


@pytest.mark.parametrize("value", [None, ""])
def test_the_variable_without_a_value_is_an_error_that_says_what_to_set(monkeypatch, value):
    if value is not None:
        monkeypatch.setenv("MEDTUNE_DATA", value)
    write("a.yaml", "data:\n  path: ${MEDTUNE_DATA}/qa\n")
    message = refusal("a.yaml")
    assert message.startswith("a.yaml:2:3: the environment variable MEDTUNE_DATA is not set; set")


@pytest.mark.parametrize("name", ["HOME", "MEDTUNE_DATA2", "medtune_data", "", " MEDTUNE_DATA"])
def test_no_other_variable_can_be_read(monkeypatch, name):
    monkeypatch.setenv("MEDTUNE_DATA", "/data")
    monkeypatch.setenv("HOME", "/planted/secret")
    write("a.yaml", f"data:\n  path: '${{MEDTUNE_DATA}}/${{{name}}}'\n")
    message = refusal("a.yaml")
    assert f"a.yaml:2:3: ${{{name}}} is not known" in message
    assert "planted" not in message


def test_a_dollar_without_braces_is_itself():
    assert value_of("cost $HOME") == "cost $HOME"


def overridden(text: str, *assignments: str) -> document.Document:
    read = document.read(write("a.yaml", text))
    for assignment in assignments:
        document.override(read, assignment)
    return read


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("40", 40),
        ("2e-4", 2e-4),
        ("true", True),
        ("null", None),
        ("", None),
        ("a=b", "a=b"),
        ("'40'", "40"),
        ("[q, k]", ["q", "k"]),
        ("{1: 2}", {"1": 2}),
    ],
)
def test_the_value_of_an_override_is_yaml(text, value):
    read = overridden("name: x\n", f"a.b={text}").values["a"]["b"]
    assert read == value
    assert type(read) is type(value)


def test_an_override_replaces_one_value_and_leaves_its_neighbours():
    read = overridden("train: {epochs: 1, batch_size: 2}\n", "train.epochs=3")
    assert read.values == {"train": {"epochs": 3, "batch_size": 2}}
    assert read.origin(("train", "epochs")).text == "override 'train.epochs=3'"
    assert read.origin(("train", "batch_size")).text == "a.yaml:1:20"


def test_of_two_overrides_of_one_key_the_later_wins():
    assert overridden("seed: 1\n", "seed=2", "seed=3").values == {"seed": 3}


def test_an_override_of_a_section_takes_the_places_of_what_stood_in_it():
    read = overridden("train: {epochs: 1}\n", "train={epochs: x}")
    assert read.values == {"train": {"epochs": "x"}}
    assert read.origin(("train", "epochs")).text == "override 'train={epochs: x}'"


@pytest.mark.parametrize("assignment", ["train", "=3", "a..b=3", ".a=3", "a.=3", ""])
def test_an_override_without_key_or_equals_sign_is_refused_with_an_example(assignment):
    with pytest.raises(RecipeError, match=r"write key=value, for example train\.max_steps=40"):
        overridden("name: x\n", assignment)


@pytest.mark.parametrize("text", ["[1", "2024-13-45", "'", "*a", "{[1]: 2}"])
def test_an_override_whose_value_is_not_yaml_is_refused(text):
    with pytest.raises(RecipeError) as caught:
        overridden("name: x\n", f"seed={text}")
    assert str(caught.value).startswith(f"override 'seed={text}': the value is not YAML: ")


def test_an_override_below_a_plain_value_is_refused():
    with pytest.raises(RecipeError) as caught:
        overridden("seed: 1\n", "seed.part=2")
    assert str(caught.value) == "override 'seed.part=2': seed is a plain value and has no parts"


@pytest.mark.parametrize("text", ["${HOME}", "{path: '${HOME}'}", "['${HOME}']"])
def test_an_override_can_read_no_variable_either(text):
    with pytest.raises(RecipeError, match=r"\$\{HOME\} is not known"):
        overridden("name: x\n", f"data={text}")


def test_inside_shows_a_part_with_its_places():
    read = document.read(write("a.yaml", "recipe:\n  train: {epochs: 1}\n"))
    part = read.inside("recipe")
    assert part.values == {"train": {"epochs": 1}}
    assert part.origin(("train", "epochs")).text == "a.yaml:2:11"
    assert part.origin(("seed",)).text == "a.yaml:1:1"
    with pytest.raises(RecipeError, match=r"^a\.yaml: there is no resolved: in it"):
        read.inside("resolved")
