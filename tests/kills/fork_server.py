"""Trains in forked children that die where they are told to: importing torch takes seconds.

Started with killer.so preloaded: ``python fork_server.py KILLER RECIPE``. Each line on its input is
a training to do, each line on its output how that ended.
"""

import ctypes
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import torch

import medtune


def train_or_die(killer: ctypes.CDLL, recipe: Path, order: dict[str, Any]) -> None:
    # Children are forked from one state. A result that hung on a generator which medtune forgot to
    # seed would be the same in all of them and in no two processes of a user.
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(os.getpid())
    out = Path(order["out"])
    run = str(out / "tiny").encode()
    number, halves, trace = order["kill_at"], order["halves"], order["trace"].encode()
    killer.killer_arm(run, ctypes.c_long(number), halves, trace)
    medtune.train(recipe, out=out, resume=order["resume"])


def main() -> None:
    killer, recipe = ctypes.CDLL(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(1)
    # What the first training imports and sets up is there in all children.
    with tempfile.TemporaryDirectory() as folder:
        medtune.train(recipe, out=folder)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        started = time.perf_counter()
        child = os.fork()
        if child == 0:
            failed = 1
            try:
                train_or_die(killer, recipe, order)
                failed = 0
            except BaseException:  # noqa: BLE001 - the child ends here, whatever it was
                traceback.print_exc()
            os._exit(failed)
        if order["kill_after"] is not None:
            time.sleep(order["kill_after"])
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        seconds = time.perf_counter() - started
        print(json.dumps([os.waitstatus_to_exitcode(status), seconds]), flush=True)


if __name__ == "__main__":
    main()
