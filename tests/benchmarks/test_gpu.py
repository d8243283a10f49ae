"""What a CUDA device is asked, tried on a processor: the same code, smaller, and what it does when its time is up."""

from __future__ import annotations

import json
import time

import pytest
import torch

from benchmarks import descents, gpu, precisions
from benchmarks.graph import Steps
from lib.data import Dataset
from lib.experiments.configuration import Configuration
from lib.rows import Store


@pytest.fixture
def data():
    stream = torch.Generator().manual_seed(0)
    x = torch.rand(3 * descents.BATCH, 784, generator=stream)
    return Dataset(x, torch.randint(10, (len(x),), generator=stream), x[:50], torch.zeros(50, dtype=torch.int64))


def cell(epochs, **settings):
    fixed = {"dataset": "digits", "scaling": "raw", "initializer": "he", "depth": 2}
    return [Configuration(**fixed, **settings, seed=seed, epochs=epochs) for seed in (8, 9)]


def test_launch_by_launch_takes_the_steps_of_the_descent(data):
    ways = [Steps({"width": 8, "depth": 3, "replicas": 2}, data, launches) for launches in (False, True)]
    before = [weight.detach().clone() for weight in ways[0].network.weights]
    for steps in ways:
        for _ in range(4):
            steps()
    assert ways[0].apart(ways[1]) == 0
    assert all((one != two).any() for one, two in zip(before, ways[0].network.weights, strict=True))
    ways[0]()
    assert ways[0].apart(ways[1]) > 0


def test_lower_precision_is_timed_and_its_changes_of_P_and_kappa_told(data, monkeypatch):
    monkeypatch.setattr(precisions, "load", lambda *arguments, **options: data)
    monkeypatch.setattr(precisions.Precisions, "lower", lambda self, width: ["tf32"])  # changes nothing on a processor
    measured = precisions.Precisions("cpu").measure({"width": 8, "depth": 2, "replicas": 2}, repeats=1, block=0.01)
    assert measured["ratios"]["float32/tf32"]["repeats"][0] > 0
    assert measured["changes"]["tf32"]["P"]["repeats"] == measured["changes"]["tf32"]["kappa"]["repeats"] == [0, 0]
    assert torch.backends.cuda.matmul.fp32_precision != "tf32"


def test_a_device_that_has_float32_alone_is_refused(monkeypatch):
    monkeypatch.setattr(precisions.Precisions, "lower", lambda self, width: [])
    with pytest.raises(ValueError, match="needs TF32 or bf16, and --device cpu has float32 alone"):
        precisions.Precisions("cpu")


def test_the_papers_rows_begin_at_4096_with_the_shallow_ones():
    order = gpu.by_cost(gpu.planned())
    widths = [tasks[0].width for _, tasks in order]
    first = [tasks[0].depth for _, tasks in order if tasks[0].width == 4096]
    assert widths[: len(first)] == [4096] * len(first) and first == sorted(first)
    assert all(len({task.seed for task in tasks}) == len(tasks) == 5 for _, tasks in order)
    assert sum(len(tasks) for _, tasks in order) == sum(len(tasks) for tasks in gpu.planned().values())


def test_what_time_cut_short_goes_on_where_it_was(tmp_path):
    # Far more epochs than the seconds allow; each writes a checkpoint.
    cells = [("paper-he", cell(1, width=8)), ("paper-he", cell(100_000, width=16))]
    started = time.monotonic()
    with pytest.raises(gpu.TimeUp), gpu.until(3):
        gpu.train(cells, tmp_path, "cpu", tmp_path / "checkpoints")
    assert time.monotonic() - started < 60
    there = Store(tmp_path / "paper-he.jsonl").rows()
    assert [row["configuration"]["width"] for row in there] == [8, 8] and not any(row["failure"] for row in there)
    gpu.train(cells[:1], tmp_path, "cpu", tmp_path / "checkpoints")  # nothing to do
    assert Store(tmp_path / "paper-he.jsonl").rows() == there


def test_what_make_bench_has_recorded_stays(tmp_path):
    path = tmp_path / "training-cuda.json"
    assert not gpu.measured_otherwise(path, 3, 0.1)
    path.write_text(json.dumps({"protocol": {"repeats": 3, "block": 0.1}}))
    assert not gpu.measured_otherwise(path, 3, 0.1)
    path.write_text(json.dumps({"protocol": {"repeats": 7, "block": 0.5}}))
    assert gpu.measured_otherwise(path, 3, 0.1)


def test_without_a_device_it_is_one_sentence(capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main([]) == 1
    assert capsys.readouterr().err == "error: --device must be cpu, or cuda where there is a CUDA device, got cuda.\n"
    assert gpu.main(["--seconds", "0"]) == 1
    assert capsys.readouterr().err == "error: --seconds must be positive, got 0.\n"
