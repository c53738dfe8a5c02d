"""Workflows of CIs. The job that decides has no GPU and installs no torch; its exit code blocks."""

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
      # Fetch the run with its adapter to {run} here, from where your site keeps it.
      - run: medtune probe run {run} --suite full --offline
      - uses: actions/upload-artifact@v4
        with:
          name: medtune-evidence
          path: {run}
          if-no-files-found: error
  gate:
    needs: probe
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/download-artifact@v4
        with:
          name: medtune-evidence
          path: {run}
      - run: python -m pip install medtune
      # 0 PASS, 3 BLOCK, 4 INCONCLUSIVE, 5 ERROR: everything but 0 fails the job.
      - run: medtune gate {run} --policy {policy} --out gate
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
    # Fetch the run with its adapter to {run} here, from where your site keeps it.
    - medtune probe run {run} --suite full --offline
  artifacts:
    paths: ["{run}"]
medtune-gate:
  stage: gate
  needs: [medtune-probe]
  image: python:3.11
  script:
    - python -m pip install medtune
    # 0 PASS, 3 BLOCK, 4 INCONCLUSIVE, 5 ERROR: everything but 0 fails the job.
    - medtune gate {run} --policy {policy} --out gate
  artifacts:
    when: always
    paths: [gate]
    reports:
      junit: gate/junit.xml
"""


def github_workflow(run: str, policy: str) -> str:
    """For GitHub Actions."""
    return GITHUB.format(run=run, policy=policy)


def gitlab_workflow(run: str, policy: str) -> str:
    """For GitLab."""
    return GITLAB.format(run=run, policy=policy)
