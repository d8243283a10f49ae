"""Every command of lib ends in one sentence, whatever reads or holds what it prints."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lib.command_line import answer

ROOT = Path(__file__).parents[2]
SHOW = [sys.executable, "-m", "lib.verdicts", "show", "56"]
DRAFTS = [sys.executable, "-m", "lib.scorecard"]


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ValueError("lr must be positive, got 0.\nmore"), 1, "error: lr must be positive, got 0.\n"),
        (RuntimeError(), 1, "error: RuntimeError\n"),
        (KeyboardInterrupt(), 130, "interrupted: nothing was written.\n"),
    ],
)
def test_what_goes_wrong_is_one_sentence(error, code, said, capsys):
    def command():
        raise error

    assert answer(command) == code
    assert capsys.readouterr().err == said
    assert answer(lambda: 3) == 3


@pytest.mark.parametrize("command", [SHOW, DRAFTS])
def test_a_reader_that_has_seen_enough_is_no_error(command):
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_a_full_disk_is_one_sentence():
    with open("/dev/full", "w") as full:
        done = subprocess.run(DRAFTS, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (1, "error: [Errno 28] No space left on device\n")


def test_letters_that_a_terminal_lacks_are_spelled():
    narrow = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(SHOW, capture_output=True, text=True, cwd=ROOT, env=narrow)
    assert (done.returncode, done.stderr) == (0, "")
    assert "L\\xb3" in done.stdout
