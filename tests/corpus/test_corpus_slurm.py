"""The same blocks as jobs of a Slurm cluster: the same bytes. Needs one (SLURM_CONF, sbatch)."""

import os
import shutil

import pytest
from raw_files import recipe_of
from test_corpus_building import bytes_of

from medtune.corpus.building import build_corpus
from medtune.errors import MedtuneError

pytestmark = pytest.mark.slow
SLURM = (
    "executor={kind: slurm, workers: 2, slurm: {partition: main, time: '00:10:00',"
    " mem_per_cpu_gb: 1, tasks_per_job: 6}}"
)


@pytest.fixture
def cluster():
    if shutil.which("sbatch") is None or "SLURM_CONF" not in os.environ:
        pytest.skip("no Slurm cluster: start one and set SLURM_CONF")


@pytest.mark.usefixtures("cluster")
def test_a_corpus_built_on_two_nodes_is_that_of_one_process(small_corpus, own_raw, tmp_path):
    built = build_corpus(recipe_of(own_raw, SLURM), out=tmp_path)
    assert bytes_of(built.path) == bytes_of(small_corpus.path)


@pytest.mark.usefixtures("cluster")
def test_a_task_that_fails_on_a_node_is_an_error_that_says_where_to_look(own_raw, tmp_path):
    broken = own_raw.parent / "abstracts" / "c.jsonl.gz"
    broken.write_bytes(b"\x1f\x8b\x08\x00")
    with pytest.raises(MedtuneError, match=r"of stage read ended without result.*slurm_logs"):
        build_corpus(recipe_of(own_raw, SLURM), out=tmp_path)
