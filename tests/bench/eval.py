"""Scoring beside lm-evaluation-harness: the same answers, and how fast.

    MEDTUNE_DATA=... python tests/bench/eval.py agree --rival ENV/bin/python
    MEDTUNE_DATA=... python tests/bench/eval.py speed --rival ENV/bin/python [--rounds 3]

ENV is an environment with lm-eval and the torch and transformers of this one:

    python -m venv ENV
    ENV/bin/python -m pip install "lm_eval[hf]==0.4.13" torch==2.13.0 transformers==5.23.0

medtune puts MMLU's questions to smollm2-135m and hands the same texts to lm-eval, as tasks of its
own; that both score the same token ids is made sure of at every turn. Each is a process of its own
with the model in memory. What is timed comes after tokenising: sorting, the forward passes, sums.

agree: float32. Fails where fewer than 99.5 % of the predictions are the same, or two
log-likelihoods differ by more than 1e-3.
speed: bfloat16. Both try the same batch sizes, then take turns at their best. Never fails.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

MODEL, SEED = "smollm2-135m", 17
MIN_SAME, MAX_DIFFERENCE = 0.995, 1e-3
OURS, RIVAL = "medtune", "lm-eval"
MIXED = (
    "anatomy", "clinical_knowledge", "medical_genetics", "nutrition", "professional_medicine",
    "virology", "astronomy", "global_facts", "high_school_us_history", "miscellaneous",
)  # fmt: skip
Job = dict[str, Any]
Turn = dict[str, Any]
"""What a worker answers: seconds, and for each item the log-likelihoods of its options."""
Answer = Callable[[str, list[int], int], Turn]  # task, items, batch size
Key = tuple[str, str]  # task, who answers


@dataclass(frozen=True, slots=True)
class Task:
    """One way of asking the first rows of some subjects."""

    title: str
    protocol: str
    agree: int
    speed: int
    """Rows of each subject that are asked in the two modes."""
    tried: int
    """Rows in all on which batch sizes are tried."""
    goal: str
    """How many times as fast as lm-eval."""
    few_shot: int = 0
    subjects: tuple[str, ...] = MIXED


TASKS = {
    "letters": Task(
        "letters, zero-shot", "top_token", agree=30, speed=10, tried=32, goal="1.2, aim 1.4"
    ),
    # The fewer rows of a subject are timed, the less do its examples, computed once, save.
    "five_shot": Task(
        "letters, five-shot", "top_token", few_shot=5, subjects=("clinical_knowledge", "marketing"),
        agree=50, speed=24, tried=16, goal="5, aim 8",
    ),
    "options": Task(
        "option likelihoods", "option_likelihood", agree=10, speed=4, tried=32, goal="2, aim 3"
    ),
}  # fmt: skip


def main() -> None:
    """Prepare, ask both, print."""
    options = read_options()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        job = write_job(folder, options)
        workers = {
            way: stack.enter_context(worker(way, python, folder, options.threads))
            for way, python in ((RIVAL, options.rival), (OURS, sys.executable))
        }
        packages = "; ".join(f"{way}: {one.answer()['packages']}" for way, one in workers.items())
        print(f"\n{MODEL} in {job['dtype']}, {options.threads} threads; {packages}\n", flush=True)
        if options.mode == "agree":
            agree(job, workers)
        else:
            speed(job, workers, options)


def read_options() -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("mode", choices=("agree", "speed"))
    parser.add_argument("--rival", required=True, help="Python of lm-eval's environment")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 4, 8, 16, 32], help="to try")
    parser.add_argument("--dtype", choices=("bfloat16", "float32"), help="not the mode's own")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--rows", type=int, help="rows of each subject, instead of the task's own")
    return parser.parse_args()


def write_job(folder: Path, options: argparse.Namespace) -> Job:
    """All that is asked, for both workers; for lm-eval as rows and tasks of its own as well."""
    from medtune.records import Silent
    from medtune.subject import find_subject

    subject = find_subject(MODEL, template="tokenizer", progress=Silent())
    dtype = options.dtype or {"agree": "float32", "speed": "bfloat16"}[options.mode]
    job: Job = {"base": str(subject.located.folder), "pad_id": subject.pad_id, "dtype": dtype}
    tasks = job["tasks"] = {}
    for name in options.tasks:
        rows_each = options.rows or getattr(TASKS[name], options.mode)
        tasks[name] = items_of(TASKS[name], rows_each, subject)
        file, decode = folder / f"{name}.jsonl", subject.tokenizer.decode
        with file.open("w") as rows:
            for item in tasks[name]:  # the blank before an option is lm-eval's to put
                choices = [decode(ids).removeprefix(" ") for ids in item["options"]]
                row = {"prompt": decode(item["prompt"]), "choices": choices, "right": item["right"]}
                rows.write(json.dumps(row) + "\n")
        task_file = {
            "task": name, "dataset_path": "json", "dataset_kwargs": {"data_files": str(file)},
            "test_split": "train", "output_type": "multiple_choice", "doc_to_text": "prompt",
            "doc_to_choice": "choices", "doc_to_target": "right", "target_delimiter": " ",
            "metric_list": [{"metric": "acc"}],
        }  # fmt: skip
        file.with_suffix(".yaml").write_text(json.dumps(task_file))
    (folder / "job.json").write_text(json.dumps(job))
    return job


def items_of(task: Task, rows_each: int, subject: Any) -> list[dict[str, Any]]:
    """What ``medtune eval`` asks: of each item the ids of its prompt and of its options."""
    from medtune.data import Encoder
    from medtune.evaluation import answers, items, prompt_file, scores, sets, suites
    from medtune.recipe import Evaluate
    from medtune.records import Silent
    from medtune.scoring import Question, Weight

    class Listener:
        """An engine that only hears what it is asked."""

        def weigh(self, questions: Sequence[Question], **_: object) -> list[list[Weight]]:
            self.heard = questions
            return [[Weight(0.0, False)] * len(one.continuations) for one in questions]

    told = {"protocol": task.protocol, "few_shot": task.few_shot, "limit": rows_each}
    section = Evaluate.model_validate(told)
    # lm-eval counts a line break at a prompt's end to the answer: so prompts here end in a word.
    own, lead = prompt_file.load_prompts(None), {"lead": "Answer:"}
    words = {n: getattr(own, n).model_copy(update=lead) for n in ("letters", "cloze")}
    examiner = scores.Examiner(
        encoder=Encoder(subject.template), prompts=own.model_copy(update=words), section=section,
        seed=SEED, dtype="",
    )  # fmt: skip
    asked, listener = [], Listener()
    for name in task.subjects:
        rows = {"name": name, "kind": "choice", "rows": {"task": "mmlu"}, "subjects": {name: None}}
        found = sets.read_set(suites.SuiteSection.model_validate(rows))
        arm = scores.Arm("base", task.few_shot, SEED)
        exam = examiner.asked(items.suite_items(found, section), arm)
        answers.answer(exam, listener, step="", progress=Silent())  # type: ignore[arg-type]
        for example, question in zip(exam.items.examples, listener.heard, strict=True):
            right = example.options.index(example.answer)
            ids = [list(each) for each in question.continuations]
            asked.append({"prompt": list(question.prompt), "options": ids, "right": right})
    return asked


class Worker:
    """A process that has the model in memory and waits for its turns."""

    def __init__(self, way: str, process: "subprocess.Popen[str]", messages: Path) -> None:
        self._way = way
        self._process = process
        self._messages = messages

    def ask(self, task: str, items: Sequence[int], batch_size: int) -> Turn:
        """Let it answer some items of a task."""
        assert self._process.stdin
        with suppress(BrokenPipeError):  # it is gone: what it wrote last is told below
            self._process.stdin.write(json.dumps([task, list(items), batch_size]) + "\n")
            self._process.stdin.flush()
        turn = self.answer()
        turn["rate"] = len(items) / turn["seconds"]
        told = f"{task}, {self._way}, {len(items)} items by {batch_size}: {turn['rate']:.3f}/s"
        print(told, file=sys.stderr)
        return turn

    def answer(self) -> Turn:
        """The next line that is for us; its other lines are its own."""
        assert self._process.stdout
        for line in self._process.stdout:
            if line.startswith("@"):
                found: Turn = json.loads(line[1:])
                return found
        sys.exit(f"{self._way} stopped:\n{self._messages.read_text()[-4000:]}")


@contextmanager
def worker(way: str, python: str, folder: Path, threads: int) -> Iterator[Worker]:
    """Start one, and end it."""
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_CACHE": str(folder / "datasets"),  # rows leave no copy behind
        "OMP_NUM_THREADS": str(threads),
        "TOKENIZERS_PARALLELISM": "false",
    }
    messages = folder / f"{way}.txt"
    with messages.open("w") as file:
        process = subprocess.Popen(
            [python, __file__, "--worker", way, str(folder)], env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file,
        )  # fmt: skip
        try:
            yield Worker(way, process, messages)
        finally:
            process.kill()
            process.wait()


def work(way: str, folder: Path) -> None:
    """A worker's whole life."""
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    job = json.loads((folder / "job.json").read_text())
    answer = ours(job) if way == OURS else rival(job, folder)
    names = ["lm_eval"] * (way == RIVAL) + ["torch", "transformers"]
    packages = ", ".join(f"{name} {version(name)}" for name in names)
    print("@", json.dumps({"packages": packages}), flush=True)
    for line in sys.stdin:
        print("@", json.dumps(answer(*json.loads(line))), flush=True)


