"""Skip the tests of packages unless they are requested: building takes a minute."""

import os

from tests.support import Unavailable

_UNAVAILABLE = Unavailable(
    "packages",
    "" if os.environ.get("REQUIRE_PACKAGING") else "they take a minute; run `make test-packaging`",
    "REQUIRE_PACKAGING",
)
collect_ignore_glob = _UNAVAILABLE.files
pytest_terminal_summary = _UNAVAILABLE.report
