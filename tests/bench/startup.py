"""Start-up: `medtune --help` beside `python -c pass` and `python -c "import typer, rich"`.

    python tests/bench/startup.py
    python tests/bench/startup.py RUN   # also `medtune gate RUN` beside `import scipy.stats`

Alternates the commands and prints medians and their ratios, so that a busy machine slows all.
"""

import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import typer, rich": ["-c", "import typer, rich.console, rich.table"],
    "import medtune": ["-c", "import medtune"],
    "medtune --help": ["-m", "medtune", "--help"],
    "medtune recipes list": ["-m", "medtune", "recipes", "list"],
}
ROUNDS = 9


def main() -> None:
    """Measure and print."""
    commands = dict(COMMANDS)
    if len(sys.argv) > 1:
        commands["import scipy.stats"] = ["-c", "import scipy.stats"]
        commands["medtune gate"] = ["-m", "medtune", "gate", sys.argv[1], "--policy", "demo"]
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, arguments in commands.items():
            started = time.perf_counter()
            done = subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL)
            # A gate's verdict is its exit code: BLOCK and INCONCLUSIVE are no failures here.
            assert done.returncode in (0, 3, 4), name
            seconds[name].append(time.perf_counter() - started)
    bare = statistics.median(seconds["python -c pass"])
    for name, values in seconds.items():
        median = statistics.median(values)
        print(f"{name:22} {median:.3f} s  ({min(values):.3f} to {max(values):.3f})  "
              f"{median / bare:.1f} x python")  # fmt: skip


if __name__ == "__main__":
    main()
