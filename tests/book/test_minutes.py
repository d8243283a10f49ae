"""Minutes to read are quoted from the chapter that takes them."""

from __future__ import annotations

import pytest

from book.minutes import minutes


def test_the_minutes_stand_in_the_line_below_a_title() -> None:
    assert minutes("# A title\n\n*18 minutes · needs chapter 1*\n\nIt takes *5 minutes* more.\n") == 18


def test_a_chapter_without_minutes_is_refused() -> None:
    with pytest.raises(ValueError, match="no line begins with"):
        minutes("# A title\n\nIt takes 5 minutes.\n")
