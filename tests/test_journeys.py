"""A reader, a researcher and a teacher who have the README alone: a fresh clone, a home of their own, nothing cached.

What they type is read from the README's sections. Installing needs the index of packages, and the whole takes a quarter
of an hour.
"""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from classroom import FIRST, hand_in, solved, untouched
from playwright.sync_api import expect, sync_playwright

from assignments.course import Course
from book.browser import FLAGS

pytestmark = pytest.mark.nightly

ROOT = Path(__file__).parents[1]
# What a machine needs to reach an index or a browser, and where its data are; nothing of a user.
_KEPT = re.compile(r"PATH|TZ|LANG|LC_\w+|TERM|.*_proxy|PIP_(?!CACHE).*|SSL_\w+|BOOK_BROWSER|BOOK_DATA", re.IGNORECASE)
_NO_NETWORK = re.compile(r"Failed to establish|Temporary failure in name resolution|No matching distribution")
NETS = """\
import torch
from torch import nn


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Linear(4, 10)

    def forward(self, x):
        x = torch.relu(self.one(x))
        return self.head(torch.relu(x + self.two(x)).mean(dim=(2, 3)))


def resnet():
    torch.manual_seed(0)
    return Residual()
"""
POINTS = """\
import numpy
import torch
from safetensors.torch import save_model
from my_project.nets import resnet

network = resnet()
save_model(network, "start.safetensors")
with torch.no_grad():
    network.head.weight.mul_(2)
save_model(network, "end.safetensors")
numpy.savez("images.npz", x=numpy.random.default_rng(0).normal(size=(5, 3, 8, 8)).astype("float32"))
"""


def section(title: str, language: str = "console") -> list[str]:
    """Return the blocks of commands or code below a heading of the README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (body,) = re.findall(rf"(?ms)^## {title}$(.*?)(?=^## |\Z)", text)
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", body)


class Traveller:
    """Somebody with a clone, a home and a shell."""

    def __init__(self, folder: Path) -> None:
        self.clone, self.home = folder / "clone", folder / "home"
        self.home.mkdir()
        kept = {name: value for name, value in os.environ.items() if _KEPT.fullmatch(name)}
        if Path(sys.prefix) != Path(sys.base_prefix):  # not the environment that runs the tests
            own = os.path.realpath(sys.prefix)
            parts = [part for part in kept["PATH"].split(os.pathsep) if not os.path.realpath(part).startswith(own)]
            kept["PATH"] = os.pathsep.join(parts)
        self.environment = kept | {"HOME": str(self.home), "PIP_NO_CACHE_DIR": "1"}
        subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", ROOT, self.clone], check=True)

    def start(self, script: str, folder: Path | None = None) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen(
            ["bash", "-e", "-c", script],
            cwd=folder or self.clone,
            env=self.environment,
            stdout=pipe,
            stderr=pipe,
            text=True,
            start_new_session=True,
        )

    def types(self, script: str, folder: Path | None = None) -> str:
        """Type commands, and return what they print; each must end well."""
        process = self.start(script, folder)
        out, err = process.communicate(timeout=3600)
        if process.returncode and _NO_NETWORK.search(err):
            pytest.skip("there is no index of packages to install from")
        assert process.returncode == 0, f"{script}\n{out}\n{err}"
        return out


@pytest.fixture(scope="module")
def traveller(tmp_path_factory: pytest.TempPathFactory) -> Traveller:
    """Somebody who has typed what stands first in the README: `make book`, which installs and builds."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    first = re.search(r"(?ms)^```console\n(.*?)^```$", text)[1].splitlines()[0]
    assert first.startswith("make book")
    arrived = Traveller(tmp_path_factory.mktemp("journey"))
    assert "_build/site/html/index.html" in arrived.types(first)
    return arrived


@pytest.fixture
def served(traveller: Traveller) -> Iterator[str]:
    """What `make serve` says where the site is."""
    process = traveller.start("exec make serve")
    try:
        line = next(line for line in process.stdout if "http://" in line)
        yield re.search(r"http://[\d.:]+", line)[0]
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)


