"""What changes the key of a chapter, and what does not."""

from __future__ import annotations

import pytest

from book.chapters import read_chapters
from book.keys import Keys, imported_names
from book.profiles import resolve


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


def test_published_rows_count_for_chapters_that_import_the_experiments(project, edit):
    (project.root / "lib" / "experiments").mkdir()
    (project.root / "lib" / "experiments" / "__init__.py").write_text("")
    use(project, edit, "import lib.experiments")
    before = keys(project)
    (project.root / "results").mkdir()
    (project.root / "results" / "pilot.jsonl").write_text("{}\n")
    assert changed(project, before) == {"01_width"}
    before = keys(project)
    (project.root / "results" / "pilot.jsonl").write_text("[]\n")
    assert changed(project, before) == {"01_width"}


def test_recorded_benchmarks_count_for_chapters_that_read_them(project, edit):
    experiments = project.root / "lib" / "experiments"
    experiments.mkdir()
    for name in ("__init__", "store", "timings"):
        (experiments / f"{name}.py").write_text("")
    records = project.root / "benchmarks" / "results"
    records.mkdir(parents=True)
    for module, expected in (("store", set()), ("timings", {"01_width"})):
        use(project, edit, f"import lib.experiments.{module}")
        before = keys(project)
        (records / "training-cpu.json").write_text(f"{{}} {module}")
        assert changed(project, before) == expected, module


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
