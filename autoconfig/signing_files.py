"""The files from which profiles are signed."""

from pathlib import Path
from typing import NamedTuple, Self

from autoconfig.files import MAX_PEM, FileError, read_file


class SigningError(Exception):
    """A certificate or key that profiles cannot be signed with; the text is `FILE: what is wrong`."""


class SigningFile(NamedTuple):
    """A file, and its content at the time of reading."""

    path: Path
    content: bytes


class SigningFiles(NamedTuple):
    """PEM files: the signer's certificate, its private key, and its intermediate certificates.

    The file of the certificate may contain the intermediate certificates too, after it.
    """

    certificate: SigningFile
    key: SigningFile
    chain: SigningFile | None

    @classmethod
    def read(cls, certificate: Path, key: Path, chain: Path | None) -> Self:
        """Read the files. Raises SigningError if one cannot be read."""
        return cls(_read(certificate), _read(key), _read(chain) if chain else None)


def _read(path: Path) -> SigningFile:
    try:
        return SigningFile(path, read_file(path, MAX_PEM))
    except FileError as error:
        raise SigningError(str(error)) from error
