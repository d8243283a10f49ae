"""Sources of chapters and the table of contents."""

from __future__ import annotations

import pytest

from book.chapters import read_chapter, read_chapters
from book.set_up import set_up_lines


def test_chapters_come_in_the_order_of_the_table_of_contents(project):
    assert list(read_chapters(project)) == ["00_overview", "01_width", "02_depth"]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("format_name: myst", "format_name: markdown", "format_name: myst, not 'markdown'"),
        ("name: python3", "name: python2", "kernelspec: name: python3, not 'python2'"),
        ("jupytext:", "jupytext: [", "the front matter (line 4) is not valid YAML"),
        ("jupytext:", "jupytext: 3\nx:", "format_name: myst, not None"),
        ("jupytext:", "date: !!timestamp 2024-13-45\njupytext:", "the tag !!timestamp is not allowed"),
        ("---\n", "", "has no front matter"),
        (":tags: [parameters]", ":tags: [parameters", "is not a readable MyST notebook"),
    ],
)
def test_a_broken_source_is_one_sentence_that_names_it(project, old, new, sentence, edit, refused):
    edit(project.chapters / "01_width.md", old, new)
    message = refused(lambda: read_chapter(project, "01_width"))
    assert message.startswith("chapters/01_width.md") and sentence in message


def test_two_parameters_cells_are_refused(project, edit, refused):
    edit(project.chapters / "01_width.md", ":tags: [hide-input]", ":tags: [parameters]")
    chapter = read_chapter(project, "01_width")
    assert refused(lambda: chapter.parameters) == "01_width has 2 cells tagged parameters; keep one."


def test_a_page_without_a_file_is_one_sentence(project, edit, refused):
    edit(project.root / "_toc.yml", "chapters/01_width", "chapters/01_widht")
    assert refused(lambda: read_chapters(project)) == (
        '_toc.yml lists chapters/01_widht, but chapters/01_widht.md does not exist; did you mean "chapters/01_width"?'
    )


def test_an_empty_table_of_contents_is_refused(project, refused):
    (project.root / "_toc.yml").write_text("format: jb-book\n", encoding="utf-8")
    assert "_toc.yml lists no page" in refused(lambda: read_chapters(project))


def test_a_code_cell_is_located_in_the_source(project):
    chapter = read_chapter(project, "01_width")
    lines = chapter.text.splitlines()
    for cell in chapter.code_cells:
        name, line = chapter.locate(cell).split(":")
        assert name == "chapters/01_width.md"
        assert lines[int(line) - 1] == cell.source.removeprefix(set_up_lines("")).splitlines()[0]
