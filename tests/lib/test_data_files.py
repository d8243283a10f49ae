"""Files of benchmarks: extraction, checksums and faults, on small archives in temporary folders."""

import gzip
import hashlib
import pickle
import socket
import struct

import numpy as np
import pytest
import torch

from lib.data import benchmarks, fetching, load
from lib.data.__main__ import main
from lib.data.files import Files
from lib.torchvision_compat import import_torchvision

STEM = "MNIST/raw/train-images-idx3-ubyte"


def md5(content):
    return hashlib.md5(content).hexdigest()


def contents(root):
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def mnist(tmp_path, monkeypatch):
    """Put archives of 20 + 10 images of 2×2 pixels under a root, and make them what MNIST is expected to be."""
    rng = np.random.default_rng(0)
    files, archives, plain = {}, {}, {}
    for split, n in (("train", 20), ("t10k", 10)):
        for kind, array in (
            ("images-idx3", rng.integers(1, 256, (n, 2, 2)).astype(np.uint8)),
            ("labels-idx1", (np.arange(n) % 10).astype(np.uint8)),
        ):
            name = f"{split}-{kind}-ubyte"
            plain[name] = idx(array)
            archive = tmp_path / "root" / "MNIST" / "raw" / f"{name}.gz"
            archive.parent.mkdir(parents=True, exist_ok=True)
            archive.write_bytes(gzip.compress(plain[name], mtime=0))
            files[name], archives[f"MNIST/raw/{name}.gz"] = md5(plain[name]), md5(archive.read_bytes())
    monkeypatch.setattr(benchmarks, "MNIST", Files("mnist", "MNIST", "MNIST/raw", files, archives))
    dataset = import_torchvision().datasets.MNIST
    monkeypatch.setattr(dataset, "resources", [(name.split("/")[-1], value) for name, value in archives.items()])
    # Nothing listens on the discard port of this machine: a download fails at once, for real.
    monkeypatch.setattr(dataset, "mirrors", ["http://127.0.0.1:9/"])
    return tmp_path / "root", plain


def test_archives_are_extracted_without_network_and_stay_as_they_are(mnist):
    root, plain = mnist
    before = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in root.rglob("*.gz")}
    data = load("mnist", root, "raw")
    assert (data.n, len(data.x_test), data.in_features) == (20, 10, 4)
    images = np.frombuffer(plain["train-images-idx3-ubyte"], np.uint8, offset=16).reshape(20, 4)
    assert torch.equal(data.x.mul(255).round().to(torch.uint8), torch.tensor(images))
    assert data.y_test.tolist() == list(range(10))
    assert {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in root.rglob("*.gz")} == before
    assert not list(root.glob(".incomplete-*"))
    for archive in before:
        archive.unlink()
    assert torch.equal(load("mnist", root, "raw").x, data.x)


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b[:-1] + bytes([b[-1] ^ 1]), lambda b: b""])
def test_a_damaged_file_is_refused_and_repaired_on_demand(mnist, damage):
    root, plain = mnist
    load("mnist", root)
    path = root / STEM
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte is truncated or altered.*run `make data`"):
        load("mnist", root)
    assert load("mnist", root, download=True).n == 20
    assert path.read_bytes() == plain["train-images-idx3-ubyte"]


def test_a_damaged_archive_is_never_extracted(mnist):
    root, _ = mnist
    archive = root / f"{STEM}.gz"
    archive.write_bytes(archive.read_bytes()[:-5])
    with pytest.raises(ValueError, match=r"ubyte.gz is truncated or altered.*run `make data`"):
        load("mnist", root)
    with pytest.raises(ConnectionError, match="mnist could not be downloaded; check the network"):
        load("mnist", root, download=True)
    assert not (root / STEM).exists()


def test_missing_files_without_archives(mnist):
    root, _ = mnist
    (root / f"{STEM}.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks train-images-idx3-ubyte of mnist; run `make data`"):
        load("mnist", root)


def test_an_interrupted_extraction_leaves_nothing_that_is_used(mnist, monkeypatch):
    root, _ = mnist
    before = contents(root)

    class Interrupted(import_torchvision().datasets.MNIST):
        def download(self):
            super().download()
            raise KeyboardInterrupt

    Interrupted.__name__ = "MNIST"
    with monkeypatch.context() as patch:
        patch.setattr(import_torchvision().datasets, "MNIST", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            load("mnist", root)
    assert contents(root) == before
    # What a killed run leaves behind is not read either.
    stale = root / ".incomplete-killed" / STEM
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"half")
    assert load("mnist", root).n == 20


@pytest.mark.parametrize("locked", [".", "MNIST", "MNIST/raw"])
@pytest.mark.parametrize("download", [False, True])
def test_a_read_only_root_is_left_alone_even_by_the_superuser(mnist, locked, download):
    root, _ = mnist
    before = contents(root)
    (root / locked).chmod(0o555)
    try:
        with pytest.raises(PermissionError, match=r"cannot be written to .*read-only.*set BOOK_DATA"):
            load("mnist", root, download=download)
        assert contents(root) == before
    finally:
        (root / locked).chmod(0o755)


def test_a_read_only_root_with_extracted_files_is_enough(mnist):
    root, _ = mnist
    load("mnist", root)
    (root / "MNIST" / "raw").chmod(0o555)
    try:
        assert load("mnist", root, download=True).n == 20
    finally:
        (root / "MNIST" / "raw").chmod(0o755)


