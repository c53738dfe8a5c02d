"""The direction of imports, and what the light commands load."""

import ast
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "medtune"
LAYERS = [
    {"errors"},
    {"stats", "digests", "metrics", "overlap", "pages", "cache", "languages"},
    {"signing"},
    {"recipe", "records", "runs", "provenance"},
    {"evidence"},
    {"gate"},
    {"models", "tasks", "guard"},
    {"scoring", "data", "corpus"},
    {"training", "evaluation", "probes", "card", "seeds", "report", "registry"},
    {"inputs", "assess", "subject", "metric_modules"},
    {"training_rows", "pushing"},
    {"pairing", "chat", "rehearsing"},
    {"parity"},
    {"pipeline", "evaluating", "probing", "merging"},
    {"served"},
    {"cli"},
]
RANK = {module: rank for rank, layer in enumerate(LAYERS) for module in layer}
WITHOUT_TORCH = LAYERS[0] | LAYERS[1] | {
    "signing", "recipe", "records", "runs", "seeds", "tasks", "guard", "evidence", "gate", "report",
    "registry", "cli",
}  # fmt: skip
HEAVY = {"torch", "transformers", "peft", "datasets", "bitsandbytes", "tokenizers"}


def imports(file: Path, *, anywhere: bool) -> set[str]:
    """Full names that a file imports: anywhere, or when it is imported itself."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    nodes = ast.walk(tree) if anywhere else iter(tree.body)
    names = set()
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module:
            # `from medtune import models` imports a module; `from medtune.models import x` too.
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def owner(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def modules() -> list[Path]:
    return [
        file
        for file in sorted(PACKAGE.rglob("*.py"))
        if owner(file) not in ("__init__", "__main__")
    ]


def test_every_module_has_a_layer():
    assert {owner(file) for file in modules()} == set(RANK)


def test_every_module_imports_only_from_layers_below_its_own():
    upward = [
        f"{owner(file)} -> {imported}"
        for file in modules()
        for name in imports(file, anywhere=True)
        if name.startswith("medtune.")
        and (imported := name.split(".")[1]) in RANK
        and imported != owner(file)
        and RANK[imported] >= RANK[owner(file)]
    ]
    assert upward == []


def test_modules_that_decide_from_files_never_import_torch_at_their_head():
    heavy = [
        f"{file.relative_to(PACKAGE)}: {name}"
        for file in modules()
        if owner(file) in WITHOUT_TORCH
        for name in imports(file, anywhere=False)
        if name.split(".")[0] in HEAVY
    ]
    assert heavy == []


def loaded_by(code: str) -> set[str]:
    script = f"import sys\n{code}\nsys.stdout.write('\\n' + ' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return {name.split(".")[0] for name in done.stdout.splitlines()[-1].split()} | {
        name for name in done.stdout.splitlines()[-1].split() if name.startswith("scipy.")
    }


def test_suites_results_and_reports_are_read_without_torch():
    for code in (
        "import medtune.evaluation.suites, medtune.evaluation.published",
        "import medtune.evaluation.comparing, medtune.evidence.scores, medtune.report",
        "from medtune.cli import app\ntry: app(['suites', 'list'])\nexcept SystemExit: pass",
    ):
        assert not loaded_by(code) & HEAVY, code


def test_importing_medtune_and_showing_help_loads_neither_torch_nor_scipy_stats():
    for code in (
        "import medtune",
        "from medtune.cli import app\ntry: app(['--help'])\nexcept SystemExit: pass",
        "from medtune.cli import app\ntry: app(['recipes', 'list'])\nexcept SystemExit: pass",
    ):
        assert not loaded_by(code) & (HEAVY | {"scipy.stats", "scipy.optimize"}), code
