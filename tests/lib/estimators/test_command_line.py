"""`python -m lib.estimators`: numbers, JSON, a bar for a terminal alone, and one sentence for whatever is wrong."""

from __future__ import annotations

import copy
import itertools
import json
import os
import pickle
import pty
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file, save_model
from torch import nn

from lib import estimators
from lib.estimators.__main__ import main
from lib.estimators.loading import weights_at

ROOT = Path(__file__).parents[3]
_NUMBER = itertools.count()  # a module keeps its name, so each test has one of its own
FACTORY = """
import argparse
import sys
import threading

import torch
from torch import nn

def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))

def other():
    return nn.Linear(6, 3)

def number():
    return 3

def broken():
    raise KeyError("no such layer")

def leaves():
    sys.exit(2)

def talks():
    print("loading ...")
    return network()

def parses():
    argparse.ArgumentParser().parse_args()
    return network()

def locked():
    made = network()
    made.lock = threading.Lock()
    return made
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a factory, weights and points, in which commands run."""
    name = f"factory_{next(_NUMBER)}"
    (tmp_path / f"{name}.py").write_text(FACTORY)
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    np.savez("data.npz", x=draw.normal(size=(5, 2, 3)), y=np.arange(5) % 3)
    network = _made(name)
    save_model(network, "end.safetensors")
    with torch.no_grad():
        network[1].weight.mul_(2)
    save_model(network, "start.safetensors")
    yield tmp_path
    sys.modules.pop(name, None)


def _made(name: str) -> torch.nn.Module:
    space: dict = {}
    exec(Path(f"{name}.py").read_text(), space)
    with torch.random.fork_rng(devices=[]):
        return space["network"]()


def _factory(project: Path, function: str = "network") -> str:
    return f"{next(project.glob('factory_*.py')).stem}:{function}"


