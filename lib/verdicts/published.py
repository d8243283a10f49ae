"""The verdicts that this checkout publishes, in two files of results/: reading them needs nothing but these."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from lib.rows import RESULTS

PATH = RESULTS / "verdicts.json"
DETAILS = RESULTS / "verdict-details.json"  # what is long: specification curves, and the first round's tests and rows
VERDICTS = ("supported", "contradicted", "inconclusive", "not testable")


@lru_cache(maxsize=4)
def published_verdicts(path: Path = PATH) -> dict[int, dict[str, Any]]:
    """Return the claims of verdicts.json by number, each with the fields of lib/verdicts/schema.json.

    Raises:
        FileNotFoundError: they have not been made.
        ValueError: a file is no JSON, or the details were made for other verdicts.
    """
    return {claim["number"]: claim for claim in published_content(path)["claims"]}


def published_content(path: Path = PATH) -> dict[str, Any]:
    """Return all that verdicts.json says, with the details beside it.

    Raises:
        FileNotFoundError, ValueError: as `published_verdicts`.
    """
    beside = path.with_name(DETAILS.name)
    content, details = read_file(path), read_file(beside)
    if details["of"] != hashlib.sha256(path.read_bytes()).hexdigest():
        raise ValueError(f"{beside} was made for other verdicts; run `python -m lib.verdicts` to make both again.")
    for claim in content["claims"]:
        for name, long in details["claims"][str(claim["number"])].items():
            claim[name] |= long
    return content


def read_file(path: Path) -> dict[str, Any]:
    """Return what one of the two files holds.

    Raises:
        FileNotFoundError: it has not been made.
        ValueError: it is no JSON.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing; run `python -m lib.verdicts` to make it.")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON ({error}); run `python -m lib.verdicts` to make it again.") from None
