"""What `book` tells its user when something is wrong."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable


class BookError(Exception):
    """Carry one clear sentence: the input, what is allowed, the remedy."""


def nearest(name: object, valid: Iterable[str]) -> str:
    """Return `; did you mean "x"?` for the closest valid name, or nothing when none is close."""
    matches = difflib.get_close_matches(str(name)[:100], [str(item) for item in valid], n=1)
    return f'; did you mean "{matches[0]}"?' if matches else ""


def listing(names: Iterable[str]) -> str:
    """Join names for a sentence; say so when there are none."""
    return ", ".join(names) or "none"


def uncoloured(text: str) -> str:
    """Remove the colour codes of a terminal."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)
