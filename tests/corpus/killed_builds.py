"""Builds a corpus in children that die at a given change of a file, and goes on with each.

Run with killer.c preloaded: ``killed_builds.py KILLER RECIPE SCRATCH``. A line of JSON
``[folder, number of the change, halves of the last write]`` on stdin; an answer on stdout.
"""

import ctypes
import json
import os
import sys
import time
from pathlib import Path

import medtune.corpus.base_tokenizer  # noqa: F401 - it takes seconds, once here
from medtune.corpus.building import build_corpus
from medtune.errors import RunExistsError
from medtune.recipe.corpus import load_corpus


def build(recipe: Path, out: Path) -> None:
    """As a user would: go on with what is there, begin where nothing is, keep what is finished."""
    loaded = load_corpus(recipe)
    try:
        build_corpus(loaded, out=out, resume=(out / loaded.name).exists())
    except RunExistsError as error:
        if "finished" in str(error):
            return
        build_corpus(loaded, out=out)


def child(killer: ctypes.CDLL, recipe: Path, out: Path, change: int, halves: int) -> int:
    """Exit status of a build that may be killed."""
    process = os.fork()
    if process == 0:
        killer.killer_arm(os.fsencode(out), change, halves, os.fsencode(out.parent / "trace"))
        build(recipe, out)
        os._exit(0)
    return os.waitpid(process, 0)[1]


def main() -> None:
    killer = ctypes.CDLL(sys.argv[1])
    killer.killer_arm.argtypes = (ctypes.c_char_p, ctypes.c_long, ctypes.c_int, ctypes.c_char_p)
    recipe, scratch = Path(sys.argv[2]), Path(sys.argv[3])
    print("ready", flush=True)
    for line in sys.stdin:
        name, change, halves = json.loads(line)
        out = scratch / name
        out.mkdir(exist_ok=True)
        began = time.monotonic()
        status = child(killer, recipe, out, change, halves)
        print(json.dumps([status, time.monotonic() - began]), flush=True)


main()
