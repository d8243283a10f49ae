"""The command line of the benchmarks: small runs, resumption, refusals."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import attacked, estimators, modules, peers, roofline, scaling, sweeping, timings, training
from benchmarks.__main__ import main, selection
from lib.data import Dataset
from lib.sweeps import machine


class FakeJax:
    """A peer that is a hundred times as fast as it says compiling took."""

    def __init__(self):
        self.told = []

    def contender(self, kind, **settings):
        self.told.append((kind, settings))
        return lambda steps: 1e-3, 0.1

    def forget(self):
        self.told.append("forget")


def test_jax_takes_part_where_it_is_installed(fake_mnist, tmp_path, monkeypatch, capsys):
    peer = FakeJax()
    monkeypatch.setattr(peers, "version", lambda: "0.10.2")
    monkeypatch.setattr(peers, "started", lambda data: contextlib.nullcontext(peer))
    monkeypatch.setattr(estimators, "CELLS", [{"width": 16, "depth": 2, "points": 20}])
    monkeypatch.setattr(estimators, "_MANY", 64)
    assert quick(tmp_path, "training", "estimators", "--only", "m=16,L=2") == 0
    record = json.loads((tmp_path / "training-cpu.json").read_text())
    assert record["environment"]["jax"] == "0.10.2"
    for cell in record["cells"]:
        ours = cell["contenders"]["ours"]["repeats"]
        assert cell["contenders"]["jax"]["seconds of compiling"] == 0.1
        assert cell["ratios"]["jax/ours"]["repeats"] == pytest.approx([1e-3 / seconds for seconds in ours])
        assert "routes" in cell
    (cell,) = json.loads((tmp_path / "estimators-cpu.json").read_text())["cells"]
    assert "jax jacrev/ours" in cell["ratios"]
    settings = {"width": 16, "depth": 2, "replicas": 1, "batch": 64, "lr": 1e-3, "precision": "fp32"}
    assert peer.told[0] == ("train", settings)
    assert peer.told.count("forget") == 3


def test_without_jax_the_rest_is_measured(fake_mnist, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(peers, "PYTHON", tmp_path / "nowhere")
    assert quick(tmp_path, "training", "--only", "m=16,L=2,R=1") == 0
    assert "JAX is left out: `make bench` installs it" in capsys.readouterr().out
    assert json.loads((tmp_path / "training-cpu.json").read_text())["environment"]["jax"] is None


def test_a_peer_that_ends_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(peers, "PYTHON", Path(sys.executable))  # which has no jax
    with (
        peers.started(Dataset(torch.rand(4, 784), torch.arange(4))) as peer,
        pytest.raises(OSError, match=r"JAX's process ended \(ModuleNotFoundError: No module named 'jax'\); remove"),
    ):
        peer.ask(forget=True)


@pytest.fixture
def fake_mnist(monkeypatch):
    """Random images in place of MNIST: the benchmarks' numbers do not depend on what is seen."""
    stream = torch.Generator().manual_seed(0)
    x, y = torch.rand(256, 784, generator=stream), torch.randint(10, (256,), generator=stream)

    def load(name, scaling):
        return Dataset(x, y, x, y, classes=10)

    class Datasets:
        @staticmethod
        def MNIST(root, train, transform):
            return torch.utils.data.TensorDataset(x.view(-1, 1, 28, 28), y)

    class Torchvision:
        datasets = Datasets

        class transforms:
            ToTensor = object

    monkeypatch.setattr(peers, "PYTHON", Path("nowhere"))  # JAX may be installed beside this checkout
    for module in (training, scaling, estimators, attacked):
        monkeypatch.setattr(module, "load", load)
    monkeypatch.setattr(training, "import_torchvision", lambda: Torchvision)
    monkeypatch.setattr(training, "warm_up", lambda device: None)


def quick(tmp_path, *arguments):
    return main([*arguments, "--results", str(tmp_path), "--repeats", "2", "--block", "0.001"])


def test_training_is_measured_and_compared_with_its_targets(fake_mnist, tmp_path, capsys):
    assert quick(tmp_path, "training", "--only", "m=16,L=10,R=5") == 0
    said = capsys.readouterr().out
    assert "training: 1 of 1 cells to measure, about 0 minutes." in said
    assert "width=16 depth=10 replicas=5: tutorial/ours" in said
    record = json.loads((tmp_path / "training-cpu.json").read_text())
    assert record["environment"]["threads"] == torch.get_num_threads()
    assert record["protocol"]["repeats"] == 2
    for cell in record["cells"]:
        assert set(cell["contenders"]) == set(training.CONTENDERS)
        assert set(cell["ratios"]) == {f"{name}/ours" for name in training.CONTENDERS if name != "ours"}
        for name, found in cell["ratios"].items():
            above, ours = (cell["contenders"][n]["repeats"] for n in (name.split("/")[0], "ours"))
            assert found["repeats"] == pytest.approx([a / b for a, b in zip(above, ours, strict=True)])
    table = timings.against_targets(record)
    assert len(table) == 12
    assert table["median"].notna().sum() == 1, "JAX is not there, bf16 neither"


