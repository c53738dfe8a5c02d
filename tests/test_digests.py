"""What a value or file is, and files that appear whole or not at all."""

import hashlib
import json
import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medtune.digests import (
    FileDigests,
    atomic_writer,
    sha256_file,
    sha256_named,
    sha256_text,
    sha256_value,
    write_json,
    write_text,
)


def test_a_block_that_raises_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")

    def write_half() -> None:
        with atomic_writer(path) as file:
            file.write(b"half of the new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_not_there_before_it_is_whole(tmp_path):
    path = tmp_path / "a"
    with atomic_writer(path) as file:
        file.write(b"new")
        file.flush()
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_gets_the_rights_that_the_user_gives_to_new_files(tmp_path):
    before = os.umask(0o026)
    try:
        write_text(tmp_path / "a", "x")
        assert os.umask(0o026) == 0o026  # reading the mask has left it as it was
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_json_that_could_not_be_read_elsewhere_is_refused_and_the_old_file_stays(tmp_path, number):
    path = tmp_path / "a.json"
    write_json(path, {"loss": 1.0})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"loss": [number]})
    assert json.loads(path.read_text()) == {"loss": 1.0}
    assert list(tmp_path.iterdir()) == [path]


def test_json_is_written_sorted_and_readable(tmp_path):
    write_json(tmp_path / "a.json", {"b": "ä", "a": 1})
    expected = '{\n  "a": 1,\n  "b": "ä"\n}\n'
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == expected


@given(st.dictionaries(st.text(), st.text(), min_size=2), st.randoms(use_true_random=False))
def test_the_digest_of_named_files_does_not_depend_on_their_order(named, random):
    shuffled = dict(random.sample(list(named.items()), len(named)))
    assert sha256_named(shuffled) == sha256_named(named)


def test_the_digest_of_named_files_is_that_of_a_sorted_checksum_file():
    listing = b"aa  config.json\nbb  model.safetensors\n"
    expected = hashlib.sha256(listing).hexdigest()
    assert sha256_named({"model.safetensors": "bb", "config.json": "aa"}) == expected
    assert sha256_named({"model.safetensors": "aa", "config.json": "bb"}) != expected


def test_the_digest_of_a_value_sees_contents_and_not_how_they_were_ordered():
    assert sha256_value({"b": 1, "a": ["ä"]}) == sha256_value({"a": ["ä"], "b": 1})
    assert sha256_value({"a": ["ä"]}) == sha256_text('{"a":["ä"]}')
    assert sha256_value([1, 2]) != sha256_value([2, 1])


def test_a_file_longer_than_one_piece_is_hashed_whole(tmp_path):
    data = bytes(range(256)) * ((9 << 20) // 256)
    (tmp_path / "a").write_bytes(data)
    assert sha256_file(tmp_path / "a") == hashlib.sha256(data).hexdigest()


def file_with(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def test_digests_of_files_are_remembered_in_the_store(tmp_path):
    store = tmp_path / "cache/digests.json"
    path = tmp_path / "a"
    expected = file_with(path, b"one")
    assert FileDigests(store).of([path]) == {path: expected}
    # Planted in the store, a foreign digest comes back: so it was read and nothing was hashed.
    known = json.loads(store.read_text())
    store.write_text(json.dumps(dict.fromkeys(known, "planted")))
    assert FileDigests(store).of([path]) == {path: "planted"}


def test_a_changed_file_is_hashed_again(tmp_path):
    digests = FileDigests(tmp_path / "digests.json")
    path = tmp_path / "a"
    file_with(path, b"one")
    digests.of([path])
    longer = file_with(path, b"longer")
    assert digests.of([path]) == {path: longer}


def test_a_file_of_the_same_size_is_hashed_again_when_its_time_or_inode_changed(tmp_path):
    digests = FileDigests(tmp_path / "digests.json")
    path = tmp_path / "a"
    file_with(path, b"one")
    os.utime(path, ns=(10**18, 10**18))
    digests.of([path])
    second = file_with(path, b"two")
    os.utime(path, ns=(10**18, 10**18 + 1))
    assert digests.of([path]) == {path: second}
    third = file_with(tmp_path / "b", b"tri")
    os.utime(tmp_path / "b", ns=(10**18, 10**18 + 1))
    (tmp_path / "b").replace(path)
    assert digests.of([path]) == {path: third}


@pytest.mark.parametrize("torn", ["", '{"a": ', "[]", "\x00"])
def test_a_torn_store_is_forgotten_and_written_anew(tmp_path, torn):
    store = tmp_path / "digests.json"
    store.write_text(torn)
    path = tmp_path / "a"
    expected = file_with(path, b"one")
    assert FileDigests(store).of([path]) == {path: expected}
    assert list(json.loads(store.read_text()).values()) == [expected]
