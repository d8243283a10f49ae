"""What must not be left in the text that a reader sees."""

from __future__ import annotations

import re

# In running text: code, formulas, docstrings (written for a terminal) and the outputs of cells are not part of it.
_PROSE = {
    "a formula's dollar sign": r"\$",
    "a TeX command": r"\\[A-Za-z(\[]+",
    "an index or a power typed as text": r"\b[A-Za-z]_[A-Za-z0-9{]|\w\^",
    "a role or substitution": r"\{[a-z][\w:+-]*\}|\{\{",
    "an empty value": r"\bNone\b(?! of\b)|\b[Nn]a[Nn]\b|\binf\b",
    "a directive": r"^\s*(:{3,}|`{3,})",
    "two full stops": r"(?<!\.)\.\.(?!\.)|,,",
    "an empty bracket": r"\(\s*\)|\[\s*\]",
    "a number with a float's noise": r"\d\.\d{9,}",
}
# Anywhere, in the outputs of cells too.
_ANYWHERE = {
    "progress": r"configuration \d+ of|\d+%\|| \d[\d.]* ?(it/s|s/it)|Executing: ",
    "an object's address": r"\bobject at 0x[0-9a-f]+|<Figure size|<Axes",
    "a traceback": r"Traceback \(most recent call last\)",
    "a warning": r"\b\w*Warning: ",
    "a path of the machine": r"(?<![\w/])/(home|root|tmp|work|Users)/",
    "an undefined number": r"\bnan\b",
    "a table as a terminal prints it": r"\[\d+ rows x \d+ columns\]",
    "a value that was not glued": r"\bnot found in glue|Key `[^`]+` not|unknown output",
}


def prose_problems(text: str) -> list[str]:
    """Return what is left of the source's notation, or of missing values, in running text."""
    return _found(_PROSE, text) + _found(_ANYWHERE, text)


def output_problems(text: str) -> list[str]:
    """Return the noise in the outputs of cells."""
    return _found(_ANYWHERE, text)


def _found(patterns: dict[str, str], text: str) -> list[str]:
    return [
        f"{what} in “…{' '.join(text[max(found.start() - 40, 0) : found.end() + 40].split())}…”"
        for what, pattern in patterns.items()
        for found in re.finditer(pattern, text, re.MULTILINE)
    ]
