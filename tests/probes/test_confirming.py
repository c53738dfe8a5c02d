"""The ledger of sealed files: what it records, and that nothing of it is passed over."""

import json
from pathlib import Path

import pytest

from medtune.errors import DataError, RecipeError, RunExistsError
from medtune.probes.confirming import LEDGER, record_opened, require_unopened
from medtune.probes.suites import read_sealed

ROW = {"adapter": "a", "probe": "ours", "sealed": "s"}


def test_a_sealed_file_is_opened_once_for_each_adapter_and_another_file_is_another(tmp_path: Path):
    require_unopened(tmp_path, "a", {"ours": "s"})
    record_opened(tmp_path, "a", {"ours": "s"})
    with pytest.raises(RunExistsError, match="sealed items of ours before"):
        require_unopened(tmp_path, "a", {"ours": "s", "theirs": "t"})
    require_unopened(tmp_path, "b", {"ours": "s"})
    require_unopened(tmp_path, "a", {"ours": "t"})
    record_opened(tmp_path, "a", {"ours": "s"})
    assert json.loads((tmp_path / LEDGER).read_text()) == ROW


@pytest.mark.parametrize(
    "line", [b"", b" ", b'{"adapter": "a", "pro', b'{"adapter": "a"}', b"[]", b"\xff"]
)
def test_a_damaged_line_of_the_ledger_is_named_and_never_passed_over(tmp_path: Path, line: bytes):
    ledger = tmp_path / LEDGER
    ledger.write_bytes(json.dumps(ROW).encode() + b"\n" + line + b"\n")
    before = ledger.read_bytes()
    for ask in (require_unopened, record_opened):
        with pytest.raises(DataError, match=r"opened\.jsonl:2: "):
            ask(tmp_path, "b", {"ours": "s"})
    assert ledger.read_bytes() == before


def test_an_opening_that_cannot_be_recorded_is_refused(tmp_path: Path):
    (tmp_path / LEDGER).mkdir()
    with pytest.raises(DataError, match=r"opened\.jsonl cannot be written \("):
        record_opened(tmp_path, "a", {"ours": "s"})


def test_a_sealed_file_of_no_known_probe_is_named_and_not_left_out(tmp_path: Path):
    for name in ("dose_range", "sepsis_orders", "opened"):
        (tmp_path / f"{name}.jsonl").touch()
    with pytest.raises(RecipeError, match=r"sepsis_orders\.jsonl: there is no probe") as caught:
        read_sealed(tmp_path)
    assert "dose_range" not in str(caught.value)
    # A family of medtune's own is found without naming its folder.
    with pytest.raises(RecipeError, match="confirm_sha256 is not set"):
        read_sealed(tmp_path, probes=["dose_range"])
