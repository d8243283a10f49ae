"""A training that is killed and started again ends where an uninterrupted one does, to the bit."""

import errno
import itertools
import os
import random
import re
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from lib import products
from lib.data import Dataset
from lib.networks import FCN
from lib.products import Routes, layer
from lib.training import train

pytestmark = pytest.mark.usefixtures("one_thread")
OPTIONS = {
    "epochs": 12,
    "batch_size": 3,
    "lr": 0.02,
    "schedule": "proportional",
    "momentum": 0.5,
    "weight_decay": 0.01,
    "observe_at": (0.9, 0.7),
    "stop_at": 0.6,
}


def network(**changes):
    return FCN(**{"width": 12, "depth": 3, "in_features": 6, "out_features": 3, "replicas": 3, "seed": 1, **changes})


def say(moment):
    """Return something of a moment's own to be kept in the history."""
    return {"at": moment.step, "tensor": torch.tensor(moment.epoch)}


def everything(stack, history):
    """What a training leaves behind, in one comparable value."""
    return (
        [weight.tolist() for weight in stack.weights],
        history.lr,
        [loss.tolist() for loss in history.loss],
        [(moment, seen["at"], float(seen["tensor"])) for moment, seen in history.observations],
        history.stopped,
    )


class Interrupt(Exception):
    """What ends a training from outside."""


def train_until(epoch, data, path, **options):
    """Train from the checkpoint, if there is one, until the end of an epoch, and stop before it is saved."""

    def observe(moment):
        if moment.epoch == epoch and moment.loss is None:
            raise Interrupt
        return say(moment)

    with pytest.raises(Interrupt):
        train(network(), data, observe=observe, checkpoint=path, **{**OPTIONS, **options})


@pytest.mark.parametrize("changes", [{}, {"stop_at": None}, {"loss": "squared", "stop_at": 0.05}, {"batch_size": None}])
def test_an_interrupted_training_ends_where_an_uninterrupted_one_does(points, tmp_path, changes):
    data, options, path = points(), {**OPTIONS, **changes}, tmp_path / "checkpoint"
    whole = network()
    expected = everything(whole, train(whole, data, observe=say, **options))
    for epoch in (1, 3, 4, 7):
        train_until(epoch, data, path, **changes)
        assert path.exists() == (epoch > 1)
    resumed = network()
    assert everything(resumed, train(resumed, data, observe=say, checkpoint=path, **options)) == expected
    assert list(tmp_path.iterdir()) == []


def test_a_resumed_training_repeats_only_the_epoch_that_was_cut(points, tmp_path):
    data, heard = points(), []
    train_until(5, data, tmp_path / "checkpoint")
    train(network(), data, observe=lambda m: heard.append(m.epoch), checkpoint=tmp_path / "checkpoint", **OPTIONS)
    assert min(heard) > 4


def test_a_kill_while_a_checkpoint_is_written_leaves_the_one_before(points, tmp_path, monkeypatch):
    data, path = points(), tmp_path / "checkpoint"
    whole = network()
    expected = everything(whole, train(whole, data, observe=say, **OPTIONS))
    train_until(4, data, path)

    def cut(*_):
        raise Interrupt

    with monkeypatch.context() as patched, pytest.raises(Interrupt):
        patched.setattr(os, "replace", cut)
        train(network(), data, observe=say, checkpoint=path, **OPTIONS)
    path.with_name("checkpoint.x.part").write_bytes(path.read_bytes()[:100])  # as a kill leaves it
    resumed = network()
    assert everything(resumed, train(resumed, data, observe=say, checkpoint=path, **OPTIONS)) == expected
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "options", "sentence"),
    [
        ({"width": 13}, {}, "another initialization, shape;"),
        ({"depth": 4}, {}, "another initialization, shape;"),
        ({"seed": 2}, {}, "another initialization, seeds;"),
        ({"replicas": 2}, {}, "another initialization, seeds, shape;"),
        ({"initializer": "lecun"}, {}, "another initialization;"),
        ({"alpha": 2.0}, {}, "another alpha;"),
        ({}, {"epochs": 13}, "another epochs;"),
        ({}, {"batch_size": 4}, "another batch_size;"),
        ({}, {"lr": 0.03, "momentum": 0.0}, "another lr, momentum;"),
        ({}, {"loss": "squared"}, "another data, loss;"),  # one-hot targets
        ({}, {"stop_at": None, "observe_at": (0.9,)}, "another observe_at, stop_at;"),
        ({}, {"weight_decay": 0.0, "schedule": "constant"}, "another schedule, weight_decay;"),
    ],
)
def test_a_checkpoint_of_other_settings_is_refused(points, tmp_path, changes, options, sentence):
    path = tmp_path / "checkpoint"
    train_until(3, points(), path)
    before, stack = path.read_bytes(), network(**changes)
    with pytest.raises(ValueError, match=rf"checkpoint \S+ belongs to a training with {sentence} delete it to start"):
        train(stack, points(), checkpoint=path, **{**OPTIONS, **options})
    assert path.read_bytes() == before
    assert all(torch.equal(a, b) for a, b in zip(stack.weights, network(**changes).weights, strict=True))