def test_a_reader_builds_reads_searches_and_takes_a_chapter_home(traveller: Traveller, served: str) -> None:
    assert "executed no chapter" in traveller.types("make book")
    if not (browser := os.environ.get("BOOK_BROWSER")):
        pytest.skip("BOOK_BROWSER names no Chromium to read the site in")
    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=browser, args=FLAGS)
        page = running.new_page(viewport={"width": 1280, "height": 800})
        trouble: list[str] = []
        page.on("pageerror", lambda error: trouble.append(str(error)))
        # The search fetches what it found, to show a line of it; who goes on before that has come fetches in vain.
        page.on("requestfailed", lambda r: trouble.append(r.url) if r.failure != "net::ERR_ABORTED" else None)
        page.goto(served)
        page.wait_for_url("**/chapters/00_overview.html")
        cards = page.locator(".claim-card")
        expect(cards).to_have_count(3)
        for card in cards.all():
            expect(card.locator(".chip")).to_be_in_viewport()
        cards.first.locator("a").last.click()
        expect(page.locator("article h1")).to_be_visible()
        page.locator("button.search-button__button:visible").first.click()
        page.locator("#pst-search-dialog input[type=search]").fill("lazy training")
        page.keyboard.press("Enter")
        page.locator("ul.search li a").first.click()
        expect(page.locator("article h1")).to_be_visible()
        page.locator(".dropdown-download-buttons > button").click()
        with page.expect_download() as download:
            page.locator(".dropdown-download-buttons a", has_text=".ipynb").click()
        nbformat.validate(nbformat.read(download.value.path(), as_version=4))
        page.goto(f"{served}/chapters/15_scorecard.html")
        expect(page.locator(".scorecard .chip").first).to_be_visible()
        assert trouble == []
        running.close()


def test_a_researcher_reruns_measures_a_network_and_audits(traveller: Traveller, tmp_path: Path) -> None:
    rerun, own, rows = section("For researchers")
    traveller.types(rerun)
    notebook = nbformat.read(traveller.clone / "my_width.ipynb", as_version=4)
    (injected,) = [cell for cell in notebook.cells if "injected-parameters" in cell.metadata.get("tags", [])]
    assert "lecun" in injected.source  # the second command of the block wrote over the first one's notebook

    activate = rerun.splitlines()[0].replace(".venv", str(traveller.clone / ".venv"))
    (snippet,) = section("For researchers", "python")
    given = "import torch\nmodel = torch.nn.Linear(6, 3)\nx = torch.ones(5, 6)\n"
    shown = "\nprint(perturbation_stability(model, x).shape, relative_stability(model, x))"
    (tmp_path / "snippet.py").write_text(given + snippet + shown)
    assert "torch.Size([1, 5])" in traveller.types(f"{activate}\npython snippet.py", tmp_path)

    (tmp_path / "my_project").mkdir()
    (tmp_path / "my_project" / "nets.py").write_text(NETS)
    (tmp_path / "points.py").write_text(POINTS)
    measures = {
        one["name"]: one
        for one in json.loads(traveller.types(f"{activate}\npython points.py\n{own}", tmp_path))["measures"]
    }
    assert len(measures) >= 3

    status, audit, run = rows.splitlines()
    source = f"{rerun.splitlines()[0]}\n"
    assert "grid" in traveller.types(source + status)
    if "BOOK_DATA" in os.environ:
        traveller.types(source + audit)
        before = (traveller.clone / "results/grid.jsonl").read_bytes()
        process = traveller.start(f"{source}exec {run.partition('#')[0]}")
        with pytest.raises(subprocess.TimeoutExpired):  # weeks; who stops it goes on later
            process.wait(timeout=90)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=120)
        assert process.returncode == 130 and "Traceback" not in err
        assert (traveller.clone / "results/grid.jsonl").read_bytes().startswith(before)


def test_a_teacher_hands_out_grades_and_gives_back(traveller: Traveller) -> None:
    (block,) = section("For teachers")
    release, *rest = [line.partition("#")[0].strip() for line in block.splitlines()]
    activate = "source .venv/bin/activate\n"
    traveller.types(release)
    course = Course(traveller.clone / "course")
    assert len(list(course.root.glob("release/*/*.ipynb"))) == 5
    hand_in(course, "ann", solved())
    hand_in(course, "bob", untouched())
    printed = [traveller.types(activate + command) for command in rest]
    table = Path(re.search(r": (.+\.csv)$", printed[-1].strip())[1])
    with open(table, encoding="utf-8") as file:
        lines = [line for line in csv.DictReader(file) if line["assignment"] == FIRST]
    marks = {line["student_id"]: (float(line["score"]), float(line["max_score"])) for line in lines}
    assert set(marks) == {"ann", "bob"}
    assert marks["ann"][0] == marks["ann"][1] > 0 and marks["bob"][0] == 0
    pages = {path.parent.parent.name for path in (course.root / "feedback").rglob("*.html")}
    assert pages >= {"ann", "bob"}