def test_json_holds_what_the_estimators_give(project, capsys):
    model = _factory(project)
    command = [model, "data.npz", "--weights", "end.safetensors", "--initial", "start.safetensors", "--epsilon", "0.5"]
    assert main([*command, "--samples", "20", "--radius", "0.1", "--steps", "2", "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    content = json.loads(out)
    found = {one["name"]: one for one in content["measures"]}
    network = _made(model.partition(":")[0])
    x = torch.from_numpy(np.load("data.npz")["x"]).float()
    exact = estimators.perturbation_stability(network, x, 0.5)
    assert found["P, exact"]["values"] == exact.tolist()
    assert found["P, exact"]["mean"] == pytest.approx(float(exact.mean()))
    first, second = (network[i].weight.detach().norm() for i in (1, 3))
    assert found["κ"]["mean"] == pytest.approx(float(first / (2 * first + second)), rel=1e-6)
    assert found["P, 20 draws"]["standard_error"] > 0
    assert found["local Lipschitz, radius 0.1"]["seconds"] > 0
    assert found["accuracy"]["values"] == [(network(x).argmax(dim=1) == torch.arange(5) % 3).double().tolist()]
    assert (content["points"], content["inputs"], content["dtype"], content["device"]) == (5, 6, "float32", "cpu")


@pytest.mark.parametrize("kind", ["longdouble", ">f4", ">i2", "uint16", "bool"])
def test_points_of_every_numeric_type_are_measured_as_floats(project, capsys, kind):
    x = np.random.default_rng(0).integers(0, 2, size=(3, 6))
    np.savez("plain.npz", x=x.astype("f4"))
    np.savez("other.npz", x=x.astype(kind))
    found = []
    for data in ("plain.npz", "other.npz"):
        assert main([_factory(project), data, "--samples", "0", "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out)["measures"][0]["values"])
    assert found[0] == found[1]


@pytest.mark.parametrize("function", ["talks", "parses", "locked"])
def test_what_a_factory_says_and_keeps_is_its_own(project, capsys, monkeypatch, function):
    monkeypatch.setattr(sys, "argv", ["prog", "words", "of", "ours"])
    command = ["data.npz", "--weights", "end.safetensors", "--initial", "start.safetensors", "--samples", "0", "--json"]
    found = []
    for name in ("network", function):
        assert main([_factory(project, name), *command]) == 0
        out, err = capsys.readouterr()
        found.append([one["values"] for one in json.loads(out)["measures"]])
        assert err == ("loading ...\n" if name == "talks" else "")
    assert found[0] == found[1]
    assert sys.argv == ["prog", "words", "of", "ours"]


def test_the_weights_at_time_0_are_read_past_the_network_s_own(project):
    network = _made(_factory(project).partition(":")[0])
    network.norm = nn.utils.parametrizations.weight_norm(nn.Linear(3, 3))
    save_file({name: value + 1 for name, value in network.state_dict().items()}, "other.safetensors")
    before = copy.deepcopy(network.state_dict())
    then = weights_at(network, "other.safetensors")
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]) and torch.equal(then[name], before[name] + 1)
    save_file({"1.weight": torch.zeros(8, 6), "1.bias": torch.zeros(7)}, "short.safetensors")
    with pytest.raises(ValueError, match="do not fit the network"):
        weights_at(network, "short.safetensors")
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_table_for_people(project, capsys):
    assert main([_factory(project), "data.npz", "--samples", "0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "83 parameters, 6 inputs, float32 on cpu; 5 points of data.npz" in lines[0]
    assert [line.split("  ")[0] for line in lines[3:]] == [
        "P, exact", "root mean square", "relative stability", "accuracy",
    ]  # fmt: skip


def test_what_is_undefined_is_null_and_said(project, capsys):
    x = np.ones((4, 6))
    x[2, 1] = np.nan
    np.savez("data.npz", x=x)
    assert main([_factory(project), "data.npz", "--samples", "0", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["measures"][0]
    assert found["mean"] is None and [value is None for value in found["values"][0]] == [False, False, True, False]
    assert main([_factory(project), "data.npz", "--samples", "0"]) == 0
    assert "undefined (nan) at some points" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("function", "options", "says"),
    [
        ("missing", [], "raised AttributeError"),
        ("broken", [], "raised KeyError: 'no such layer'"),
        ("leaves", [], "raised SystemExit: 2"),
        ("number", [], "returned int"),
        ("network", ["--weights", "none.safetensors"], "none.safetensors do not exist"),
        ("network", ["--weights", "weights.pt"], "must be a .safetensors file"),
        ("network", ["--weights", "broken.safetensors"], "are no file of safetensors"),
        ("other", ["--weights", "end.safetensors"], "do not fit the network"),
        ("network", ["--initial", "short.safetensors"], "do not fit the network"),
        ("network", ["--epsilon", "-1"], "epsilon must be positive"),
        ("network", ["--samples", "1"], "samples must be an integer of at least 2"),
        ("network", ["--device", "nowhere"], "--device must be a torch device"),
    ],
)
def test_what_is_wrong_is_one_sentence(project, capsys, function, options, says):
    Path("broken.safetensors").write_bytes(b"not safetensors")
    save_file({"1.weight": torch.ones(8, 6)}, "short.safetensors")
    assert main([_factory(project, function), "data.npz", *options]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1
    assert says in err


@pytest.mark.parametrize(
    ("model", "data", "says"),
    [
        ("model.pt2", "data.npz", "only pickle could load"),
        ("model", "data.npz", "MODEL must be a factory, package.module:function"),
        ("no_such_module_here:f", "data.npz", "raised ModuleNotFoundError"),
        (None, "none.npz", "DATA none.npz does not exist"),
        (None, "single.npy", "DATA must be an archive of plain arrays"),
        (None, "text.npz", "DATA must be an archive of plain arrays"),
        (None, "objects.npz", "DATA must be an archive of plain arrays"),
        (None, "named.npz", "DATA must hold an array x, and named.npz holds images"),
        (None, "words.npz", "x must hold real numbers"),
        (None, "soft.npz", "y must hold classes as integers"),
        (None, "bytes.npz", "(ValueError: its x is no array)"),
        (None, "number.npz", "x must have shape (n, ...)"),
        (None, "wide.npz", "network must map (n, ...) to (n, o)"),
    ],
)
def test_files_that_are_something_else_are_one_sentence(project, capsys, model, data, says):
    np.save("single.npy", np.ones((2, 6)))
    Path("text.npz").write_text("no archive")
    np.savez("objects.npz", x=np.array([{}, {}], dtype=object))
    np.savez("named.npz", images=np.ones((2, 6)))
    np.savez("words.npz", x=np.array([["a"]]))
    np.savez("soft.npz", x=np.ones((2, 6)), y=np.ones(2))
    np.savez("wide.npz", x=np.ones((2, 7)))
    np.savez("number.npz", x=1.0)
    with zipfile.ZipFile("bytes.npz", "w") as archive:
        archive.writestr("x", b"no array")
    assert main([model or _factory(project), data]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1
    assert says in err


class _Runs:
    def __reduce__(self):
        return (Path("ran").touch, ())


def test_no_file_runs_code(project, capsys):
    for name in ("x.npz", "weights.safetensors", "model.pt"):
        Path(name).write_bytes(pickle.dumps(_Runs()))
    np.savez("objects.npz", x=np.array([_Runs()], dtype=object))
    for command in (["model.pt", "data.npz"], [_factory(project), "x.npz"], [_factory(project), "objects.npz"]):
        assert main(command) == 1
    assert main([_factory(project), "data.npz", "--weights", "weights.safetensors"]) == 1
    capsys.readouterr()
    assert not Path("ran").exists()


def _run(folder: Path, *arguments: str, **options: object) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-m", "lib.estimators", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, **options)


@pytest.mark.slow
def test_a_project_may_have_a_lib_of_its_own(project):
    """Its factory gets the project's `lib`, the estimators get ours, and a bar is drawn on a terminal alone."""
    (project / "lib").mkdir()
    (project / "lib" / "__init__.py").write_text("")
    (project / "lib" / "checks.py").write_text("class Twice:\n    factor = 2.0\n")
    (project / "mine.py").write_text(
        "from torch import nn\nfrom lib.checks import Twice\n\n"
        "class Net(nn.Module):\n    def forward(self, x):\n        return Twice.factor * x.flatten(1)[:, :3]\n"
    )
    run = _run(project, "mine:Net", "data.npz", "--json", stderr=subprocess.PIPE)
    assert (run.returncode, run.stderr) == (0, "")
    found = json.loads(run.stdout)["measures"]
    # J holds three rows of length 2, so ε ‖J‖_F / √(d + 2) = √12 / √8.
    assert found[1]["mean"] == pytest.approx((12 / 8) ** 0.5)
    ours, theirs = pty.openpty()
    run = _run(project, "mine:Net", "data.npz", stderr=theirs)
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert run.returncode == 0 and "5 of 5 points" in shown and "points\n" not in run.stdout.splitlines()[-1]
