"""The hostnames in untrusted certificates."""

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from autoconfig.operations.discovery.verify import hosts_of


def certificate(*names: str) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    name = x509.Name([])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(1))
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), critical=True
        )
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("content", "hosts"),
    [
        (
            certificate("*.a.example", "B.example", "localhost", "192.0.2.1", "_x.example", "\x1b[2J.example"),
            ["b.example"],
        ),
        (certificate(), []),
        (b"no certificate", []),
        (b"", []),
    ],
)
def test_only_hostnames_are_read_from_a_certificate(content: bytes, hosts: list[str]) -> None:
    assert hosts_of(content) == hosts