def ours(job: Job) -> Answer:
    """medtune's engine as ``medtune eval`` has it, but that it keeps no answers."""
    from medtune import models
    from medtune.recipe import Base
    from medtune.records import Silent
    from medtune.scoring import LocalEngine, Question

    base = Base(model=MODEL, dtype=job["dtype"])
    located = models.locate_base(base, offline=True, progress=Silent())
    model = models.load_model(located, base, models.load_tokenizer(located)).model

    def turn(task: str, items: list[int], batch_size: int) -> Turn:
        engine = LocalEngine(
            model, {}, is_adapter_on=False, decode=str, batch_size=batch_size, pad_id=job["pad_id"]
        )
        questions = []
        for one in (job["tasks"][task][number] for number in items):
            options = tuple(map(tuple, one["options"]))
            questions.append(Question(prompt=tuple(one["prompt"]), continuations=options))
        started = time.perf_counter()
        found = engine.weigh(questions, step=task, progress=Silent())
        seconds = time.perf_counter() - started
        return {"seconds": seconds, "found": [[w.log_likelihood for w in one] for one in found]}

    return turn


def rival(job: Job, folder: Path) -> Answer:
    """lm-eval's model for transformers, with the settings of its command line."""
    from lm_eval import simple_evaluate, tasks
    from lm_eval.models.huggingface import HFLM

    model = HFLM(pretrained=job["base"], dtype=job["dtype"], device="cpu")
    manager = tasks.TaskManager(include_path=str(folder), include_defaults=False)
    score, heard = model._loglikelihood_tokens, Turn()

    def timed(requests: list[Any], **options: Any) -> Any:
        started = time.perf_counter()
        answers = score(requests, **options)
        heard.update(seconds=time.perf_counter() - started, requests=requests)
        return answers

    model._loglikelihood_tokens = timed

    def turn(task: str, items: list[int], batch_size: int) -> Turn:
        model.batch_size_per_gpu = batch_size
        found = simple_evaluate(
            model, tasks=[task], samples={task: items}, task_manager=manager, bootstrap_iters=0
        )
        chosen = [job["tasks"][task][number] for number in items]
        expected = [[one["prompt"], ids] for one in chosen for ids in one["options"]]
        if [list(request[1:]) for request in heard["requests"]] != expected:
            sys.exit(f"{task}: lm-eval reads other tokens than medtune")
        rows = sorted(found["samples"][task], key=lambda row: row["doc_id"])
        values = [[value for value, _ in row["filtered_resps"]] for row in rows]
        return {"seconds": heard["seconds"], "found": values}

    return turn


