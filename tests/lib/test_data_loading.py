"""lib.data.load: digits in full, scalings, arguments, and what an import brings along."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from lib.data import NAMES, benchmarks, load, loading


def test_digits_are_split_once_and_for_all():
    data = load("digits", scaling="raw", dtype=torch.float64)
    assert (data.n, data.in_features, data.out_features, len(data.x_test)) == (1437, 64, 10, 360)
    # Together both parts are scikit-learn's images, each exactly once.
    rows = torch.cat([torch.cat([data.x, data.x_test]) * 16, torch.cat([data.y, data.y_test])[:, None]], dim=1)
    bunch = load_digits()
    expected = np.column_stack([bunch.data, bunch.target])
    assert sorted(map(tuple, rows.tolist())) == sorted(map(tuple, expected.tolist()))
    assert data.y_test.bincount().sub(36).abs().max() <= 1
    assert torch.equal(data.x_test, load("digits", scaling="raw", dtype=torch.float64, seed=5, samples=50).x_test)


def test_scalings():
    raw, unit, standard = (load("digits", scaling=s, dtype=torch.float64) for s in ("raw", "unit", "standard"))
    assert raw.x.min() == 0 and raw.x.max() == 1
    for part in ("x", "x_test"):
        pixels = getattr(raw, part)
        torch.testing.assert_close(getattr(unit, part), pixels / pixels.pow(2).sum(1, keepdim=True).sqrt())
        expected = (pixels - raw.x.mean()) / raw.x.std(correction=0)
        torch.testing.assert_close(getattr(standard, part), expected)
    assert torch.equal(raw.y, unit.y) and torch.equal(raw.y, standard.y)


def test_unit_is_the_default_and_the_dtype_is_torchs():
    data = load("digits")
    assert data.x.dtype == data.x_test.dtype == torch.float32
    torch.testing.assert_close(data.x.norm(dim=1), torch.ones(data.n))


def test_a_point_does_not_depend_on_the_subset_it_is_in():
    whole, part = load("digits", scaling="standard"), load("digits", scaling="standard", samples=100)
    assert {tuple(row) for row in part.x.tolist()} <= {tuple(row) for row in whole.x.tolist()}
    assert len(part.x_test) == 360


def test_samples_are_stratified_unless_told_otherwise():
    assert load("digits", samples=100).y.bincount().tolist() == [10] * 10
    loose = load("digits", samples=3, seed=1, stratified=False)
    assert loose.n == 3 and loose.out_features == 10
    assert not torch.equal(load("digits", samples=100).x, load("digits", samples=100, seed=1).x)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"name": "mnsit"}, ValueError, "name must be one of digits, .*got 'mnsit'. Did you mean 'mnist'?"),
        ({"scaling": "Unit"}, ValueError, "scaling must be one of unit, raw, standard, got 'Unit'"),
        ({"samples": 0, "stratified": False}, ValueError, "samples must be an integer from 1 to 1437 for digits, got"),
        ({"samples": 9}, ValueError, "samples must be an integer from 10 to 1437 .*stratified=False"),
        ({"samples": 1438}, ValueError, "got 1438"),
        ({"samples": 20.0}, ValueError, "got 20.0"),
        ({"samples": True, "stratified": False}, ValueError, "got True"),
        ({"samples": 20, "seed": -1}, ValueError, "seed must be an integer"),
        ({"dtype": torch.int64}, TypeError, "dtype must be a floating-point"),
        ({"dtype": "float64"}, TypeError, "dtype must be a floating-point"),
    ],
)
def test_refuses_with_one_sentence(arguments, error, message):
    with pytest.raises(error, match=message) as raised:
        load(**{"name": "digits"} | arguments)
    assert "\n" not in str(raised.value)


def test_an_all_zero_image_has_no_direction(monkeypatch):
    pixels = np.array([[4, 0], [2, 2], [0, 0], [1, 3]], np.uint8)
    fake = benchmarks.Pixels(pixels, np.array([0, 1, 1, 0]), pixels[2:], np.array([1, 0]), maximum=4)
    monkeypatch.setitem(loading._READERS, "digits", lambda root, download: fake)
    with pytest.raises(ValueError, match=r'training image 2 of digits is all zeros.*scaling="raw"'):
        load("digits")
    assert load("digits", scaling="raw").x[2].tolist() == [0, 0]
    nonzero = fake._replace(train=pixels[[0, 1, 3]], train_labels=np.array([0, 1, 0]))
    monkeypatch.setitem(loading._READERS, "digits", lambda root, download: nonzero)
    with pytest.raises(ValueError, match="test image 0 of digits is all zeros"):
        load("digits")


def test_other_digits_are_refused(monkeypatch):
    monkeypatch.setattr(benchmarks, "_DIGITS_MD5", "0" * 32)
    with pytest.raises(ValueError, match=r"digits are not the expected ones .*constraints.txt"):
        load("digits")


def test_import_brings_neither_scikit_learn_nor_torchvision():
    code = "import sys, lib.data; print([m for m in ('sklearn', 'torchvision') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_names():
    assert NAMES == ("digits", "mnist", "fashion-mnist", "cifar10")


def test_mnist_is_torchvisions(mnist_root):
    from lib.torchvision_compat import import_torchvision

    data = load("mnist", mnist_root, "raw")
    assert (data.n, len(data.x_test), data.in_features, data.out_features) == (60000, 10000, 784, 10)
    for train, x, y in ((True, data.x, data.y), (False, data.x_test, data.y_test)):
        images = import_torchvision().datasets.MNIST(str(mnist_root), train=train)
        assert torch.equal(x.mul(255).round().to(torch.uint8), images.data.flatten(1))
        assert torch.equal(y, images.targets)


def test_mnist_standard_has_the_published_moments(mnist_root):
    raw, standard = load("mnist", mnist_root, "raw", samples=100), load("mnist", mnist_root, "standard", samples=100)
    # The mean .1307 and deviation .3081 that every MNIST tutorial prints.
    torch.testing.assert_close(standard.x, (raw.x - 0.1307) / 0.3081, atol=5e-4, rtol=0)
