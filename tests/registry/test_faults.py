"""Many writers, kills and full disks: a registry is old or new, never between."""

import os
import resource
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from registry_runs import evidence_files, make_run, trust_of

from medtune.errors import MedtuneError, RegistryError, UnapprovedError
from medtune.registry.keeping import collect
from medtune.registry.promote import promote
from medtune.registry.push import push
from medtune.registry.registry import create_registry, open_registry
from medtune.registry.verify import verify

WRITERS = 8
BOUNDARIES = [(os, "link"), (os, "fsync"), (os, "replace"), (Path, "replace"), (Path, "unlink"),
              (tempfile, "mkstemp")]  # fmt: skip


def in_child(work: Callable[[], None]) -> int:
    """Do something in a process of its own; its exit code, negative for a signal."""
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            work()
            code = 0
        except MedtuneError as error:
            code = error.exit_code
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def killed_at(number: int, before: bool) -> None:
    """Let this process be killed at so many-th write that reaches the disk."""
    left = [number]

    def wrap(owner, name):
        whole = getattr(owner, name)

        def call(*args, **options):
            left[0] -= 1
            is_it = left[0] == 0
            if is_it and before:
                os.kill(os.getpid(), signal.SIGKILL)
            result = whole(*args, **options)
            if is_it:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        setattr(owner, name, call)

    for owner, name in BOUNDARIES:
        wrap(owner, name)


def until_it_is_through(work: Callable[[], None], after_a_kill: Callable[[], None]) -> int:
    """Kill it at each write, before and after, until it comes to its end; how many kills."""
    kills = 0
    for number in range(1, 500):
        for before in (True, False):

            def run(number=number, before=before):
                killed_at(number, before)
                work()

            code = in_child(run)
            if code == 0:
                return kills
            assert code == -signal.SIGKILL
            kills += 1
            after_a_kill()
    raise AssertionError("it never came to its end")


def restored(folder: Path, copy: Path) -> None:
    shutil.rmtree(folder)
    shutil.copytree(copy, folder)


@pytest.mark.slow
def test_a_push_killed_at_any_write_leaves_no_version_or_a_whole_one(tmp_path, site, run):
    folder, empty = tmp_path / "adapters", tmp_path / "empty"
    create_registry(folder, trust_of(site))
    shutil.copytree(folder, empty)

    def work():
        push(open_registry(folder), run, site.base_files, key=site.key("trainer"),
             gate_key=site.key("ci"))  # fmt: skip

    def look():
        registry = open_registry(folder)
        if registry.layout.names():
            verify(registry, "demo", "v1")
        # Whoever pushes again completes it.
        done = push(registry, run, site.base_files, key=site.key("trainer"))
        assert done.version == "v1"
        verify(registry, "demo", "v1")
        restored(folder, empty)

    assert until_it_is_through(work, look) > 40


def test_a_promotion_killed_at_any_write_leaves_the_old_or_the_new_state(
    tmp_path, site, run, other_run
):
    folder, before = tmp_path / "adapters", tmp_path / "before"
    registry = create_registry(folder, trust_of(site))
    for one in (run, other_run):
        push(registry, one, site.base_files, key=site.key("trainer"), gate_key=site.key("ci"))
    promote(registry, "demo", "v1", "production", site.key("board"))
    shutil.copytree(folder, before)

    def work():
        promote(open_registry(folder), "demo", "v2", "production", site.key("board"))

    seen = set()

    def look():
        found = open_registry(folder)
        state = tuple(v.state for v in found.standings("demo").versions.values())
        assert state in {("production", "draft"), ("retired", "production")}
        seen.add(state)
        verify(found, "demo", "production")
        if state[1] == "draft":
            work()
        else:
            found.follow("demo")
        assert verify(open_registry(folder), "demo", "production").standing.version == "v2"
        restored(folder, before)

    assert until_it_is_through(work, look) > 15
    assert len(seen) == 2