def agree(job: Job, workers: dict[str, Worker]) -> None:
    """Compare what both find; fail where they do not agree."""
    print(AGREEMENT, flush=True)
    differing = []
    for name, items in job["tasks"].items():
        turns = {(name, w): one.ask(name, range(len(items)), 8) for w, one in workers.items()}
        print(agreement(name, items, turns), flush=True)
        same, largest = compared(turns, name)
        if same < MIN_SAME or largest > MAX_DIFFERENCE:
            differing.append(name)
    if differing:
        sys.exit(f"too little agrees: {', '.join(differing)}")


AGREEMENT = (
    "| | items (tokens each) | same prediction | log-likelihoods differ by at most "
    "| accuracy, lm-eval | accuracy, medtune |\n|---|---|---|---|---|---|"
)


def agreement(name: str, items: list[dict[str, Any]], turns: dict[Key, Turn]) -> str:
    """Predictions and log-likelihoods as a row of a Markdown table."""
    same, largest = compared(turns, name)
    tokens = statistics.mean(len(item["prompt"]) for item in items)
    cells = [TASKS[name].title, f"{len(items)} ({tokens:.0f})", f"{same:.2%}", f"{largest:.2g}"]
    for way in (RIVAL, OURS):
        pairs = zip(predictions(turns[name, way]), items, strict=True)
        cells.append(f"{statistics.mean(p == item['right'] for p, item in pairs):.1%}")
    return f"| {' | '.join(cells)} |"


