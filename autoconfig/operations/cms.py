"""Signatures of profiles: the subset of CMS SignedData (RFC 5652) that Apple's devices and this server use."""

import datetime
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import Hash

from autoconfig.operations import tls
from autoconfig.operations.report import Finding, Problem

_SEQUENCE, _SET, _OCTETS = 0x30, 0x31, 0x04
_TAGGED = 0xA0
_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
_MESSAGE_DIGEST = bytes.fromhex("2a864886f70d010904")
_HASHES = {
    bytes.fromhex("608648016503040201"): hashes.SHA256(),
    bytes.fromhex("608648016503040202"): hashes.SHA384(),
    bytes.fromhex("608648016503040203"): hashes.SHA512(),
}
_LONGEST_CHAIN = 10
_REMEDY = "sign with --sign-cert, --sign-key and --sign-chain; let no proxy change the response"


class _Element(NamedTuple):
    """A value in DER: its tag, its content, and all of its bytes."""

    tag: int
    content: bytes
    whole: bytes


class _MalformedError(Exception):
    """Bytes that are not valid CMS, or use something unsupported."""


def is_signed(document: bytes) -> bool:
    """Return whether a document is signed: XML does not start like DER."""
    return document[:1] == bytes([_SEQUENCE])


def check(document: bytes) -> tuple[Finding, bytes]:
    """Check the signature of a document. Return the finding and the document without it. Raises Problem.

    Devices show a profile as verified if its signature is valid and the signer's chain leads to a root that they trust.
    Here, the roots are those that TLS trusts.
    """
    try:
        content, signer, others = _verified(document)
    except (_MalformedError, ValueError, LookupError, InvalidSignature, UnsupportedAlgorithm) as error:
        raise Problem("the signature is not valid, so devices reject the profile", _REMEDY) from error
    chain = _chain(signer, others)
    days = min((one.not_valid_after_utc - datetime.datetime.now(datetime.UTC)).days for one in chain)
    if days < 0:
        raise Problem("the signing certificate has expired", "renew it, and reload the server")
    return tls.expiry_finding(days, f"signed by {_name(signer)}, certificate valid for {days} more days"), content


def _verified(document: bytes) -> tuple[bytes, x509.Certificate, list[x509.Certificate]]:
    """Return the content, the signer's certificate and the other certificates. Raises if the signature is not valid."""
    identifier, wrapped = _elements(_only(_elements(document), _SEQUENCE).content)
    if identifier.content != _SIGNED_DATA:
        raise _MalformedError
    parts = _elements(_only(_elements(wrapped.content), _SEQUENCE).content)
    if len(parts) < 5 or parts[3].tag != _TAGGED or parts[-1].tag != _SET:
        raise _MalformedError
    _, encapsulated = _elements(parts[2].content)
    content = _only(_elements(encapsulated.content), _OCTETS).content
    certificates = [x509.load_der_x509_certificate(one.whole) for one in _elements(parts[3].content)]
    signers = _elements(parts[-1].content)
    fields = _elements(_only(signers, _SEQUENCE).content)
    issuer, serial = _elements(fields[1].content)
    signer = next(
        (
            one
            for one in certificates
            if one.issuer.public_bytes() == issuer.whole and one.serial_number == int.from_bytes(serial.content)
        ),
        None,
    )
    algorithm = _HASHES.get(_elements(fields[2].content)[0].content)
    if signer is None or algorithm is None:
        raise _MalformedError
    signed = content
    if fields[3].tag == _TAGGED:
        digest = Hash(algorithm)
        digest.update(content)
        if _attribute(fields[3], _MESSAGE_DIGEST) != digest.finalize():
            raise _MalformedError
        signed = bytes([_SET]) + fields[3].whole[1:]  # section 5.4: the attributes are signed as a SET
    signature = [one.content for one in fields if one.tag == _OCTETS][-1]
    key = signer.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, signed, padding.PKCS1v15(), algorithm)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, signed, ec.ECDSA(algorithm))
    else:
        raise _MalformedError
    return content, signer, [one for one in certificates if one is not signer]


def _attribute(attributes: _Element, identifier: bytes) -> bytes:
    for one in _elements(attributes.content):
        name, values = _elements(one.content)
        if name.content == identifier:
            return _only(_elements(values.content), _OCTETS).content
    raise _MalformedError


def _chain(signer: x509.Certificate, others: list[x509.Certificate]) -> list[x509.Certificate]:
    """Return the certificates from the signer's to one that a trusted root issued. Raises Problem."""
    roots = _trusted_roots()
    chain = [signer]
    while len(chain) < _LONGEST_CHAIN:
        if any(_issued(root, chain[-1]) for root in roots.get(chain[-1].issuer.public_bytes(), ())):
            return chain
        issuer = next((one for one in others if one not in chain and _issued(one, chain[-1])), None)
        if issuer is None:
            break
        chain.append(issuer)
    missing = chain[-1].issuer.rfc4514_string()
    if chain[-1].issuer == chain[-1].subject:
        raise Problem(
            f"the signing certificate's root is not trusted: {missing}", "sign with a certificate that devices trust"
        )
    raise Problem(
        f"the signing certificate's chain is incomplete: the certificate of {missing} is missing or not trusted",
        "add the intermediate certificates with --sign-chain",
    )


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _trusted_roots() -> dict[bytes, list[x509.Certificate]]:
    """Return the roots that TLS trusts, by their subject."""
    found: dict[bytes, list[x509.Certificate]] = {}
    for encoded in tls.context().get_ca_certs(binary_form=True):
        root = x509.load_der_x509_certificate(encoded)
        found.setdefault(root.subject.public_bytes(), []).append(root)
    return found


def _name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(names[0].value) if names else certificate.subject.rfc4514_string()


def _elements(encoded: bytes) -> list[_Element]:
    """Return the DER values in some bytes."""
    found: list[_Element] = []
    position = 0
    while position < len(encoded):
        start, tag = position, encoded[position]
        length = encoded[position + 1] if position + 1 < len(encoded) else 0x80
        position += 2
        if length >= 0x80:
            size = length - 0x80
            if not 1 <= size <= 4:  # indefinite lengths are not DER
                raise _MalformedError
            length = int.from_bytes(encoded[position : position + size])
            position += size
        if position + length > len(encoded):
            raise _MalformedError
        found.append(_Element(tag, encoded[position : position + length], encoded[start : position + length]))
        position += length
    return found


def _only(elements: list[_Element], tag: int) -> _Element:
    if len(elements) != 1 or elements[0].tag != tag:
        raise _MalformedError
    return elements[0]
