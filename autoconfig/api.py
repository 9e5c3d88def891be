"""The Python API: the server as an ASGI application, for another application to mount."""

import re

from starlette.types import ASGIApp

from autoconfig.definition import EMBEDDED, Definition
from autoconfig.definition_files import check_conflicts
from autoconfig.server import application as make_application
from autoconfig.sources import Options, Settings

_ROOT_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")


def application(*definitions: Definition, public_url: str | None = None, root_path: str = "") -> ASGIApp:
    """Return an ASGI application that serves some definitions, or the built-in one if there are none.

    Requests that name neither an address nor a known host get the first definition's settings. `public_url` is where
    people reach the setup page if that is none of the definitions' own hosts, such as https://setup.example.com.
    `root_path` is the path at which another application mounts this one, such as /mail: the setup page's links begin
    with it. Mail clients request fixed paths, so mount it at the root of their hosts as well.

    No file is read after this call. A definition with `purpose="mx"` makes it look up MX records: it serves the domains
    whose mail goes there. Raises ValueError for a root_path that is not a path, and DefinitionError for
    definitions that share a domain.
    """
    if not _ROOT_PATH.fullmatch(root_path):
        raise ValueError(f"root_path is {root_path!r}; use an empty string or a path such as '/mail'")
    served = definitions or (Definition.from_file(EMBEDDED),)
    check_conflicts(served)
    settings = Settings(served, options=Options(public_url=public_url, root_path=root_path))
    return make_application(settings, resolver=settings.resolver())
