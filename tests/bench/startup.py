"""Start-up: `medtune --help` beside `python -c pass` and `python -c "import typer, rich"`.

    python tests/bench/startup.py

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
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(ROUNDS):
        for name, arguments in COMMANDS.items():
            started = time.perf_counter()
            subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
            seconds[name].append(time.perf_counter() - started)
    bare = statistics.median(seconds["python -c pass"])
    for name, values in seconds.items():
        median = statistics.median(values)
        print(f"{name:22} {median:.3f} s  ({min(values):.3f} to {max(values):.3f})  "
              f"{median / bare:.1f} x python")  # fmt: skip


if __name__ == "__main__":
    main()
