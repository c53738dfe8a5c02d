"""`medtune data` as a user meets it: real processes, pipes, terminals, pages and exit codes."""

import json
import os
import pty
import re
import stat
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from fixtures import chat, recipe, write_jsonl, write_questions, write_recipe

MEDTUNE = [sys.executable, "-m", "medtune", "data"]


def medtune_data(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MEDTUNE, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )


def on_a_terminal(*arguments: object, **environment: str) -> str:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*MEDTUNE, *map(str, arguments)],
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "100"} | environment,
    ) as started:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 4096):
                shown += piece
        except OSError:  # Linux ends a terminal that nobody writes to any more with EIO
            pass
    os.close(ours)
    assert started.returncode == 0
    return shown.decode()


@pytest.fixture(scope="module")
def chats(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Path:
    folder = tmp_path_factory.mktemp("chats")
    rows = [chat(number) for number in range(20)]
    rows[1]["messages"][3]["content"] = "Notes of the night. " * 20 + "Which one?"
    write_jsonl(folder / "rows" / "train.jsonl", rows)
    values = recipe(tiny_base, folder / "rows", data={"task": "chat", "validation_fraction": 0.0,
                    "max_tokens": 100, "on_overlength": "drop"})  # fmt: skip
    return write_recipe(folder / "recipe.yaml", values | {"evaluate": {}})


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Path:
    folder = tmp_path_factory.mktemp("questions")
    rows = write_questions(folder / "rows")
    return write_recipe(folder / "recipe.yaml", recipe(tiny_base, rows))


def page(path: Path) -> ElementTree.Element:
    text = path.read_text(encoding="utf-8")
    assert "http://" not in text
    assert "https://" not in text
    return ElementTree.fromstring(text)


def test_a_piped_preview_shows_the_mask_without_escape_codes(chats: Path, tmp_path: Path):
    done = medtune_data("preview", chats, "--show-mask", "--html", tmp_path / "rows.html")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert done.stdout.count("⟦A missing vitamin.</s>⟧") == 3
    assert "train row 1, chat-0: " in done.stdout
    assert "left out of train, longer than data.max_tokens: 1 row: chat-1" in done.stdout
    shown = "".join(page(tmp_path / "rows.html").itertext())
    assert shown.count("⟦A missing vitamin.</s>⟧") == 3
    assert "chat-1" in shown


def test_a_terminal_gets_colours_and_the_same_signs_unless_it_wants_none(chats: Path):
    coloured = on_a_terminal("preview", chats, "--show-mask", "--rows", 1)
    plain = on_a_terminal("preview", chats, "--show-mask", "--rows", 1, NO_COLOR="1")
    assert "\x1b[1;32m" in coloured
    assert "\x1b[1;32m" not in plain
    assert "⟦Vitamin C.</s>⟧" in re.sub(r"\x1b\[[0-9;]*m", "", coloured)


def test_without_the_mask_messages_stand_as_they_are(chats: Path):
    done = medtune_data("preview", chats, "--id", "chat-3", "--id", "chat-0")
    assert "system: Answer briefly.\nuser: Case 3: night blindness. Cause?\n" in done.stdout
    assert "train row 1, chat-0" in done.stdout
    assert "⟦" not in done.stdout


def test_an_id_or_a_split_that_is_not_there_exits_2(chats: Path):
    for options, told in (
        (("--id", "chat-1"), "this row was left out, longer than data.max_tokens"),
        (("--id", "nobody"), "no row has this id"),
        (("--split", "dev"), "--split dev: there are train, validation, test"),
        (("--reveal",), "--reveal is for data.private"),
    ):
        done = medtune_data("preview", chats, *options)
        assert done.returncode == 2
        assert told in done.stderr
        assert "Traceback" not in done.stderr


def test_a_cut_row_says_how_much_went(chats: Path):
    done = medtune_data("preview", chats, "data.on_overlength=truncate_prompt", "--id", "chat-1",
                        "--show-mask")  # fmt: skip
    found = re.search(r"(\d+) characters \((\d+) tokens\) of the prompt were cut", done.stdout)
    assert found, done.stdout + done.stderr
    assert int(found[1]) > int(found[2]) > 0


def test_the_first_pass_is_shown_as_it_is_trained(questions: Path):
    packed = medtune_data("preview", questions, "--packed").stdout
    assert packed.count("╎") == packed.count("⟦") - 1
    padded = medtune_data("preview", questions, "--packed", "train.packing=false").stdout
    # The legend has each sign once.
    assert padded.count("╎") == 1
    assert padded.count("·\N{MULTIPLICATION SIGN}") >= 2


def test_private_rows_are_hidden_until_they_are_asked_for(chats: Path, tmp_path: Path):
    path = tmp_path / "rows.html"
    hidden = medtune_data("preview", chats, "data.private=true", "--show-mask", "--html", path)
    assert hidden.returncode == 0, hidden.stderr
    for text in (hidden.stdout, path.read_text()):
        assert "vitamin" not in text
        assert "chat-" not in text
        assert "⟦X xxxxxxx xxxxxxx." in re.sub("<[^>]+>", "", text)
    shown = medtune_data("preview", chats, "data.private=true", "--reveal", "--html", path)
    assert "A missing vitamin." in shown.stdout
    assert "This holds text of patients." in shown.stdout
    assert "This holds text of patients." in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_check_prints_one_table_and_writes_page_and_figures(questions: Path, tmp_path: Path):
    html, figures = tmp_path / "check.html", tmp_path / "check.json"
    done = medtune_data("check", questions, "--html", html, "--json", figures, COLUMNS="120")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    for told in ("24 rows, 24 groups", "A 6 (25.0%)", "passes filled", "at least"):
        assert told in done.stdout
        assert told in html.read_text()
    assert page(html).find(".//span[@class='bar']") is not None
    found = json.loads(figures.read_text())
    assert found["examination"]["labels"] == {"A": 6, "B": 6, "C": 6, "D": 6}
    assert found["plan"]["num_steps"] == 8
    assert found["plan"]["least_seconds"] > 0


def test_text_of_evaluation_items_is_shown_from_both_sides(questions: Path, tmp_path: Path):
    html, figures = tmp_path / "check.html", tmp_path / "check.json"
    exam = questions.parent / "rows" / "test.jsonl"
    done = medtune_data(
        "check", questions, "--html", html, "--json", figures,
        "data.decontaminate={rows: [{task: mcq, path: " + str(exam) + "}], share: 0.5,"
        " action: report}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    # The rows are alike but for the patient's number and the disease.
    found = json.loads(figures.read_text())["data"]["contamination"]["rows"]
    assert found
    text = " ".join(page(html).itertext())
    assert "Text of evaluation items (report)" in text
    for row in found:
        assert row["id"] in text
        for item in row["items"]:
            assert item["name"] in text
            assert item["shared"] in row["text"]
            assert item["text"].splitlines()[0] in text


def test_a_broken_limit_exits_2_after_the_table(chats: Path):
    done = medtune_data("check", chats, "data.limits.max_dropped=0.01",
                        "data.limits.min_supervised=0.9")  # fmt: skip
    assert done.returncode == 2
    assert "too long (left out)" in done.stdout
    assert (
        "data.limits.max_dropped: found 0.05 (1 of 20 rows, first chat-1), allowed" in done.stderr
    )
    assert "data.limits.min_supervised: found" in done.stderr
    assert "Traceback" not in done.stderr
    assert medtune_data("check", chats, "data.limits.max_dropped=0.05").returncode == 0
