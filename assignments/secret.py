"""The teacher's secret seed, from which hidden cases are drawn: outside the repository, as masters are public."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from book.errors import BookError

DEFAULT = Path("~/.config/robustness-book/secret")
PUBLIC = "the public seed of continuous integration"
_REPOSITORY = Path(__file__).resolve().parents[1]


def read_secret(path: Path | None) -> str:
    """Return the secret in a file: the one that is named, else $CLASSROOM_SECRET, else the default place.

    Where the default place is empty the public seed serves, with a warning: everybody can draw the cases from it.

    Raises:
        BookError: the file that is named cannot be read, holds too little, or lies in the repository.
    """
    named = path or (Path(os.environ["CLASSROOM_SECRET"]) if os.environ.get("CLASSROOM_SECRET") else None)
    place = (named or DEFAULT).expanduser().resolve()
    if named is None and not place.is_file():
        print(
            f"Hidden cases are drawn from the public seed, which students know too. Make your own:\n"
            f"  mkdir -p {place.parent} && {Path(sys.executable).name} -c "
            f"'import secrets; print(secrets.token_hex())' > {place}",
            file=sys.stderr,
        )
        return PUBLIC
    if place.is_relative_to(_REPOSITORY):
        raise BookError(f"the secret {place} lies in the repository, where it would be published; move it elsewhere.")
    try:
        text = place.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BookError(f"the secret {place} cannot be read: {error}.") from None
    if len(text) < 16:
        raise BookError(f"the secret {place} has {len(text)} characters; it needs at least 16.")
    return text