def test_eight_who_push_and_promote_at_once_lose_nothing(tmp_path, site):
    folder = tmp_path / "adapters"
    create_registry(folder, trust_of(site))
    runs = [make_run(tmp_path / f"run-{n}", site, seed=10 + n) for n in range(WRITERS)]

    def work(number: int) -> None:
        registry = open_registry(folder)
        done = push(registry, runs[number], site.base_files, key=site.key("trainer"),
                    gate_key=site.key("ci"))  # fmt: skip
        promote(registry, "demo", done.version, "production", site.key("board"))

    all_at_once(work)
    require_all_there(open_registry(folder))


def all_at_once(work: Callable[[int], None]) -> None:
    start = time.time() + 0.2
    children = []
    for number in range(WRITERS):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                time.sleep(max(0, start - time.time()))
                work(number)
                code = 0
            finally:
                os._exit(code)
        children.append(pid)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    assert codes == [0] * WRITERS


def require_all_there(registry) -> None:
    found = registry.standings("demo")
    assert sorted(found.versions) == [f"v{n}" for n in range(1, WRITERS + 1)]
    kinds = [entry.event.kind for entry in registry.entries("demo")]
    assert (kinds.count("push"), kinds.count("promote")) == (WRITERS, WRITERS)
    assert sum(one.state == "production" for one in found.versions.values()) == 1
    assert all(one.was_production for one in found.versions.values())
    for version in found.versions:
        verify(registry, "demo", version)
    labels, _ = registry.layout.named_versions("demo")
    assert labels["production"] == found.versions[found.holders["production"]].manifest


def test_two_who_approve_at_once_are_both_counted(tmp_path, site, run):
    folder = tmp_path / "adapters"
    registry = create_registry(folder, trust_of(site, approvals=2))
    push(registry, run, site.base_files, key=site.key("trainer"), gate_key=site.key("ci"))

    def work(number: int) -> None:
        key = site.key(("board", "chief")[number % 2])
        try:
            promote(open_registry(folder), "demo", "v1", "production", key)
        except (UnapprovedError, MedtuneError):
            return  # the first approval, or it is in production already

    all_at_once(work)
    assert open_registry(folder).standings("demo").holders == {"production": "v1"}


def test_a_disk_without_room_is_one_clear_line_and_nothing_is_changed(tmp_path, site, run):
    folder = tmp_path / "adapters"
    create_registry(folder, trust_of(site))
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def work():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))
        with pytest.raises(RegistryError, match="cannot be written: File too large"):
            push(open_registry(folder), run, site.base_files, key=site.key("trainer"))

    assert in_child(work) == 0
    registry = open_registry(folder)
    assert registry.layout.names() == []
    collect(registry)
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert after == before


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path, site, run):
    folder = tmp_path / "adapters"
    create_registry(folder, trust_of(site))
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    registry, base = open_registry(folder), site.base_files
    # What is read lies where root alone may go.
    readable = [*run.rglob("*"), *folder.parents, *run.parents, run]
    for path in readable:
        if path.is_relative_to(tmp_path.parent.parent):
            path.chmod(path.stat().st_mode | 0o055)

    def work():
        if os.getuid() == 0:
            os.setuid(65534)  # root may write everywhere
        with pytest.raises(RegistryError, match="Permission denied; nothing was changed"):
            push(registry, run, base)

    assert in_child(work) == 0


def test_what_a_killed_push_left_is_collected_and_nothing_else(tmp_path, site, run):
    folder = tmp_path / "adapters"
    registry = create_registry(folder, trust_of(site))
    push(registry, run, site.base_files, key=site.key("trainer"), gate_key=site.key("ci"))
    promote(registry, "demo", "v1", "production", site.key("board"))
    assert collect(registry) == []
    other = make_run(tmp_path / "other", site, seed=7, counts=evidence_files.HARMED)

    def work():
        killed_at(30, True)
        push(open_registry(folder), other, site.base_files, key=site.key("trainer"))

    assert in_child(work) == -signal.SIGKILL
    assert collect(registry)
    assert verify(registry, "demo", "production").decided is not None