def test_an_interrupted_benchmark_goes_on(fake_mnist, tmp_path, capsys, monkeypatch):
    assert quick(tmp_path, "training", "--only", "m=16,L=2,R=1") == 0
    before = json.loads((tmp_path / "training-cpu.json").read_text())["cells"]
    capsys.readouterr()
    assert quick(tmp_path, "training", "--only", "m=16,L=2") == 0
    assert "training: 1 of 2 cells to measure" in capsys.readouterr().out
    after = json.loads((tmp_path / "training-cpu.json").read_text())["cells"]
    assert after[0] == before[0]
    assert [cell["settings"]["replicas"] for cell in after] == [1, 5]
    assert quick(tmp_path, "training", "--only", "m=16,L=2", "--again") == 0
    assert len(json.loads((tmp_path / "training-cpu.json").read_text())["cells"]) == 2
    # What was measured differently is not mixed, and the cells that were not asked for are not lost.
    other = ["training", "--only", "m=16", "--results", str(tmp_path), "--repeats", "3"]
    for call in (other, [*other, "--again"]):
        assert main(call) == 1
        assert "with another block, repeats; --again without --only measures it anew" in capsys.readouterr().err
    assert len(json.loads((tmp_path / "training-cpu.json").read_text())["cells"]) == 2


def test_estimators_are_measured(fake_mnist, tmp_path, monkeypatch, capsys):
    cell = {"width": 16, "depth": 2, "points": 20}
    monkeypatch.setattr(estimators, "CELLS", [cell])
    monkeypatch.setattr(estimators, "_MANY", 64)
    assert quick(tmp_path, "estimators") == 0
    (measured,) = json.loads((tmp_path / "estimators-cpu.json").read_text())["cells"]
    assert measured["settings"] == cell
    assert set(measured["contenders"]) == {"ours", "jacrev", "monte carlo, equal error", "monte carlo, 1 % error"}
    draws = measured["contenders"]["monte carlo, 1 % error"]["draws"]
    assert draws == round((measured["spread of a draw"] / 0.01) ** 2)


def test_modules_are_measured_by_seconds_or_by_memory(tmp_path, monkeypatch, capsys):
    small, large = {**modules.CELLS[0], "points": 6}, {**modules.CELLS[1], "points": 5}
    monkeypatch.setattr(modules, "CELLS", [small, large])
    targets = [
        {"settings": small, "ratio": "loop/ours", "at_least": 0.95},
        {"settings": large, "ratio": "1.5 GiB/ours", "at_least": 1},
    ]
    monkeypatch.setattr(modules, "TARGETS", targets)
    assert quick(tmp_path, "modules") == 0
    timed, weighed = json.loads((tmp_path / "modules-cpu.json").read_text())["cells"]
    assert set(timed["contenders"]) == {"ours", "loop", "batches", "func"} and set(timed["ratios"]) == {
        "loop/ours",
        "batches/ours",
        "func/ours",
    }
    assert set(weighed["contenders"]) == {"ours"} and 0 < weighed["bytes"] < 1.5 * 2**30
    assert weighed["ratios"]["1.5 GiB/ours"]["median"] == pytest.approx(1.5 * 2**30 / weighed["bytes"])
    assert "module=small CNN outputs=10 points=5: 1.5 GiB/ours" in capsys.readouterr().out


@pytest.mark.parametrize("cell", modules.CELLS[:3], ids=lambda cell: cell["module"])
@pytest.mark.parametrize("at_once", [1, 3])
def test_the_loops_give_the_same_stability(cell, at_once):
    network, shape = modules.module_of(cell)
    x = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    assert network(x).shape == (3, cell["outputs"])
    ours = modules.perturbation_stability(network, x)[0]
    assert torch.allclose(ours, modules.loop_stability(network, x, at_once), rtol=1e-4)


