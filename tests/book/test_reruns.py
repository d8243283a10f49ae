"""The experiment chapters, rerun by papermill with other parameters: found in their figures and in their words."""

from __future__ import annotations

import re
from pathlib import Path

import papermill
import pytest
from nbformat import NotebookNode

CHAPTERS = Path(__file__).resolve().parents[2] / "chapters"
CHANGED = {"dataset": "digits", "scaling": "standard", "seeds": 2, "epochs": 3, "lr": 0.05, "momentum": 0.5}


def rerun(name: str, folder: Path, only: dict[str, object] = CHANGED, **values: object) -> NotebookNode:
    return papermill.execute_notebook(
        CHAPTERS / f"{name}.ipynb", folder / f"{name}.ipynb", {**only, **values}, progress_bar=False, cwd=str(folder)
    )


def glued(notebook: NotebookNode) -> dict[str, dict[str, str]]:
    """Return what a run has glued for its page: name -> mime type -> content."""
    found = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            name = output.get("metadata", {}).get("scrapbook", {}).get("name")
            if name:
                found[name] = {
                    mime.removeprefix("application/papermill.record/"): v for mime, v in output["data"].items()
                }
    return found


def check(found: dict[str, dict[str, str]], chapter: str, label: str, *settings: str) -> None:
    """The parameters stand in the caption's words, and the live curve is in the figure beside the published ones."""
    where = found[f"{chapter}_live_where"]["text/plain"]
    assert all(text in where for text in ("digits", "standard, momentum 0.5", "3 epochs", "0.05", "2 seeds", *settings))
    # Text is drawn as outlines with the words in a comment above them.
    words = re.findall(r"<!-- (.*?) -->", found[f"{chapter}_fig_live"]["image/svg+xml"])
    published = {"s08": "He", "s09": "$L = 10$", "s10": "after one epoch"}[chapter]
    assert published in words and any("(live)" in text and label in text for text in words)


@pytest.mark.slow
def test_chapter_8_draws_and_says_what_it_was_given(tmp_path):
    found = glued(rerun("08_lazy_and_nonlazy", tmp_path, initializer="power-1.5", widths=[8, 24], depths=[3]))
    check(found, "s08", "m⁻¹·⁵", "L = 3")
    assert "under m⁻¹·⁵, m = 24" in found["s08_live_kappa"]["text/plain"]


@pytest.mark.slow
def test_chapter_9_draws_and_says_what_it_was_given(tmp_path):
    found = glued(rerun("09_width", tmp_path, initializer="lecun", widths=[8, 16], depths=[3]))
    check(found, "s09", "L = 3", "LeCun")
    assert "at L = 3" in found["s09_live_changes"]["text/plain"]


@pytest.mark.slow
def test_chapter_10_draws_and_says_what_it_was_given(tmp_path):
    found = glued(rerun("10_depth_and_initialization", tmp_path, initializer="gamma-1.2", widths=[24], depths=[2, 5]))
    check(found, "s10", "after 50 epochs", "γ = 1.2", "m = 24")
    assert found["s10_live_depths"]["text/plain"].strip("'") == "5 layers to 2"


@pytest.mark.slow
def test_chapter_11_draws_and_says_what_it_was_given(tmp_path):
    values = {"initializer": "lecun", "widths": [3, 6], "depths": [2, 3], "draws": 4}
    found = glued(rerun("11_convolutional", tmp_path, **values))
    where = found["s11_live_where"]["text/plain"]
    assert where == "'digits, standard, momentum 0.5, LeCun, 3 epochs at a rate of 0.05, 2 seeds'"
    assert found["s11_draws"]["text/plain"] == "'4'"
    words = re.findall(r"<!-- (.*?) -->", found["s11_fig_width"]["image/svg+xml"])
    # Which letter the panel has depends on how many initializations are published beside it.
    assert any(re.fullmatch(r"\$\\bf\{\w\}\$  LeCun", word) for word in words)
    assert {"$L = 2$ (live)", "$L = 3$ (live)"} <= set(words)
    assert re.search(r"\d of 270", found["s11_there"]["text/plain"])


@pytest.mark.slow
def test_chapter_12_draws_and_says_what_it_was_given(tmp_path):
    values = {"architecture": "cnn", "widths": [2, 4], "lambdas": [0.5, 2], "epsilon": 0.03, "epsilons": [0.02]}
    attacked = {name: CHANGED[name] for name in ("dataset", "seeds", "lr")} | {"epochs": 1}
    found = glued(rerun("12_width_under_attack", tmp_path, only=attacked, **values))
    where = found["s12_live_where"]["text/plain"]
    assert where == "'convolutional, digits, L = 3, ε = 0.03, 1 epochs at a rate of 0.05, 2 seeds'"
    words = re.findall(r"<!-- (.*?) -->", found["s12_fig_width"]["image/svg+xml"])
    assert {"λ = 0.5 (live)", "λ = 2 (live)", "Madry (live)", "convolutional, digits, ε = 0.03 (live)"} <= set(words)
    # What is said in a minute is of the published rows; the radius is sought with the narrowest network asked for.
    assert found["s12_narrowest"]["text/plain"] == "'2'" and "at ε = 0.02" in found["s12_lost"]["text/plain"]
    assert re.search(r"\d of 345", found["s12_there"]["text/plain"])


@pytest.mark.slow
def test_chapter_13_draws_and_says_what_it_was_given(tmp_path):
    values = {"small": 4, "wide": 12, "epsilon": 0.03, "rates": [1, 3], "epochs": 1, "seeds": 2, "lr": 0.05}
    found = glued(rerun("13_width_adjusted", tmp_path, only={}, **values))
    where = found["s13_live_where"]["text/plain"]
    assert where.startswith("'fully connected, digits, m = 4 and 12, L = 3, ε = 0.03, 1 epochs")
    words = re.findall(r"<!-- (.*?) -->", found["s13_fig_robust"]["image/svg+xml"])
    assert {"grid search (live)", "λ reused (live)", "WAR (live)", "WAR, rate 3 (live)"} <= set(words)
    assert re.search(r"\d of 65", found["s13_there"]["text/plain"])


@pytest.mark.slow
def test_chapter_17_measures_what_it_was_given(tmp_path):
    values = {
        "epochs": 1,
        "points": 5,
        "images": 1,
        "samples": 40,
        "epsilon": 0.5,
        "radius": 0.25,
        "steps": 1,
        "seed": 3,
    }
    notebook = papermill.execute_notebook(
        CHAPTERS / "17_your_own_network.ipynb", tmp_path / "out.ipynb", values, progress_bar=False, cwd=str(tmp_path)
    )
    found = {name: content["text/plain"].strip("'") for name, content in glued(notebook).items()}
    assert [found[f"s17_{name}"] for name in ("points", "images", "samples", "radius")] == ["5", "1", "40", "0.25"]
    tables = " ".join(
        output["data"]["text/html"] for cell in notebook.cells for output in cell.get("outputs", [])
        if "text/html" in output.get("data", {})
    )  # fmt: skip
    assert "P, 40 draws" in tables and "local Lipschitz, radius 0.25" in tables
    said = " ".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))
    assert "5 points of digits.npz" in said and "lib: network must compute each example by itself" in said
    assert [path.name for path in tmp_path.iterdir()] == ["out.ipynb"]
