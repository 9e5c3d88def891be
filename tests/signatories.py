"""Signing certificates for tests, with the authority and the intermediate that issue them."""

import datetime
from dataclasses import dataclass
from pathlib import Path

import trustme

from autoconfig.signing import Signer
from autoconfig.signing_files import SigningFiles


@dataclass(frozen=True)
class Signatory:
    """The PEM files of a signing certificate."""

    certificate: Path
    key: Path
    chain: Path

    def options(self) -> tuple[str, ...]:
        named = {"--sign-cert": self.certificate, "--sign-key": self.key, "--sign-chain": self.chain}
        return tuple(str(word) for pair in named.items() for word in pair)

    def signer(self) -> Signer:
        return Signer(SigningFiles.read(self.certificate, self.key, self.chain))


class SigningAuthority:
    """An authority whose `root` is a PEM file. Its intermediate issues the signing certificates."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        root = trustme.CA()
        self._intermediate = root.create_child_ca()
        self.root = folder / "root.pem"
        root.cert_pem.write_to_path(self.root)
        self._issued = 0

    def signatory(self, *, name: str = "BT Mail", kind: str = "ecdsa", begins: int = -5, days: int = 365) -> Signatory:
        """Issue a signing certificate, valid from `begins` to `days` days after today."""
        self._issued += 1
        now = datetime.datetime.now()
        issued = self._intermediate.issue_cert(
            common_name=name,
            key_type=trustme.KeyType.RSA if kind == "rsa" else trustme.KeyType.ECDSA,
            not_before=now + datetime.timedelta(days=begins),
            not_after=now + datetime.timedelta(days=days, hours=1),
        )
        path = self._folder / str(self._issued)
        signatory = Signatory(path.with_suffix(".pem"), path.with_suffix(".key"), path.with_suffix(".chain"))
        issued.cert_chain_pems[0].write_to_path(signatory.certificate)
        issued.private_key_pem.write_to_path(signatory.key)
        self._intermediate.cert_pem.write_to_path(signatory.chain)
        return signatory
