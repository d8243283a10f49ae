"""The site's configuration, `_config.yml`, and its one setting of the repository's URL."""

from __future__ import annotations

from typing import Any

from book.errors import BookError
from book.files import read_mapping
from book.project import Project

_BUTTONS = ("use_repository_button", "use_issues_button", "use_edit_page_button")


def read_configuration(project: Project) -> dict[str, Any]:
    """Read `_config.yml`; `repository: url:` is there in the result, empty while the book has no public home."""
    configuration = read_mapping(project.root / "_config.yml", "_config.yml")
    repository = dict(configuration.get("repository") or {})
    repository["url"] = url = repository.get("url") or ""
    if not isinstance(url, str) or (url and not url.startswith("https://")):
        raise BookError(
            f'_config.yml: repository: url: must be empty or like https://github.com/OWNER/NAME, not "{url}".'
        )
    return configuration | {"repository": repository}


def site_configuration(project: Project) -> dict[str, Any]:
    """Return the configuration that the site is built with; without a URL no button that needs one is drawn."""
    configuration = read_configuration(project)
    if not configuration["repository"]["url"]:
        configuration.pop("launch_buttons", None)
        html = configuration.get("html") or {}
        configuration["html"] = {name: value for name, value in html.items() if name not in _BUTTONS}
    return configuration
