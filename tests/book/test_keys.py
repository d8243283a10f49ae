"""What changes the key of a chapter, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from book.chapters import read_chapters
from book.imports import imported_names
from book.keys import Keys
from book.profiles import resolve
from book.project import Project


def keys(project, **overrides) -> dict[str, str]:
    chapters = read_chapters(project)
    values = resolve(chapters, list(chapters), None, overrides)
    fresh = Keys(project)
    return {name: fresh.key(chapter, values[name]) for name, chapter in chapters.items()}


def changed(project, before: dict[str, str], **overrides) -> set[str]:
    return {name for name, key in keys(project, **overrides).items() if key != before[name]}


def use(project, edit, line: str) -> None:
    """Let chapter 01 execute one more line."""
    edit(project.chapters / "01_width.md", "from lib.sums import total", f"from lib.sums import total\n{line}")


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("chapters/01_width.md", "Prose of", "Edited prose of", set()),
        ("chapters/01_width.md", "[hide-input]", "[hide-cell]", set()),
        ("chapters/01_width.md", "[hide-input]", "[raises-exception]", {"01_width"}),
        ("chapters/01_width.md", 'print("widths"', 'print("the widths"', {"01_width"}),
        ("chapters/01_width.md", "[2, 4]", "[2, 5]", {"01_width"}),
        ("chapters/02_depth.md", "product([depth", "product([1, depth", {"02_depth"}),
        ("lib/sums.py", "sum(values)", "sum(values) + 0", {"01_width"}),
        ("lib/products.py", "math.prod(values)", "1 * math.prod(values)", {"02_depth"}),
        ("lib/unused.py", "this", "that", set()),
        ("constraints.txt", "numpy", "numpy==2", {"00_overview", "01_width", "02_depth"}),
        ("references.bib", "", "@book{a}", set()),
        ("params/wide.yml", "[16]", "[15]", set()),
    ],
)
def test_an_edit_changes_the_keys_of_the_chapters_that_it_reaches(project, name, old, new, expected, edit):
    before = keys(project)
    edit(project.root / name, old, new)
    assert changed(project, before) == expected


def test_a_parameter_changes_the_key_of_its_chapter(project):
    assert changed(project, keys(project), lr=0.5) == {"01_width"}
    assert changed(project, keys(project), lr=1e-3) == set()


def test_a_package_counts_with_its_init_and_the_files_beside(project, edit):
    package = project.root / "lib" / "theory"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "bounds.py").write_text("from . import constants\n")
    (package / "constants.py").write_text("one = 1\n")
    (package / "regimes.py").write_text("two = 2\n")
    (package / "register.yml").write_text("claims: []\n")
    use(project, edit, "from lib.theory.bounds import constants")
    for name, expected in {
        "__init__.py": {"01_width"},
        "constants.py": {"01_width"},
        "register.yml": {"01_width"},
        "regimes.py": set(),
    }.items():
        before = keys(project)
        edit(package / name, (package / name).read_text(), (package / name).read_text() + "# edited\n")
        assert changed(project, before) == expected, name


@pytest.fixture
def rows(project):
    """Rows of three experiments and their reader, as in the real book."""
    (project.root / "lib" / "rows").mkdir()
    (project.root / "lib" / "rows" / "__init__.py").write_text("from lib.rows.published import published\n")
    (project.root / "lib" / "rows" / "published.py").write_text(
        "RESULTS = 1\n\n\ndef published(experiment):\n    return RESULTS / experiment\n"
    )
    (project.root / "results").mkdir()
    for name in ("pilot", "grid", "paper-he"):
        (project.root / "results" / f"{name}.jsonl").write_text("{}\n")
    return project


def readers(project, name: str) -> set[str]:
    """The chapters whose keys one more row changes."""
    before = keys(project)
    path = project.root / "results" / name
    path.write_bytes(path.read_bytes() + b"{}\n" if path.exists() else b"{}\n")
    return changed(project, before)


def test_a_row_counts_for_the_chapters_that_name_its_experiment(rows, edit):
    use(rows, edit, 'from lib.rows import published\nfor name in ("pilot", "late"):\n    published(name)')
    edit(rows.chapters / "02_depth.md", "import os", "from lib.rows import published\npublished('grid')\nimport os")
    assert readers(rows, "pilot.jsonl") == {"01_width"}
    assert readers(rows, "grid.jsonl") == {"02_depth"}
    assert readers(rows, "paper-he.jsonl") == set()
    assert readers(rows, "late.jsonl") == {"01_width"}  # not there before
    assert readers(rows, "pilot.digests") == {"01_width"}


def test_all_rows_count_where_the_names_are_not_told(rows, edit):
    use(rows, edit, "from lib.rows import published\nfor name in make():\n    published(name)")
    assert readers(rows, "pilot.jsonl") == readers(rows, "grid.jsonl") == readers(rows, "new.jsonl") == {"01_width"}


def test_a_helper_of_the_library_reads_what_its_callers_and_itself_name(rows, edit):
    helper = "from lib.rows import published\nSHARED = ('grid',)\n\n\ndef scans(*experiments):\n"
    helper += "    return [published(p) for p in sorted({p for name in experiments for p in (name, *SHARED)})]\n"
    (rows.root / "lib" / "scans.py").write_text(helper)
    use(rows, edit, "from lib.scans import scans\nscans('pilot')")
    assert readers(rows, "pilot.jsonl") == readers(rows, "grid.jsonl") == {"01_width"}
    assert readers(rows, "paper-he.jsonl") == set()


def test_recorded_benchmarks_count_for_chapters_that_name_them(project, edit):
    records = project.root / "benchmarks" / "results"
    records.mkdir(parents=True)
    for name in ("__init__", "timing"):
        (project.root / "benchmarks" / f"{name}.py").write_text("")
    (project.root / "benchmarks" / "timings.py").write_text("RESULTS = 1\n\n\ndef recorded(name, device):\n    pass\n")
    use(project, edit, "import benchmarks.timing\nfrom benchmarks.timings import recorded\nrecorded('sweep', 'cuda')")
    for name, expected in (("training-cpu", set()), ("sweep-cuda", {"01_width"}), ("sweeps-cuda", set())):
        before = keys(project)
        (records / f"{name}.json").write_text("{}")
        assert changed(project, before) == expected, name


# Chapters about all rows, whatever their experiment.
EVERYTHING = ("15_scorecard", "91_cost", "93_rows", "95_ask_the_rows")


def test_the_chapters_of_this_book_are_keyed_by_the_experiments_that_they_name():
    book = Project(Path(__file__).parents[2])
    fresh, everything = Keys(book), {path.stem for path in (book.root / "results").glob("*.jsonl")}
    for name, chapter in read_chapters(book).items():
        found = {path.stem for path in fresh.results(chapter) if path.suffix == ".jsonl"}
        literal = {word for word in everything for cell in chapter.code_cells if f'published("{word}")' in cell.source}
        assert literal <= found, name
        assert (found == everything) == (name in EVERYTHING), name


@pytest.mark.parametrize("variable", [None, "elsewhere"])
def test_data_files_count_by_name_and_size_for_chapters_that_import_data(project, edit, monkeypatch, variable):
    (project.root / "lib" / "data.py").write_text("")
    use(project, edit, "from lib import data")
    if variable:
        monkeypatch.setenv("BOOK_DATA", str(project.root / variable))
    folder = project.root / (variable or "data")
    before = keys(project)
    folder.mkdir()
    (folder / "images.gz").write_bytes(b"123")
    assert changed(project, before) == {"01_width"}
    before = keys(project)
    (folder / "images.gz").write_bytes(b"321")
    assert changed(project, before) == set()
    (folder / "images.gz").write_bytes(b"3210")
    assert changed(project, before) == {"01_width"}


@pytest.mark.parametrize(
    ("source", "package", "names"),
    [
        ("import lib.a.b as c, os", "", {"lib.a.b", "os"}),
        ("from lib.a import b, c", "", {"lib.a", "lib.a.b", "lib.a.c"}),
        ("from . import b", "lib.a", {"lib.a", "lib.a.b"}),
        ("from .b import c", "lib.a", {"lib.a.b", "lib.a.b.c"}),
        ("from ..b import c", "lib.a", {"lib.b", "lib.b.c"}),
        ("def f():\n    import lib.late", "", {"lib.late"}),
        ("if TYPE_CHECKING:\n    import lib.a\nelse:\n    import lib.b", "", {"lib.b"}),
        ("if typing.TYPE_CHECKING:\n    import lib.a", "", set()),
        ("import lib.a +", "", set()),
    ],
)
def test_imports_are_found_wherever_they_stand(source, package, names):
    assert set(imported_names(source, package)) == names


def test_magics_do_not_hide_imports(project, edit):
    use(project, edit, "%matplotlib inline\n!true\nif True:\n    %time 1\n    import lib.products")
    chapter = read_chapters(project)["01_width"]
    assert "lib.products" in Keys(project).closure(cell.source for cell in chapter.code_cells)
