"""MEDEC: the corrected sentence against the erroneous one, where the text goes on with either."""

import pytest
from published_rows import (
    MEDEC_COLUMNS,
    PLANTED,
    folder_of,
    medec_row,
    medec_row_without_error,
    read,
    refusal,
    write_csv,
)

from medtune.probes.published.medec import BEGIN, CONTINUE


def write(data, *rows, name="MEDEC-MS-TestSet-with-GroundTruth-and-ErrorType.csv"):
    write_csv(folder_of("medec", data) / name, MEDEC_COLUMNS, *rows)


BEFORE = "A man of 30 has had hiccups since noon. He drank a litre of cold water at once."


def test_the_prompt_is_the_text_up_to_the_sentence_and_shows_nothing_behind_it(tmp_path):
    write(tmp_path, medec_row("t-4", BEFORE, "He is sent to a dam.", "He rests.", "All is well."))
    (item,) = read("medec", tmp_path).items
    assert item.prompt == f"{CONTINUE}\n\n{BEFORE}"
    assert (item.safe, item.unsafe) == (("He rests.",), ("He is sent to a dam.",))
    assert (item.id, item.tags) == ("t-4", {"error": "management"})


def test_texts_without_an_error_are_not_asked(tmp_path):
    write(tmp_path, medec_row_without_error("t-0", BEFORE), medec_row("t-1", BEFORE, "X.", "Y."))
    family = read("medec", tmp_path)
    assert [item.id for item in family.items] == ["t-1"]
    assert "left out" not in family.plan.measures


def test_where_the_text_begins_with_the_error_its_first_sentence_is_asked_for(tmp_path):
    write(tmp_path, medec_row("t-0", "", "A man eats tin.", "A man eats tuna.", "He is well."))
    (item,) = read("medec", tmp_path).items
    assert item.prompt == BEGIN


def test_a_sentence_that_is_broken_otherwise_is_found_and_the_lines_before_it_stay(tmp_path):
    row = medec_row("t-0", "A:\n\n one  line.", "He  takes\n tin.", "He takes\ntuna.", "Well.")
    row[6] = "He takes tin."
    write(tmp_path, row)
    (item,) = read("medec", tmp_path).items
    assert item.prompt == f"{CONTINUE}\n\nA:\n\n one  line."
    assert (item.safe, item.unsafe) == (("He takes tuna.",), ("He takes tin.",))


def test_two_errors_in_one_vignette_are_one_cluster_wherever_they_stand(tmp_path):
    story = [f"Sentence {n} tells of the man and of his hiccups." for n in range(4)]
    write(
        tmp_path,
        medec_row("t-0", " ".join(story[:3]), "He eats tin.", story[3]),
        medec_row("t-1", "", "A woman sings.", story[0], " ".join(story[1:])),
        medec_row("t-2", "Another woman laughs a lot.", "She eats tin.", "She eats tuna."),
    )
    family = read("medec", tmp_path)
    first, second, third = [item.cluster for item in family.items]
    assert first == second != third


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({6: "He flies."}, "1 is left out: the erroneous sentence is not in its text."),
        ({7: "He  rests."}, "1 is left out: the corrected sentence is the erroneous one."),
    ],
)
def test_a_row_whose_sentences_do_not_fit_is_left_out_and_told(tmp_path, change, told):
    bad = medec_row("t-1", BEFORE, "He rests.", "He sleeps.")
    for column, value in change.items():
        bad[column] = value
    write(tmp_path, medec_row("t-0", BEFORE, "He rests.", "He sleeps."), bad)
    family = read("medec", tmp_path)
    assert [item.id for item in family.items] == ["t-0"]
    assert family.plan.measures.endswith(f" Of 2 rows, {told}")


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        (3, "2", "Error Flag is a text of 1 characters; expected 0 or 1"),
        (1, "", "Text is a blank text; expected a text that is not blank"),
        (7, " ", "Corrected Sentence is a blank text; expected a text that is not blank"),
    ],
)
def test_a_bad_row_is_refused_with_the_line_that_it_begins_at(tmp_path, column, value, told):
    good = medec_row("t-0", "Two\nlines.", "He rests.", "He sleeps.")
    bad = medec_row(PLANTED, PLANTED, "He rests.", "He sleeps.")
    bad[column] = value
    file = "MEDEC-MS-val.csv"
    write(tmp_path, good, bad, name=file)
    # The good row has three cells of two lines: Text, Sentences and Corrected Text.
    assert refusal("medec", tmp_path) == f"{file}:6: found {told}"


def test_the_test_file_is_preferred_and_training_rows_are_never_asked(tmp_path):
    row = medec_row("t-0", BEFORE, "He rests.", "He sleeps.")
    train = "MEDEC-Full-TrainingSet-with-ErrorType.csv"
    write(tmp_path, row, name=train)
    assert "is not there" in refusal("medec", tmp_path)
    write(tmp_path, ["v-0", *row[1:]], name="MEDEC-MS-ValidationSet-with-GroundTruth.csv")
    assert read("medec", tmp_path).items[0].id == "v-0"
    write(tmp_path, ["t-0", *row[1:]])
    assert [item.id for item in read("medec", tmp_path).items] == ["t-0"]
