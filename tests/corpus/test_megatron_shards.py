"""Shards as Megatron maps them, read back here by the published layout alone."""

import struct
from itertools import chain, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medtune.corpus.megatron import Shard, token_type, write_shard
from medtune.errors import VerificationError

DOCUMENTS = st.lists(st.lists(st.integers(0, 60000), min_size=1, max_size=30), max_size=12)


def read_by_the_layout(prefix):
    """Documents of a shard, by the order of fields in Megatron's indexed data sets."""
    index = prefix.with_suffix(".idx").read_bytes()
    assert index[:9] == b"MMIDIDX\x00\x00"
    version, code = struct.unpack("<QB", index[9:18])
    assert version == 1
    sequences, borders = struct.unpack("<QQ", index[18:34])
    dtype = {8: np.uint16, 4: np.int32}[code]
    lengths = np.frombuffer(index, np.int32, sequences, 34)
    places = np.frombuffer(index, np.int64, sequences, 34 + 4 * sequences)
    first = np.frombuffer(index, np.int64, borders, 34 + 12 * sequences)
    assert len(index) == 34 + 12 * sequences + 8 * borders
    data = prefix.with_suffix(".bin").read_bytes()
    read = [
        np.frombuffer(data, dtype, length, place).tolist()
        for length, place in zip(lengths, places, strict=True)
    ]
    return [list(chain.from_iterable(read[a:b])) for a, b in pairwise(first)]


@given(documents=DOCUMENTS, vocabulary=st.sampled_from([400, 32000, 49152, 65499, 65500, 128256]))
def test_documents_come_back_by_the_published_layout_and_by_our_reader(
    tmp_path_factory, documents, vocabulary
):
    prefix = tmp_path_factory.mktemp("shard") / "s"
    dtype = token_type(vocabulary)
    with write_shard(prefix, dtype) as writer:
        for document in documents:
            writer.add(np.array(document))
    assert read_by_the_layout(prefix) == documents
    shard = Shard(prefix)
    assert [shard[number].tolist() for number in range(len(shard))] == documents
    assert shard.num_tokens == sum(map(len, documents))


def test_large_vocabularies_take_four_bytes_from_where_megatron_does():
    assert token_type(65499).itemsize == 2
    assert token_type(65500).itemsize == 4


def test_megatron_cores_own_reader_reads_our_shards(tmp_path):
    indexed = pytest.importorskip("megatron.core.datasets.indexed_dataset")
    with write_shard(tmp_path / "s", token_type(49152)) as writer:
        writer.add(np.array([1, 49151, 2]))
        writer.add(np.array([1, 2]))
    found = indexed.IndexedDataset(str(tmp_path / "s"))
    assert [found[number].tolist() for number in range(len(found))] == [[1, 49151, 2], [1, 2]]
    assert found.document_indices.tolist() == [0, 1, 2]


@pytest.fixture
def shard(tmp_path):
    with write_shard(tmp_path / "s", token_type(400)) as writer:
        writer.add(np.arange(1, 50))
    return tmp_path / "s"


@pytest.mark.parametrize("ending", [".bin", ".idx"])
def test_a_shard_that_is_cut_short_is_refused(shard, ending):
    file = shard.with_suffix(ending)
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(VerificationError, match=r"s\.(bin|idx)"):
        Shard(shard)


def test_a_file_of_another_kind_is_refused(shard):
    shard.with_suffix(".idx").write_bytes(b"PK\x03\x04" * 40)
    with pytest.raises(VerificationError, match="no index"):
        Shard(shard)


def test_a_shard_that_could_not_be_written_whole_leaves_nothing(tmp_path):
    with (
        pytest.raises(ValueError, match="without tokens"),
        write_shard(tmp_path / "s", token_type(400)) as writer,
    ):
        writer.add(np.array([], dtype=np.uint16))
    assert list(tmp_path.iterdir()) == []
