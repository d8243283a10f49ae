"""What no source of the book does: run what a file says, or read YAML that is more than data."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from book.errors import BookError
from book.plain_yaml import parse_yaml
from lib.verdicts.checks import load_strict

ROOT = Path(__file__).parents[1]
# They run what a file says, or are made of such.
PICKLES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"}
_WORDS = re.compile(r"pickle|joblib|dill|shelve|marshal|\beval\(|\bexec\(|load|shell|system|popen|compile_command")
_CELL = re.compile(r"(?ms)^```\{code-cell\}[^\n]*\n(?:---\n.*?^---\n)?(.*?)^```$")
_TELLING = ("weights_only", "allow_pickle", "shell", "Loader")
ROOMS = ("lib", "book", "assignments", "benchmarks", ".ci")
# The hidden tests of an assignment are code of this checkout, run where nothing of a submission is.
RUNS_CODE = {("assignments/checking.py", "exec")}


def sources() -> Iterator[tuple[str, str]]:
    """Yield the code of every module and page."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            if ".venv-jax" in path.parts:  # another program's, installed beside the benchmarks
                continue
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
    for path in [*sorted((ROOT / "chapters").glob("*.md")), *sorted((ROOT / "assignments/masters").glob("*.md"))]:
        cells = _CELL.findall(path.read_text(encoding="utf-8"))
        lines = [line for cell in cells for line in cell.splitlines() if not re.match(r"\s*[%!]|:\w+:", line)]
        yield path.relative_to(ROOT).as_posix(), "\n".join(lines)


def dotted(called: ast.expr) -> str:
    """Return the name of what is called, as `torch.load`; of what has none, its last part."""
    if isinstance(called, ast.Attribute):
        return f"{dotted(called.value)}.{called.attr}".removeprefix(".")
    return called.id if isinstance(called, ast.Name) else ""


def faults(name: str, text: str) -> Iterator[str]:
    """Yield what a source does that it should not; most hold no word of what that would take."""
    for node in ast.walk(ast.parse(text if _WORDS.search(text) else "")):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from (f"{name} imports {m}" for m in modules if m.partition(".")[0] in PICKLES)
        if not isinstance(node, ast.Call):
            continue
        called = dotted(node.func)
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords if keyword.arg in _TELLING}
        if called in ("eval", "exec", "compile_command", "os.system", "os.popen") and (name, called) not in RUNS_CODE:
            yield f"{name} calls {called}"
        if called == "torch.load" and given.get("weights_only") != "True":
            yield f"{name} loads with torch.load and not the weights only"
        if given.get("allow_pickle", "False") != "False" or called.endswith("read_pickle"):
            yield f"{name} reads pickles by {called}"
        if given.get("shell", "False") != "False":
            yield f"{name} gives a text to a shell"
        if called in ("yaml.unsafe_load", "yaml.full_load", "yaml.load_all") or (
            called == "yaml.load" and not given.get("Loader", ast.unparse(node.args[-1])).endswith("Loader")
        ):
            yield f"{name} reads YAML by {called}"


def test_no_source_runs_what_a_file_says():
    texts = dict(sources())
    assert len(texts) > 150
    assert [fault for name, text in texts.items() for fault in faults(name, text)] == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from joblib import load",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "pd.read_pickle(path)",
        "eval(text)",
        "subprocess.run(text, shell=True)",
        "yaml.unsafe_load(text)",
        "yaml.load(text, yaml_type)",
    ],
)
def test_what_is_forbidden_is_found(code):
    assert list(faults("x.py", code))


@pytest.mark.parametrize("text", ["a: !!python/object/apply:os.system [exit 3]", "a: !!python/name:os.system"])
def test_yaml_that_is_more_than_data_is_refused_by_both_readers(tmp_path, text):
    path = tmp_path / "x.yml"
    path.write_text(text)
    with pytest.raises(ValueError, match="could not determine a constructor"):
        load_strict(path)
    with pytest.raises(BookError, match="is not allowed"):
        parse_yaml(text, "x.yml")
