"""python -m lib.scorecard: print the claims as drafts of nanopublications (TriG)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from lib.command_line import answer
from lib.scorecard.nanopublications import nanopublications
from lib.verdicts.published import published_content


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the drafts; return the exit status, 1 where something is wrong, told in one sentence."""
    parser = argparse.ArgumentParser(prog="python -m lib.scorecard", description=__doc__)
    parser.add_argument("--repository", metavar="URL", help="where the rows can be had")
    parser.add_argument("--completed", metavar="YYYY-MM-DD", help="the day of the outcomes")
    options = parser.parse_args(arguments)
    return answer(lambda: _print(options))


def _print(options: argparse.Namespace) -> int:
    print("\n".join(nanopublications(published_content(), options.repository, options.completed)), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
