"""A server that lets mail clients set themselves up.

`application` returns it as an ASGI application, and `Definition.from_file` reads a provider's settings for it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autoconfig.api import application
    from autoconfig.definition import Definition, DefinitionError

__all__ = ["Definition", "DefinitionError", "application"]

_MODULES = {"Definition": "definition", "DefinitionError": "definition", "application": "api"}


def __getattr__(name: str) -> Any:
    """Import only the requested name: commands that do not serve start without the server."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
