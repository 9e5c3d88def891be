"""Signs Apple profiles with CMS (RFC 5652), so that a device shows their sender."""

import asyncio
import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder

from autoconfig.signing_files import SigningError, SigningFile, SigningFiles
from autoconfig.signing_queue import SigningQueue

WARNING_DAYS = 30
"""The server warns about a certificate that expires within this many days."""


class Signer:
    """Signs profiles. Raises SigningError if the files are invalid, or devices would not trust the signature."""

    def __init__(self, files: SigningFiles) -> None:
        self._files = files
        path = files.certificate.path
        certificate, *chain = _certificates(files.certificate)
        if files.chain:
            chain += _certificates(files.chain)
        key = _key(files.key)
        if _public(key.public_key()) != _public(certificate.public_key()):
            raise SigningError(f"{files.key.path}: is not the key of the certificate in {path}")
        _check_chain(path, certificate, files.chain.path if files.chain else path, chain)
        self._path = path
        self._expiry = min(one.not_valid_after_utc for one in (certificate, *chain))
        self._certificate, self._chain, self._key = certificate, chain, key
        self._queue: SigningQueue | None = None

    def __reduce__(self) -> tuple[type[Self], tuple[SigningFiles]]:
        """Pickle only the files, from which another process makes the signer: keys cannot be pickled."""
        return type(self), (self._files,)

    def sign(self, content: bytes) -> bytes:
        """Return the signed content in DER, with the time of signing and the chain."""
        builder = PKCS7SignatureBuilder().set_data(content).add_signer(self._certificate, self._key, hashes.SHA256())
        for one in self._chain:
            builder = builder.add_certificate(one)
        return builder.sign(Encoding.DER, [PKCS7Options.Binary, PKCS7Options.NoCapabilities])

    def sign_in_thread(self, content: bytes) -> "asyncio.Future[bytes]":
        """Sign in a thread, without blocking the running event loop. Raises BusyError if too many signatures wait."""
        loop = asyncio.get_running_loop()
        if self._queue is None or self._queue.loop is not loop:
            self._queue = SigningQueue(loop, self.sign)
        return self._queue.add(content)

    @property
    def days_left(self) -> int:
        """Whole days until the first certificate expires; negative if it has expired."""
        return (self._expiry - _now()).days

    def warnings(self) -> Iterator[str]:
        """Yield warnings for the operator, `FILE: what`."""
        if self.days_left < WARNING_DAYS:
            yield (
                f"{self._path}: the signing certificate, or one of its chain, expires in {self.days_left} days, "
                f"on {self._expiry:%Y-%m-%d}; replace it with a renewed one and send SIGHUP"
            )


_Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def _certificates(file: SigningFile) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(file.content)
    except ValueError as error:
        raise SigningError(f"{file.path}: has no certificate in PEM format") from error


def _key(file: SigningFile) -> _Key:
    try:
        key = load_pem_private_key(file.content, password=None)
    except TypeError as error:
        raise SigningError(f"{file.path}: the key is encrypted; use one without a passphrase") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SigningError(f"{file.path}: has no private key in PEM format") from error
    if not isinstance(key, _Key):
        raise SigningError(f"{file.path}: the key is neither RSA nor EC; Apple devices verify only these")
    return key


def _public(key: object) -> bytes:
    public_bytes: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return public_bytes


def _check_chain(path: Path, certificate: x509.Certificate, chain_path: Path, chain: list[x509.Certificate]) -> None:
    """Check that each certificate is valid today and issued by the next."""
    for place, one in ((path, certificate), *((chain_path, one) for one in chain)):
        name = one.subject.rfc4514_string()
        if one.not_valid_after_utc <= _now():
            raise SigningError(f"{place}: the certificate of {name} expired on {one.not_valid_after_utc:%Y-%m-%d}")
        if one.not_valid_before_utc > _now():
            start = f"{one.not_valid_before_utc:%Y-%m-%d}"
            raise SigningError(f"{place}: the certificate of {name} is not valid before {start}")
    for one, issuer in zip((certificate, *chain), chain, strict=False):
        try:
            one.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature) as error:
            names = f"{issuer.subject.rfc4514_string()} did not issue the certificate of {one.subject.rfc4514_string()}"
            raise SigningError(f"{chain_path}: {names}; list the chain from the signer to the root") from error


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