def test_a_full_disk_and_a_root_that_is_a_file(mnist, tmp_path, monkeypatch):
    root, _ = mnist
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OSError, match=r"cannot be written to .*file .*set BOOK_DATA"):
        load("mnist", tmp_path / "file", download=True)

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetching.shutil, "copyfile", full)
    with pytest.raises(OSError, match=r"No space left on device.*enough space"):
        load("mnist", root)
    assert not list(root.glob(".incomplete-*"))


def test_command_line(mnist, monkeypatch, capsys):
    root, _ = mnist
    monkeypatch.setattr(socket, "setdefaulttimeout", lambda seconds: None)
    monkeypatch.setenv("BOOK_DATA", str(root))
    assert main(["mnist"]) == 0
    assert "mnist: 20 training and 10 test images verified" in capsys.readouterr().out
    monkeypatch.setenv("BOOK_DATA", str(root / "empty"))
    assert main(["mnist"]) == 1
    error = capsys.readouterr().err.strip().splitlines()
    assert error[-1].startswith("error: mnist could not be downloaded; check the network and run `make data` again")
    assert main(["mnsit"]) == 1
    assert "Did you mean 'mnist'?" in capsys.readouterr().err


def cifar_records(seed, n=20):
    rng = np.random.default_rng(seed)
    records = rng.integers(0, 256, (n, 3073)).astype(np.uint8)
    records[:, 0] = np.arange(n) % 10
    return records


@pytest.fixture
def binary(tmp_path, monkeypatch):
    records = {f"data_batch_{k}.bin": cifar_records(k) for k in (1, 2)} | {"test_batch.bin": cifar_records(6)}
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for name, array in records.items():
        (folder / name).write_bytes(array.tobytes())
    checksums = {name: md5(array.tobytes()) for name, array in records.items()}
    monkeypatch.setattr(benchmarks, "CIFAR10_BINARY", Files("cifar10", "CIFAR10", folder.name, checksums))
    return folder, records


def test_cifar10_binary(binary):
    folder, records = binary
    data = load("cifar10", folder.parent, "raw", dtype=torch.float64)
    train = np.concatenate([records["data_batch_1.bin"], records["data_batch_2.bin"]])
    np.testing.assert_allclose(data.x.numpy(), train[:, 1:] / 255, rtol=1e-15)
    assert data.y.tolist() == train[:, 0].tolist()
    np.testing.assert_allclose(data.x_test.numpy(), records["test_batch.bin"][:, 1:] / 255, rtol=1e-15)


def test_cifar10_binary_invents_no_test_set(binary):
    folder, _ = binary
    for name in ("data_batch_1.bin", "test_batch.bin"):
        (folder / name).unlink()
    data = load("cifar10", folder.parent)
    assert (data.n, data.x_test, data.y_test, data.out_features) == (20, None, None, 10)
    (folder / "data_batch_2.bin").unlink()
    with pytest.raises(FileNotFoundError, match="has no training batch"):
        load("cifar10", folder.parent)


def test_cifar10_binary_is_verified(binary):
    folder, _ = binary
    path = folder / "data_batch_2.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"data_batch_2.bin is truncated or altered.*python -m lib.data cifar10"):
        load("cifar10", folder.parent)


def test_cifar10_python_gives_the_same_vectors_as_the_binary_version(tmp_path, monkeypatch):
    dataset = import_torchvision().datasets.CIFAR10
    folder = tmp_path / dataset.base_folder
    folder.mkdir()
    records, checksums = {}, {}
    for k, name in enumerate([*(f"data_batch_{k}" for k in range(1, 6)), "test_batch", "batches.meta"], start=1):
        records[name] = cifar_records(k)
        batch = {"data": records[name][:, 1:], "labels": records[name][:, 0].tolist()}
        (folder / name).write_bytes(pickle.dumps({"label_names": list("abcdefghij")} if k == 7 else batch))
        checksums[name] = md5((folder / name).read_bytes())
    monkeypatch.setattr(benchmarks, "CIFAR10", Files("cifar10", "CIFAR10", folder.name, checksums, {"x.tar.gz": "0"}))
    monkeypatch.setattr(dataset, "train_list", [[f"data_batch_{k}", checksums[f"data_batch_{k}"]] for k in range(1, 6)])
    monkeypatch.setattr(dataset, "test_list", [["test_batch", checksums["test_batch"]]])
    monkeypatch.setattr(dataset, "meta", dataset.meta | {"md5": checksums["batches.meta"]})
    data = load("cifar10", tmp_path, "raw", dtype=torch.float64)
    train = np.concatenate([records[f"data_batch_{k}"] for k in range(1, 6)])
    np.testing.assert_allclose(data.x.numpy(), train[:, 1:] / 255, rtol=1e-15)
    assert data.y.tolist() == train[:, 0].tolist() and data.y_test.tolist() == records["test_batch"][:, 0].tolist()
    (folder / "test_batch").write_bytes(b"")
    with pytest.raises(ValueError, match="test_batch is truncated or altered"):
        load("cifar10", tmp_path)
    (folder / "test_batch").unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks test_batch of cifar10; run `python -m lib.data cifar10`"):
        load("cifar10", tmp_path)
