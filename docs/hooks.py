"""Builds the site: links from docs/ to other files of the project lead to the repository."""

import re
from typing import Any

_OUTSIDE = re.compile(r"\]\(\.\./([^)#]*)")


def on_page_markdown(markdown: str, *, config: Any, **_: Any) -> str:
    """Return a page with its links to files outside docs/ replaced. MkDocs calls this for each page."""
    return _OUTSIDE.sub(rf"]({config['repo_url']}/blob/main/\1", markdown)