def compared(turns: dict[Key, Turn], name: str) -> tuple[float, float]:
    """Share of the same predictions, and the largest difference of two log-likelihoods."""
    one, other = turns[name, OURS], turns[name, RIVAL]
    same = [a == b for a, b in zip(predictions(one), predictions(other), strict=True)]
    pairs = zip(chain(*one["found"]), chain(*other["found"]), strict=True)
    return statistics.mean(same), max(abs(a - b) for a, b in pairs)


def predictions(turn: Turn) -> list[int]:
    """The likeliest option of each item; of equally likely ones the first, as both take it."""
    return [values.index(max(values)) for values in turn["found"]]


def speed(job: Job, workers: dict[str, Worker], options: argparse.Namespace) -> None:
    """Find each one's best batch sizes, then take turns."""
    best = {}
    for name, items in job["tasks"].items():
        tried = range(0, len(items), max(1, len(items) // TASKS[name].tried))
        for way, one in workers.items():
            one.ask(name, tried[:2], 1)  # memory is laid out
            sizes = [size for size in options.sizes if size <= len(tried)]  # larger ones are equal
            rates = {size: one.ask(name, tried, size)["rate"] for size in sizes}
            best[name, way] = max(rates, key=lambda size: rates[size])
    turns: dict[Key, list[Turn]] = {key: [] for key in best}
    for number in range(options.rounds):
        for name, items in job["tasks"].items():
            for way in (RIVAL, OURS) if number % 2 else (OURS, RIVAL):
                turn = workers[way].ask(name, range(len(items)), best[name, way])
                turns[name, way].append(turn)
    last = {key: several[-1] for key, several in turns.items()}
    rows = [agreement(name, items, last) for name, items in job["tasks"].items()]
    print(speeds(job, turns, best), f"\nIn {job['dtype']}:\n", AGREEMENT, *rows, sep="\n")


def speeds(job: Job, turns: dict[Key, list[Turn]], best: dict[Key, int]) -> str:
    """Medians and middle halves as a Markdown table."""
    lines = [
        "| items/s, median (middle half) | items | lm-eval | medtune | times as fast | wanted |",
        "|---|---|---|---|---|---|",
    ]
    for name, items in job["tasks"].items():
        rates = {way: [turn["rate"] for turn in turns[name, way]] for way in (RIVAL, OURS)}
        ratios = [a / b for a, b in zip(rates[OURS], rates[RIVAL], strict=True)]
        cells = [TASKS[name].title, f"{len(items)}"]
        cells += [f"{spread(rates[way])}, batches of {best[name, way]}" for way in rates]
        lines.append(f"| {' | '.join([*cells, spread(ratios), TASKS[name].goal])} |")
    return "\n".join(lines)


def spread(values: list[float]) -> str:
    """Median and the middle half."""
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{median:.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(sys.argv[2], Path(sys.argv[3]))
    else:
        main()
