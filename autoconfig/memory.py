"""Memory that is no longer used is returned to the system."""

import ctypes
from contextlib import suppress


def return_memory() -> None:
    """Return the pages that nothing is allocated in (malloc_trim(3)).

    The C library keeps them, as it expects the next load to be like the last: after a crowd of clients has gone, the
    process would be as large as the crowd made it.
    """
    with suppress(AttributeError, OSError, TypeError):  # only the GNU C library has it
        ctypes.CDLL(None).malloc_trim(0)
