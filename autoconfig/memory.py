"""Returns unused memory to the system."""

import ctypes
from contextlib import suppress


def return_memory() -> None:
    """Return unused pages to the system (malloc_trim(3)).

    The C library keeps them for later use. So after a peak of connections, the process would stay as large as it was
    during the peak.
    """
    with suppress(AttributeError, OSError, TypeError):  # only in the GNU C library
        ctypes.CDLL(None).malloc_trim(0)
