"""Scripts that lie beside a page: data too heavy for the page itself, which works from the file system all the same.

An output that holds `<script data-file="NAME.js">...</script>` works in any notebook. On the site the script becomes
the file NAME.js beside the page.
"""

from __future__ import annotations

import re

from nbformat import NotebookNode

_SCRIPT = re.compile(r'<script data-file="(?P<name>[a-z0-9_]+\.js)">(?P<script>.*?)</script>', re.DOTALL)


def set_beside(page: NotebookNode) -> dict[str, str]:
    """Replace the scripts of a page that name a file by references, and return the files, name to text."""
    files: dict[str, str] = {}

    def reference(found: re.Match[str]) -> str:
        files[found["name"]] = found["script"].strip() + "\n"
        return f'<script src="{found["name"]}"></script>'

    for cell in page.cells:
        for output in cell.get("outputs", ()):
            if "text/html" in output.get("data", {}):
                output["data"]["text/html"] = _SCRIPT.sub(reference, output["data"]["text/html"])
    return files
