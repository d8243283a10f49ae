"""python -m lib.scorecard: print the claims as drafts of nanopublications (TriG)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from lib.scorecard.nanopublications import nanopublications
from lib.verdicts.published import published_content


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the drafts; return the exit status, 1 where something is wrong, told in one sentence."""
    parser = argparse.ArgumentParser(prog="python -m lib.scorecard", description=__doc__)
    parser.add_argument("--repository", metavar="URL", help="where the rows can be had")
    parser.add_argument("--completed", metavar="YYYY-MM-DD", help="the day of the outcomes")
    options = parser.parse_args(arguments)
    try:
        content = published_content()
        drafts = list(nanopublications(content, options.repository, options.completed))
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(drafts), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
