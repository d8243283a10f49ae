"""Download and verify benchmarks: `python -m lib.data [NAME ...]`, by default MNIST and Fashion-MNIST."""

from __future__ import annotations

import argparse
import socket
import sys
from collections.abc import Sequence

from lib.command_line import answer
from lib.data.files import data_root
from lib.data.loading import NAMES, load

# A server that accepts the connection and then stays silent would otherwise hold `make data` for ever.
_SILENCE_SECONDS = 60


def main(arguments: Sequence[str] | None = None) -> int:
    """Bring each benchmark into the data root and verify it; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m lib.data", description="Download and verify benchmarks in $BOOK_DATA, or in ./data without it."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(NAMES)}")
    names = parser.parse_args(arguments).names or ["mnist", "fashion-mnist"]
    return answer(lambda: _bring(names), "what was verified is kept, and the same command goes on from there")


def _bring(names: Sequence[str]) -> int:
    socket.setdefaulttimeout(_SILENCE_SECONDS)
    for name in names:
        data = load(name, scaling="raw", download=True)
        test = 0 if data.x_test is None else len(data.x_test)
        print(f"{name}: {data.n} training and {test} test images verified in {data_root(None)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
