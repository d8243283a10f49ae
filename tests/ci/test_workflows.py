"""The workflows: what they may, what they pin, and their shell steps run here with stand-ins for what is elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / ".github/workflows").glob("*.yml"))}
PARSED = {name: yaml.safe_load(text) for name, text in WORKFLOWS.items()}
# YAML 1.1, which PyYAML reads, takes the key `on` for true.
TRIGGERS = {name: workflow[True] for name, workflow in PARSED.items()}
JOBS = [(name, job, body) for name, workflow in PARSED.items() for job, body in workflow["jobs"].items()]
STEPS = [(name, job, step) for name, job, body in JOBS for step in body["steps"]]
RUNS = [(f"{name}: {step['name']}", step["run"]) for name, _, step in STEPS if "run" in step]


def script(workflow: str, step: str) -> str:
    (found,) = (s["run"] for name, _, s in STEPS if name == workflow and s.get("name") == step)
    return found


def shell(text: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a step as the service runs it."""
    (folder / "summary").touch()
    environment = {"PATH": f"{folder}/bin:/usr/bin:/bin", "GITHUB_STEP_SUMMARY": str(folder / "summary")} | environment
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def stand_in(folder: Path, name: str, body: str = "") -> Path:
    """A command that notes how it was called."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\necho "$(basename "$0") $*" >> "{folder}/calls"\n{body}\n')
    path.chmod(0o755)
    return path


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines() if (folder / "calls").exists() else []


def test_the_four_workflows_are_there_and_start_when_they_should():
    assert set(WORKFLOWS) == {"ci.yml", "gpu.yml", "nightly.yml", "publish.yml"}
    assert set(TRIGGERS["ci.yml"]) == {"push", "pull_request"}
    assert set(TRIGGERS["gpu.yml"]) == set(TRIGGERS["nightly.yml"]) == {"schedule", "workflow_dispatch"}
    assert TRIGGERS["publish.yml"] == {"push": {"tags": ["v*"]}}


def test_what_a_fork_can_start_may_read_and_knows_no_secret():
    assert "pull_request_target" not in "".join(WORKFLOWS.values())
    for name, text in WORKFLOWS.items():
        assert "secrets." not in text
        assert PARSED[name]["permissions"] == {"contents": "read"}
    assert all("permissions" not in body for name, _, body in JOBS if name == "ci.yml")
    assert "self-hosted" not in WORKFLOWS["ci.yml"]


def test_only_jobs_that_publish_or_propose_may_write():
    may = {job: {what for what, how in body.get("permissions", {}).items() if how == "write"} for _, job, body in JOBS}
    assert {job: what for job, what in may.items() if what} == {
        "propose": {"contents", "pull-requests"},
        "canary": {"issues"},
        "pages": {"pages", "id-token"},
        "release": {"contents"},
    }


def test_actions_are_pinned_by_commit_and_named_by_version():
    used = re.findall(r"uses: (.*)", "".join(WORKFLOWS.values()))
    assert len(used) == sum("uses" in step for _, _, step in STEPS)
    pins: dict[str, set[str]] = {}
    for line in used:
        found = re.fullmatch(r"([\w-]+/[\w/-]+)@([0-9a-f]{40}) # v\d+\.\d+\.\d+", line)
        assert found, line
        pins.setdefault(found[1], set()).add(line)
    assert all(len(lines) == 1 for lines in pins.values())  # one version of each


def test_every_job_ends_and_no_checkout_leaves_its_token():
    assert all(isinstance(body["timeout-minutes"], int) for _, _, body in JOBS)
    for _, _, step in STEPS:
        if step.get("uses", "").startswith("actions/checkout"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize(("name", "text"), RUNS, ids=[name for name, _ in RUNS])
def test_steps_are_shell_without_pasted_expressions_and_call_what_is_there(name, text):
    assert "${{" not in text  # an expression in a script is a script of whoever chose its value
    assert subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True).returncode == 0
    for path in re.findall(r"(?<![\w./])\.ci/[\w.]+", text):
        assert (ROOT / path).is_file()
    for target in re.findall(r"(?m)^\s*make ([a-z ]+)$", text):
        for one in target.split():
            assert re.search(rf"(?m)^{one}:", (ROOT / "Makefile").read_text())
    for module in re.findall(r"python -m ((?:lib|book)[\w.]*)", text):
        assert (ROOT / module.replace(".", "/") / "__main__.py").is_file()


def test_zizmor_finds_nothing():
    zizmor = Path(sys.executable).with_name("zizmor")
    done = subprocess.run([zizmor, "--offline", "--no-progress", ROOT / ".github"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("tag", "status"), [("v1.2.3", 0), ("v1.2.4", 1), ("1.2.3", 1)])
def test_a_tag_that_is_not_the_version_publishes_nothing(tmp_path, tag, status):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/__init__.py").write_text('"""Words."""\n\n__version__ = "1.2.3"\n')
    done = shell(script("publish.yml", "The tag is the version"), tmp_path, GITHUB_REF_NAME=tag)
    assert done.returncode == status and (status == 0) == (done.stderr == "")


def test_the_gpu_executes_every_chapter_that_trains(tmp_path):
    (tmp_path / "chapters").symlink_to(ROOT / "chapters")
    stand_in(tmp_path / ".venv", "bin/papermill")
    (tmp_path / ".venv/calls").touch()
    assert (
        shell(script("gpu.yml", "Execute the chapters that train, by papermill on the device"), tmp_path).returncode
        == 0
    )
    made = [call.split()[1] for call in calls(tmp_path / ".venv")]
    trains = "from lib.experiments.live import"
    live = [
        path.stem
        for path in (ROOT / "chapters").glob("*.md")
        if trains in path.read_text() and "\ndevice: str" in path.read_text()
    ]
    assert len(live) >= 3 and {f"chapters/{name}.ipynb" for name in live} <= set(made)
    assert all(call.endswith("-p device cuda") for call in calls(tmp_path / ".venv"))


@pytest.mark.parametrize(("ended", "status"), [(0, 0), (124, 0), (130, 0), (1, 1), (137, 1)])
def test_training_may_be_ended_by_the_clock_but_not_fail(tmp_path, ended, status):
    stand_in(tmp_path / ".venv", "bin/python", f"exit {ended}")
    text = script("gpu.yml", "Train missing rows while there is time")
    done = shell(text, tmp_path, EXPERIMENTS="wide grid", MINUTES="1")
    assert done.returncode == status
    assert calls(tmp_path / ".venv")[0].startswith(
        "python -m lib.experiments run wide grid --device cuda --checkpoints "
    )


def test_rows_of_the_last_run_are_taken_up(tmp_path):
    text = script("gpu.yml", "Take up the rows of the last run")
    stand_in(tmp_path / ".venv", "bin/python")
    assert shell(text, tmp_path).returncode == 0 and calls(tmp_path / ".venv") == []
    (tmp_path / "_build/gpu/rows/wide.jsonl").touch()
    assert shell(text, tmp_path).returncode == 0
    assert calls(tmp_path / ".venv") == [
        "python -m lib.experiments merge _build/gpu/rows/wide.jsonl --into results/wide.jsonl"
    ]


@pytest.fixture
def clone(tmp_path) -> Path:
    """A clone with one file of rows, of a repository beside it."""
    origin, folder = tmp_path / "origin", tmp_path / "clone"
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]
    subprocess.run([*git, "init", "--quiet", "--bare", origin], check=True)
    subprocess.run([*git, "clone", "--quiet", origin, folder], check=True, capture_output=True)
    (folder / "results").mkdir()
    (folder / "results/wide.jsonl").write_text('{"key": "a"}\n')
    for command in (["add", "."], ["commit", "--quiet", "-m", "rows"], ["push", "--quiet", "origin", "HEAD:main"]):
        subprocess.run([*git, "-C", folder, *command], check=True, capture_output=True)
    stand_in(folder, "bin/gh")
    (folder / ".git/info/exclude").write_text("bin\ncalls\nsummary\n")
    return folder


@pytest.mark.parametrize("more", [False, True])
def test_new_rows_become_a_pull_request_and_none_becomes_a_word(clone, more):
    if more:
        with open(clone / "results/wide.jsonl", "a") as file:
            file.write('{"key": "b"}\n')
    environment = {"GITHUB_RUN_ID": "7", "GITHUB_REF_NAME": "main", "HOME": str(clone)}
    done = shell(script("gpu.yml", "Propose them"), clone, **environment)
    assert done.returncode == 0, done.stderr
    branches = subprocess.run(["git", "-C", clone.parent / "origin", "branch"], capture_output=True, text=True).stdout
    assert ("rows-7" in branches) is more
    assert any(call.startswith("gh pr create --base main --head rows-7") for call in calls(clone)) is more
    assert ("No new rows." in (clone / "summary").read_text()) is not more


@pytest.mark.parametrize("there", ["", "12"])
def test_a_canary_that_fails_is_told_in_one_issue(tmp_path, there):
    stand_in(tmp_path, "bin/gh", f'case "$2" in list) echo "{there}" ;; esac')
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    done = shell(
        script("nightly.yml", "Tell what failed"),
        tmp_path,
        NEWEST="failure",
        SPHINX="success",
        **dict.fromkeys(names, "x"),
    )
    assert done.returncode == 0, done.stderr
    told = (tmp_path / "bin/calls" if (tmp_path / "bin/calls").exists() else tmp_path / "calls").read_text()
    assert ("issue comment 12" in told) is bool(there) and ("issue create" in told) is not bool(there)
    assert "Newest versions: failure. Sphinx 9: success." in told


def test_the_canary_s_requirements_have_no_pins_left(tmp_path):
    text = next(
        line for line in script("nightly.yml", "Tests with the newest versions").splitlines() if line.startswith("sed")
    )
    (tmp_path / "requirements.txt").write_text((ROOT / "requirements.txt").read_text())
    assert shell(text, tmp_path).returncode == 0
    newest = (tmp_path / "newest.txt").read_text()
    assert "\n-c " not in newest and "\njupyter-book<2\n" in newest and "\n-e .\n" in newest


def test_without_a_network_the_audit_of_dependencies_says_so_and_passes(tmp_path):
    stand_in(tmp_path, "bin/curl", "exit 6")
    done = subprocess.run(
        [ROOT / ".ci/dependencies"], env={"PATH": f"{tmp_path}/bin:/usr/bin:/bin"}, capture_output=True, text=True
    )
    assert done.returncode == 0 and done.stdout.startswith("skipped: ")


@pytest.mark.parametrize("known", [0, 1])
def test_a_known_vulnerability_fails(tmp_path, known):
    stand_in(tmp_path, "bin/curl")
    stand_in(tmp_path, "bin/pipx", f"exit {known}")
    done = subprocess.run(
        [ROOT / ".ci/dependencies"], env={"PATH": f"{tmp_path}/bin:/usr/bin:/bin"}, capture_output=True
    )
    assert done.returncode == known
    assert any("--requirement constraints.txt" in call for call in calls(tmp_path))
