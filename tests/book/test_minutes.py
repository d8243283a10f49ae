"""Minutes to read are quoted from the chapter that takes them."""

from __future__ import annotations

import nbformat
import pytest

from book.minutes import minutes, words_of


def test_the_minutes_stand_in_the_line_below_a_title() -> None:
    assert minutes("# A title\n\n*18 minutes · needs chapter 1*\n\nIt takes *5 minutes* more.\n") == 18


def test_a_chapter_without_minutes_is_refused() -> None:
    with pytest.raises(ValueError, match="no line begins with"):
        minutes("# A title\n\nIt takes 5 minutes.\n")


def test_a_chapter_may_be_a_notebook(tmp_path) -> None:
    cells = [nbformat.v4.new_markdown_cell("# A title\n\n*9 minutes · needs nothing*"), nbformat.v4.new_code_cell("1")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "a.ipynb")
    assert minutes(words_of(tmp_path / "a.ipynb")) == 9