@pytest.mark.parametrize("name", ["attacked", "convolutional"])
def test_attacked_and_convolutional_stacks_are_measured(name, fake_mnist, tmp_path, monkeypatch, capsys):
    peer = FakeJax()
    monkeypatch.setattr(peers, "version", lambda: "0.10.2")
    monkeypatch.setattr(peers, "started", lambda data: contextlib.nullcontext(peer))
    cell = {"width": 4, "depth": 2, "replicas": 2}
    monkeypatch.setattr(attacked, name.upper(), [cell])
    assert quick(tmp_path, name) == 0
    record = json.loads((tmp_path / f"{name}-cpu.json").read_text())
    (measured,) = record["cells"]
    assert measured["settings"] == cell and measured["ratios"]["loop/ours"]["median"] > 0
    assert ("jax/ours" in measured["ratios"]) == (name == "attacked") == bool(peer.told)
    assert timings.against_targets(record)["median"].isna().all()  # another cell than the one that is asked for


def test_both_exact_ways_give_the_same_stability(network_and_points):
    network, x = network_and_points
    ours = estimators.perturbation_stability(network, x)
    assert torch.allclose(ours, estimators.jacrev_stability(network, x), rtol=1e-5)


@pytest.fixture
def network_and_points():
    from lib.networks import FCN

    return FCN(16, 4, 784, 10), torch.rand(5, 784, generator=torch.Generator().manual_seed(0))


def test_the_time_of_an_operation_is_compared_over_widths(fake_mnist, tmp_path, monkeypatch):
    monkeypatch.setattr(scaling.Scaling.measure, "__defaults__", ((8, 16),))
    assert quick(tmp_path, "scaling") == 0
    (cell,) = json.loads((tmp_path / "scaling-cpu.json").read_text())["cells"]
    assert list(cell["contenders"]) == ["8", "16"]
    by_turn = zip(*(cell["contenders"][m]["repeats"] for m in ("8", "16")), strict=True)
    assert cell["ratios"]["least/most"]["repeats"] == pytest.approx([min(turn) / max(turn) for turn in by_turn])
    assert all(0 < value["median"] < 1e-4 for value in cell["contenders"].values())


def test_the_operations_of_a_step_are_counted():
    # Forward 2·n·k·l a layer; the update as many; the gradient down as many, except through the first layer.
    assert roofline.operations(3, 4, 5) == 2 * 5 * (2 * 784 * 3 + 3 * (9 + 9 + 30))


@pytest.mark.nightly
def test_a_sweep_with_two_workers_is_compared_with_one():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        benchmark = sweeping.Sweeping("cpu")
        with machine.measuring():
            measured = benchmark.measure(sweeping.CELLS[0], repeats=1, seconds=0.1, epochs=1)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert measured["trainings"] == 8
    assert measured["ratios"]["one/two"]["repeats"][0] > 0


def test_a_benchmark_does_not_start_while_a_sweep_runs(tmp_path, capsys):
    with machine.sweeping():
        assert quick(tmp_path, "training") == 1
    assert capsys.readouterr().err.startswith("error: a sweep or another benchmark is running on this machine")
    assert not list(tmp_path.glob("*.json"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["speed"],
            "there is no benchmark 'speed'; there are training, scaling, estimators, modules, attacked, convolutional, "
            "sweep, graph, precisions.",
        ),
        (["training", "--only", "m=wide"], "--only takes parts like m=64 with the letters m, L, R, n, got 'm=wide'."),
        (["training", "--repeats", "0"], "--repeats, --threads and --block must be positive."),
        (["training", "--device", "meta"], "--device must be cpu, or cuda where there is a CUDA device, got meta."),
        (["training", "--device", "nope"], "--device must be cpu, or cuda where there is a CUDA device, got nope."),
        (["graph"], "the benchmark graph needs a CUDA device, got --device cpu."),
        (["sweep"], "the benchmark sweep needs two threads of a CPU; leave --device out and set --threads 2."),
    ],
)
def test_a_wrong_call_is_one_sentence(arguments, said, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(training, "warm_up", lambda device: None)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert main([*arguments, "--results", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"error: {said}\n"


def test_cells_are_selected_by_the_letters_of_the_paper():
    assert selection("") == {}
    assert selection("m=64, L=10,R=5,n=1000") == {"width": 64, "depth": 10, "replicas": 5, "points": 1000}


def test_targets_are_cells_that_are_measured():
    for device in ("cpu", "cuda"):
        cells = training.settings(device)
        assert all(target["settings"] in cells for target in training.targets(device))
    assert all(target["settings"] in estimators.CELLS for target in estimators.TARGETS)
    assert all(target["settings"] in attacked.ATTACKED for target in attacked.ATTACKED_TARGETS)
    assert all(target["settings"] in attacked.CONVOLUTIONAL for target in attacked.CONVOLUTIONAL_TARGETS)
    assert all(target["settings"] in scaling.CELLS for target in scaling.TARGETS)
    assert all(target["settings"] in sweeping.CELLS for target in sweeping.TARGETS)