def test_a_checkpoint_of_other_data_is_refused(points, tmp_path):
    data, path = points(), tmp_path / "checkpoint"
    train_until(3, data, path)
    for other in (Dataset(data.x * 2, data.y, classes=3), Dataset(data.x, (data.y + 1) % 3, classes=3)):
        with pytest.raises(ValueError, match="belongs to a training with another data;"):
            train(network(), other, checkpoint=path, **OPTIONS)
    with pytest.raises(ValueError, match="belongs to a training with another data, points;"):
        train(network(), points(100), checkpoint=path, **OPTIONS)


def torn(content):
    return [content[:size] for size in (0, 1, 50, len(content) // 2, len(content) - 1)]


def test_a_checkpoint_that_cannot_be_read_is_refused(points, tmp_path):
    path = tmp_path / "checkpoint"
    train_until(3, points(), path)
    garbage = [*torn(path.read_bytes()), b"\0" * 5000, b"hello\n", b"[1, 2]\n", b"(lp0\n.", b"cos.nothing\n."]
    for content in garbage:
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"checkpoint \S+ cannot be read; delete it to start this training again"):
            train(network(), points(), checkpoint=path, **OPTIONS)
        assert path.read_bytes() == content


def test_a_missing_folder_is_named_before_the_first_epoch(points, tmp_path):
    stack = network()
    with pytest.raises(FileNotFoundError, match=r"checkpoint \S+ has no folder; create \S+nowhere first"):
        train(stack, points(), checkpoint=tmp_path / "nowhere" / "checkpoint", **OPTIONS)
    assert all(torch.equal(a, b) for a, b in zip(stack.weights, network().weights, strict=True))


class Trap:
    """A pickle that runs code when it is read."""

    def __reduce__(self):
        return open, ("/dev/null/trap",)


@pytest.mark.parametrize(
    "content", [Trap(), {"settings": {}, "state": Trap(), "digest": ""}, {"weights": torch.ones(2)}]
)
def test_what_is_no_checkpoint_of_ours_is_refused_and_runs_nothing(points, tmp_path, content):
    path = tmp_path / "checkpoint"
    torch.save(content, path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"checkpoint \S+ cannot be read; delete it to start this training again"):
        train(network(), points(), checkpoint=path, **OPTIONS)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_flipped_bit_never_changes_a_result(points, tmp_path):
    data, path, chance, damaged = points(), tmp_path / "checkpoint", random.Random(0), 0
    whole = network()
    expected = everything(whole, train(whole, data, observe=say, **OPTIONS))
    train_until(9, data, path)
    content = path.read_bytes()
    for _ in range(15):
        flipped = bytearray(content)
        flipped[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(flipped)
        resumed = network()
        try:
            history = train(resumed, data, observe=say, checkpoint=path, **OPTIONS)
        except OSError as error:
            assert re.search(r"checkpoint \S+ (is damaged|cannot be read|belongs to)", str(error))
            assert path.read_bytes() == flipped
            damaged += 1
        else:  # the bit says nothing: padding, a name
            assert everything(resumed, history) == expected
    assert damaged > 3


def test_what_an_observer_returns_must_be_plain(points, tmp_path):
    with pytest.raises(ValueError, match="a checkpoint keeps plain values and tensors, got the Moment"):
        train(network(), points(), observe=lambda moment: moment, checkpoint=tmp_path / "checkpoint", **OPTIONS)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_a_sentence_and_leaves_the_checkpoint_before(points, tmp_path, monkeypatch):
    data, path = points(), tmp_path / "checkpoint"
    train_until(4, data, path)
    before = path.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match=r"checkpoint \S+ could not be written \(No space left on device\); one that"):
            train(network(), data, observe=say, checkpoint=path, **OPTIONS)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("at", [1, 3, 8])
def test_an_interruption_while_a_checkpoint_is_written_is_no_full_disk(points, tmp_path, monkeypatch, at):
    path, opened, writes = tmp_path / "checkpoint", os.fdopen, itertools.count(1)

    class Interrupted:
        """A file in whose at-th writing the process is interrupted, as by Ctrl-C."""

        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def __getattr__(self, name):
            return getattr(self.file, name)

        def write(self, content):
            if next(writes) == at:
                raise KeyboardInterrupt
            return self.file.write(content)

    monkeypatch.setattr(os, "fdopen", lambda handle, mode: Interrupted(opened(handle, mode)))
    with pytest.raises(KeyboardInterrupt):
        train(network(), points(), checkpoint=path, **OPTIONS)
    assert list(tmp_path.iterdir()) == []


def test_of_two_trainings_with_one_checkpoint_the_second_keeps_none(points, tmp_path, capsys):
    data, path = points(), tmp_path / "checkpoint"
    whole = network()
    expected = everything(whole, train(whole, data, observe=say, **OPTIONS))
    inner = []

    def observe(moment):
        if moment.epoch == 3 and moment.loss is None:
            second = network()
            inner.append(everything(second, train(second, data, observe=say, checkpoint=path, **OPTIONS)))
            assert path.exists()
        return say(moment)

    first = network()
    assert everything(first, train(first, data, observe=observe, checkpoint=path, **OPTIONS)) == expected
    assert inner == [expected]
    said = f"checkpoint {path} belongs to a training that runs; this one keeps none.\n"
    assert capsys.readouterr().err == said
    assert list(tmp_path.iterdir()) == []


def test_a_training_goes_on_by_the_routes_by_which_it_began(points, tmp_path, monkeypatch):
    data, path, began = points(), tmp_path / "checkpoint", Routes(forward=1)
    monkeypatch.setattr(layer, "_refused", lambda: False)
    with products.using(began):
        train_until(5, data, path)
    assert train(network(), data, checkpoint=path, observe=say, **OPTIONS).routes == {1: began.described()}
    with products.using(began):
        train_until(5, data, path)
    monkeypatch.setattr(layer, "_refused", lambda: True)  # another processor
    assert train(network(), data, checkpoint=path, observe=say, **OPTIONS).routes == {1: began.described(), 5: "mkl"}


KILLED = """
import sys
import torch
from lib.data import load
from lib.networks import FCN
from lib.training import train

def observe(moment):
    print("moment", flush=True)
    return moment.epoch, moment.step

torch.set_num_threads(1)
network = FCN(24, 3, 64, 10, replicas=2, seed=3)
history = train(
    network, load("digits"), epochs=40, lr=0.1, momentum=0.5, schedule="proportional", batch_size=8,
    observe=observe, observe_at=(1.0, 0.5, 0.3), stop_at=0.02, checkpoint=sys.argv[1],
)
torch.save([[w.detach() for w in network.weights], history], sys.argv[2])
"""


@pytest.mark.slow
def test_sigkill_at_random_moments_changes_nothing(tmp_path):
    chance = random.Random(0)

    def run(name, kill_after=None):
        """Train in a process of its own; kill it once it has said that many moments and a little time has passed."""
        command = [sys.executable, "-c", KILLED, str(tmp_path / f"{name}.checkpoint"), str(tmp_path / name)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            if kill_after is not None:
                for _ in range(kill_after):
                    process.stdout.readline()
                try:
                    process.wait(chance.uniform(0, 0.05))
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
            process.stdout.read()
        return process.returncode

    assert run("whole") == 0
    kills = [run("killed", kill_after=chance.randint(1, 10)) for _ in range(5)]
    assert kills.count(-signal.SIGKILL) >= 4
    assert run("killed") == 0
    (weights, history), (killed_weights, killed_history) = (
        torch.load(tmp_path / name, weights_only=False) for name in ("whole", "killed")
    )
    assert all(torch.equal(a, b) for a, b in zip(weights, killed_weights, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(history.loss, killed_history.loss, strict=True))
    assert (history.lr, history.observations, history.stopped) == (
        killed_history.lr,
        killed_history.observations,
        killed_history.stopped,
    )
    assert len(history.stopped) == 2
    assert not (tmp_path / "killed.checkpoint").exists()


def test_the_time_before_an_interruption_counts(points, tmp_path, monkeypatch):
    ticks, twice = itertools.count(), itertools.count(step=2)
    fake = SimpleNamespace(perf_counter=lambda: float(next(ticks)), process_time=lambda: float(next(twice)))
    monkeypatch.setattr("lib.training.run.time", fake)
    options = {**OPTIONS, "epochs": 4, "stop_at": None, "observe_at": ()}
    train_until(3, points(), tmp_path / "checkpoint", **options)
    history = train(network(), points(), **options, observe=say, checkpoint=tmp_path / "checkpoint")
    # Two epochs were saved; then two more and what follows the last: one tick each.
    assert (history.seconds, history.cpu_seconds) == (5.0, 10.0)
