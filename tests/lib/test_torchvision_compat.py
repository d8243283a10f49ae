"""torchvision imports beside whichever torch is installed, and says so when it is not there."""

import importlib.util
import subprocess
import sys

import pytest

from lib.torchvision_compat import import_torchvision


def test_a_fresh_interpreter_can_import_it():
    code = (
        "from lib.torchvision_compat import import_torchvision as f; t = f(); assert f() is t; "
        "print(t.datasets.MNIST.__name__, t.models.resnet18.__name__)"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["MNIST", "resnet18"]


def test_its_absence_is_one_sentence(monkeypatch):
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="torchvision is not installed; run `pip install"):
        import_torchvision()
