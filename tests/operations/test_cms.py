"""Signatures with one fault. Those of this server's profiles are tested in test_served_check."""

import datetime
from collections.abc import Callable, Sequence

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder

from autoconfig.operations import cms
from autoconfig.operations.report import Problem, Verdict

CONTENT = b"<plist/>"
INVALID = r"^the signature is not valid, so devices reject the profile$"
SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
DATA = bytes.fromhex("06092a864886f70d010701")
SHA256, SHA224 = bytes.fromhex("0609608648016503040201"), bytes.fromhex("0609608648016503040204")
MESSAGE_DIGEST, SIGNING_TIME = bytes.fromhex("2a864886f70d010904"), bytes.fromhex("2a864886f70d010905")


def certificates(*pems: trustme.Blob) -> list[x509.Certificate]:
    return [x509.load_pem_x509_certificate(pem.bytes()) for pem in pems]


def signed(
    signer: trustme.LeafCert,
    others: Sequence[x509.Certificate] = (),
    attributes: PKCS7Options = PKCS7Options.NoCapabilities,
) -> bytes:
    """Return CONTENT, signed. `others` are certificates that the signature contains too."""
    (certificate,) = certificates(signer.cert_chain_pems[0])
    key = load_pem_private_key(signer.private_key_pem.bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    builder = PKCS7SignatureBuilder().set_data(CONTENT).add_signer(certificate, key, hashes.SHA256())
    for one in others:
        builder = builder.add_certificate(one)
    return builder.sign(Encoding.DER, [PKCS7Options.Binary, attributes])


def issue(authority: trustme.CA, days: int = 365) -> trustme.LeafCert:
    end = datetime.datetime.now() + datetime.timedelta(days=days, hours=1)
    return authority.issue_cert(common_name="BT Mail", not_after=end)


@pytest.mark.parametrize("attributes", [PKCS7Options.NoCapabilities, PKCS7Options.NoAttributes])
def test_a_signature_is_valid_with_and_without_signed_attributes(
    authority: trustme.CA, attributes: PKCS7Options
) -> None:
    """Without them, the content itself is signed (RFC 5652, section 5.4)."""
    document = signed(issue(authority), attributes=attributes)
    finding, content = cms.check(document)
    assert (finding.verdict, content) == (Verdict.OK, CONTENT)
    assert finding.text == "signed by BT Mail, certificate valid for 365 more days"
    with pytest.raises(Problem, match=INVALID):
        cms.check(document.replace(CONTENT, b"<PLIST/>"))


def after_content(document: bytes) -> int:
    """Return the position of the tag of the certificates."""
    return document.index(CONTENT) + len(CONTENT)


FAULTS: dict[str, Callable[[bytes], bytes]] = {
    "bytes after it": lambda document: document + b"\x05\x00",
    "a sequence of one": lambda document: document[:4] + b"\x06\x82" + (len(document) - 8).to_bytes(2) + document[8:],
    "an empty sequence": lambda _: b"0\x00",
    "another type of content": lambda document: document.replace(SIGNED_DATA, DATA),
    "no certificates": lambda document: document[: (at := after_content(document))] + b"\xa1" + document[at + 1 :],
    "a hash that Apple does not accept": lambda document: document.replace(SHA256, SHA224),
    "no digest among the attributes": lambda document: document.replace(MESSAGE_DIGEST, SIGNING_TIME),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_malformed_signature_is_an_error(authority: trustme.CA, fault: str) -> None:
    document = signed(issue(authority))
    changed = FAULTS[fault](document)
    assert changed != document
    with pytest.raises(Problem, match=INVALID):
        cms.check(changed)


def der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return bytes([tag, 0x82]) + len(content).to_bytes(2) + content


def test_a_signature_with_a_kind_of_key_that_apples_devices_do_not_use_is_an_error() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "BT Mail")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7, now, now + datetime.timedelta(days=9))
    certificate = builder.sign(key, None).public_bytes(Encoding.DER)
    identity = der(0x30, name.public_bytes(), b"\x02\x01\x07")
    signer = der(0x30, b"\x02\x01\x01", identity, der(0x30, SHA256), b"\x30\x00", der(0x04, key.sign(CONTENT)))
    data = der(0x30, DATA, der(0xA0, der(0x04, CONTENT)))
    parts = der(0x30, b"\x02\x01\x01", b"\x31\x00", data, der(0xA0, certificate), der(0x31, signer))
    with pytest.raises(Problem, match=INVALID):
        cms.check(der(0x30, SIGNED_DATA, der(0xA0, parts)))


def test_a_signing_certificate_that_has_expired_is_an_error(authority: trustme.CA) -> None:
    with pytest.raises(Problem, match=r"^the signing certificate has expired$") as raised:
        cms.check(signed(issue(authority, days=-2)))
    assert raised.value.finding.remedy == "renew it, and reload the server"


def test_a_signature_with_its_own_root_is_not_trusted(authority: trustme.CA) -> None:
    stranger = trustme.CA()
    unrelated_and_root = certificates(authority.cert_pem, stranger.cert_pem)
    with pytest.raises(Problem, match=r"^the signing certificate's root is not trusted: ") as problem:
        cms.check(signed(issue(stranger), unrelated_and_root))
    assert problem.value.finding.remedy == "sign with a certificate that devices trust"


@pytest.mark.parametrize(("length", "trusted"), [(9, True), (10, False)])
def test_a_chain_has_at_most_ten_certificates_with_its_root(authority: trustme.CA, length: int, trusted: bool) -> None:
    """A hostile server could send thousands, and each is compared with each."""
    issuer, others = authority, []
    for _ in range(length - 1):
        issuer = issuer.create_child_ca()
        others += certificates(issuer.cert_pem)
    document = signed(issue(issuer), others)
    if trusted:
        assert cms.check(document)[0].verdict is Verdict.OK
    else:
        with pytest.raises(Problem, match=r"^the signing certificate's chain is incomplete"):
            cms.check(document)
