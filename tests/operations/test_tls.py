"""Certificates with unusual dates."""

import pytest

from autoconfig.operations.report import Problem
from autoconfig.operations.tls import days_left


@pytest.mark.parametrize("certificate", [{}, {"notAfter": "Bad time value"}])
def test_a_certificate_without_a_valid_expiry_date_is_an_error(certificate: dict[str, str]) -> None:
    """OpenSSL prints `Bad time value` for a date that it cannot read."""
    with pytest.raises(Problem, match=r"^the certificate has no valid expiry date$"):
        days_left(certificate)
