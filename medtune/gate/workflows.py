"""Workflows of CIs. The job that decides has no GPU and installs no torch; its exit code blocks.

Only what a decision is made from goes from job to job: never training rows, secrets of canaries or
checkpoints, which a run's folder has too.
"""

import json
import shlex

EVIDENCE = ("adapter", "probes", "scores.json", "items.jsonl", "recipe.lock.yaml")
"""Of a run's folder, what a gate reads."""
GITHUB = """\
# Probes an adapter on a GPU and decides on a plain machine. Written by medtune ci init.
name: medtune gate
on:
  pull_request:
    paths: ["adapters/**", "recipes/**"]
permissions:
  contents: read
  pull-requests: write
jobs:
  probe:
    runs-on: [self-hosted, gpu]
    steps:
      - uses: actions/checkout@v4
      - run: python -m pip install "medtune[train]"
      # The run with its adapter, from where your site keeps it.
      - run: {fetch}
      - run: {probe}
      - uses: actions/upload-artifact@v4
        with:
          name: medtune-evidence
          # The run has more: training rows' digests, checkpoints, secrets. It stays where it is.
          path: |
{evidence}
          if-no-files-found: error
  gate:
    needs: probe
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/download-artifact@v4
        with:
          name: medtune-evidence
          path: {place}
      - run: python -m pip install medtune
      # 0 PASS, 3 BLOCK, 4 INCONCLUSIVE, 5 ERROR: everything but 0 fails the job.
      - run: {gate}
      - if: always()
        uses: actions/upload-artifact@v4
        with:
          name: medtune-gate
          path: gate
      - if: always() && github.event_name == 'pull_request'
        env:
          GH_TOKEN: ${{{{ github.token }}}}
        run: gh pr comment ${{{{ github.event.pull_request.number }}}} --body-file gate/comment.md
"""
GITLAB = """\
# Probes an adapter on a GPU and decides on a plain machine. Written by medtune ci init.
# Include it in .gitlab-ci.yml: include: {{local: .gitlab-ci.medtune.yml}}
stages: [probe, gate]
medtune-probe:
  stage: probe
  tags: [gpu]
  image: python:3.11
  script:
    - python -m pip install "medtune[train]"
    # The run with its adapter, from where your site keeps it.
    - {fetch}
    - {probe}
  artifacts:
    # The run has more: training rows' digests, checkpoints, secrets. It stays where it is.
    paths:
{evidence}
medtune-gate:
  stage: gate
  needs: [medtune-probe]
  image: python:3.11
  script:
    - python -m pip install medtune
    # 0 PASS, 3 BLOCK, 4 INCONCLUSIVE, 5 ERROR: everything but 0 fails the job.
    - {gate}
  artifacts:
    when: always
    paths: [gate]
    reports:
      junit: gate/junit.xml
"""


def github_workflow(run: str, policy: str, fetch: str) -> str:
    """For GitHub Actions.

    Args:
        run: The run's folder, seen from the repository.
        policy: A policy's name, or its file.
        fetch: The shell command that brings the run there.
    """
    evidence = "\n".join(f"            {run}/{part}" for part in EVIDENCE)
    return GITHUB.format(place=json.dumps(run), fetch=json.dumps(fetch), evidence=evidence,
                         **_commands(run, policy))  # fmt: skip


def gitlab_workflow(run: str, policy: str, fetch: str) -> str:
    """For GitLab; the same arguments."""
    evidence = "\n".join(f"      - {json.dumps(f'{run}/{part}')}" for part in EVIDENCE)
    return GITLAB.format(fetch=json.dumps(fetch), evidence=evidence, **_commands(run, policy))


def _commands(run: str, policy: str) -> dict[str, str]:
    """What the jobs do, as JSON strings, which YAML reads; a shell reads the words in them."""
    place, rules = shlex.quote(run), shlex.quote(policy)
    return {
        "probe": json.dumps(f"medtune probe run {place} --suite full --offline"),
        "gate": json.dumps(f"medtune gate {place} --policy {rules} --out gate"),
    }
