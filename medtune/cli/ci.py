"""``medtune ci init``: a workflow that probes on a GPU runner and decides on a plain one."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from medtune.digests import write_text
from medtune.errors import RecipeError, RunExistsError

ci = typer.Typer(no_args_is_help=True, help="The gate in a CI.")
GITHUB = Path(".github/workflows/medtune-gate.yml")
GITLAB = Path(".gitlab-ci.medtune.yml")


@ci.callback()
def _group() -> None:
    pass


@ci.command()
def init(
    github: Annotated[bool, typer.Option("--github", help=f"Write {GITHUB}.")] = False,
    gitlab: Annotated[bool, typer.Option("--gitlab", help=f"Write {GITLAB}.")] = False,
    run: Annotated[
        str, typer.Option(help="The run's folder, seen from the repository.")
    ] = "runs/adapter",
    policy: Annotated[str, typer.Option(help="A policy's name, or its file.")] = "default",
    fetch: Annotated[
        str | None,
        typer.Option(
            help="Shell command that brings the run to the GPU runner: aws s3 sync, rsync, cp. By "
            "default the run has to be there, or the job stops."
        ),
    ] = None,
) -> None:
    """Write a workflow: fetch the adapter, probe on a GPU, gate without torch, comment, block."""
    from medtune.gate.workflows import github_workflow, gitlab_workflow

    if github == gitlab:
        raise RecipeError("choose one: --github or --gitlab")
    target = GITHUB if github else GITLAB
    if target.exists():
        raise RunExistsError(f"{target} is there already; nothing was written")
    target.parent.mkdir(parents=True, exist_ok=True)
    workflow = github_workflow if github else gitlab_workflow
    write_text(target, workflow(run, policy, fetch or f"test -d {shlex.quote(run)}/adapter"))
    sys.stdout.write(f"{target}: look at the labels of its runners\n")
    if fetch is None:
        sys.stdout.write(f"{run} has to be on the GPU runner already (--fetch COMMAND)\n")
