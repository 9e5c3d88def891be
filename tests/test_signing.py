import asyncio
import plistlib
import re
import signal
import subprocess
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from autoconfig import signing_queue
from autoconfig.definition import EMBEDDED
from autoconfig.front import Endpoint, Front
from autoconfig.protocols.mobileconfig import Mobileconfig
from autoconfig.requests import Request
from autoconfig.signing import Signer
from autoconfig.signing_files import SigningFiles
from autoconfig.signing_queue import MAX_PENDING, SigningQueue
from tests.signatories import Signatory, SigningAuthority
from tests.support import ONE_AND_TWO_WORKERS, Served, client_for, eventually, get, load, run, run_for_bytes, serving

if TYPE_CHECKING:
    from autoconfig.responses import Response

PATH = "/email.mobileconfig?emailaddress=fred@btinternet.com"


def verify(profile: bytes, root: Path, folder: Path) -> subprocess.CompletedProcess[bytes]:
    """Verify a signed profile with OpenSSL, as a device does. OpenSSL prints the signed content."""
    signed = folder / "signed.mobileconfig"
    signed.write_bytes(profile)
    command: list[str | Path] = [
        "openssl",
        "cms",
        "-verify",
        "-binary",
        "-inform",
        "DER",
        "-in",
        signed,
        "-CAfile",
        root,
        "-purpose",
        "any",
    ]
    return subprocess.run(command, capture_output=True, check=False)


@pytest.mark.parametrize("kind", ["rsa", "ec"])
def test_openssl_accepts_a_signed_profile(signing_authority: SigningAuthority, tmp_path: Path, kind: str) -> None:
    with client_for(EMBEDDED, *signing_authority.signatory(kind=kind).options()) as http:
        response = http.get(PATH)
    verified = verify(response.content, signing_authority.root, tmp_path)
    assert verified.returncode == 0, verified.stderr
    assert plistlib.loads(verified.stdout)["PayloadContent"][0]["EmailAddress"] == "fred@btinternet.com"
    assert response.headers["content-type"] == "application/x-apple-aspen-config"


def test_every_profile_is_signed(signing: tuple[str, ...], signing_authority: SigningAuthority, tmp_path: Path) -> None:
    with client_for(EMBEDDED, *signing) as http:
        responses = [http.get("/email.mobileconfig"), http.get("/email.mobileconfig?protocol=pop3"),
                   http.post("/email.mobileconfig", data={"emailaddress": "a@talk21.com"})]  # fmt: skip
    assert [verify(response.content, signing_authority.root, tmp_path).returncode for response in responses] == [
        0,
        0,
        0,
    ]


@pytest.mark.parametrize("place", [0.3, 0.9])
def test_openssl_rejects_a_profile_with_a_changed_byte(
    signing_authority: SigningAuthority, tmp_path: Path, place: float
) -> None:
    signer = signing_authority.signatory().signer()
    signed = bytearray(signer.sign(b"profile " * 500))
    signed[int(len(signed) * place)] ^= 1
    assert verify(bytes(signed), signing_authority.root, tmp_path).returncode != 0


def test_openssl_rejects_a_profile_signed_under_another_authority(
    signing_authority: SigningAuthority, tmp_path: Path
) -> None:
    stranger = SigningAuthority(tmp_path)
    assert verify(stranger.signatory().signer().sign(b"profile"), signing_authority.root, tmp_path).returncode != 0


def test_a_signature_contains_the_time_and_the_chain(signing_authority: SigningAuthority, tmp_path: Path) -> None:
    signed = tmp_path / "signed"
    signed.write_bytes(signing_authority.signatory().signer().sign(b"profile"))
    command: list[str | Path] = ["openssl", "cms", "-cmsout", "-print", "-inform", "DER", "-in", signed]
    printed = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    assert "object: signingTime" in printed
    assert printed.count("d.certificate:") == 2  # the signer's and the intermediate's


def test_the_certificate_file_may_contain_the_chain(signing_authority: SigningAuthority, tmp_path: Path) -> None:
    one = signing_authority.signatory()
    together = tmp_path / "fullchain.pem"
    together.write_bytes(one.certificate.read_bytes() + one.chain.read_bytes())
    signer = Signer(SigningFiles.read(together, one.key, None))
    assert verify(signer.sign(b"profile"), signing_authority.root, tmp_path).returncode == 0


def fresh(served: Served) -> bytes:
    """Request a profile over a new connection, which may reach another worker."""
    return get(served.url + PATH).content


def refusal(*options: str | Path) -> str:
    """Return the error of a server that does not start, without the parts of names that trustme adds."""
    done = run("serve", *options)
    assert done.returncode
    return re.sub(r",OU=[^,]*,O=trustme v[0-9.]+", "", done.stderr)


def pem(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey, password: bytes = b"") -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


FAULTS: dict[str, tuple[Callable[[Signatory, SigningAuthority], object], str]] = {
    "no certificate file": (lambda one, _: one.certificate.unlink(), "{0.certificate}: cannot be read: No such file or directory"),
    "no key file": (lambda one, _: one.key.unlink(), "{0.key}: cannot be read: No such file or directory"),
    "no chain file": (lambda one, _: one.chain.unlink(), "{0.chain}: cannot be read: No such file or directory"),
    "a certificate file without a certificate": (lambda one, _: one.certificate.write_text("x"), "{0.certificate}: has no certificate in PEM format"),
    "a key file without a key": (lambda one, _: one.key.write_text("x"), "{0.key}: has no private key in PEM format"),
    "another key": (
        lambda one, ca: one.key.write_bytes(ca.signatory().key.read_bytes()),
        "{0.key}: is not the key of the certificate in {0.certificate}",
    ),
    "a key with a passphrase": (
        lambda one, _: one.key.write_bytes(pem(rsa.generate_private_key(65537, 2048), b"secret")),
        "{0.key}: the key is encrypted; use one without a passphrase",
    ),
    "a key that devices cannot verify": (
        lambda one, _: one.key.write_bytes(pem(ed25519.Ed25519PrivateKey.generate())),
        "{0.key}: the key is neither RSA nor EC; Apple devices verify only these",
    ),
    "the wrong chain": (
        lambda one, _: one.chain.write_bytes(one.certificate.read_bytes()),
        "{0.chain}: CN=BT Mail did not issue the certificate of CN=BT Mail; list the chain from the signer to the root",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_an_unusable_certificate_or_key_stops_the_start_with_the_reason(
    signing_authority: SigningAuthority, fault: str
) -> None:
    one = signing_authority.signatory()
    break_, reason = FAULTS[fault]
    break_(one, signing_authority)
    assert refusal(*one.options()) == reason.format(one) + "\n"


def test_an_expired_certificate_stops_the_start(signing_authority: SigningAuthority) -> None:
    one = signing_authority.signatory(days=-1)
    assert refusal(*one.options()).startswith(f"{one.certificate}: the certificate of CN=BT Mail expired on 20")


def test_a_certificate_that_is_not_yet_valid_stops_the_start(signing_authority: SigningAuthority) -> None:
    one = signing_authority.signatory(begins=2)
    assert refusal(*one.options()).startswith(
        f"{one.certificate}: the certificate of CN=BT Mail is not valid before 20"
    )


@pytest.mark.parametrize("options", [("--sign-cert", "x"), ("--sign-key", "x"), ("--sign-chain", "x")])
def test_incomplete_signing_options_are_rejected(options: tuple[str, str]) -> None:
    assert "--sign-cert needs --sign-key and vice versa; --sign-chain needs both" in refusal(*options)


@pytest.mark.parametrize(("days", "warns"), [(10, True), (60, False)])
def test_a_certificate_that_expires_soon_gets_a_warning_at_start_up(
    signing_authority: SigningAuthority, days: int, warns: bool
) -> None:
    one = signing_authority.signatory(days=days)
    with serving(*one.options()) as served:
        assert (f"warning: {one.certificate}: the signing certificate" in served.printed()) is warns
        assert served.http.get(PATH).status_code == 200


@ONE_AND_TWO_WORKERS
def test_sighup_applies_a_renewed_certificate(
    signing_authority: SigningAuthority, tmp_path: Path, workers: str
) -> None:
    one, renewed = signing_authority.signatory(), signing_authority.signatory(name="Renewed")
    with serving(*one.options(), "--workers", workers) as served:
        assert b"Renewed" not in served.http.get(PATH).content
        for old, new in ((one.certificate, renewed.certificate), (one.key, renewed.key)):
            old.write_bytes(new.read_bytes())
        served.process.send_signal(signal.SIGHUP)
        assert eventually(served, "Renewed", lambda one: fresh(one).decode("latin-1"))
        assert verify(fresh(served), signing_authority.root, tmp_path).returncode == 0


def test_after_a_broken_renewal_the_old_certificate_stays_in_use(
    signing_authority: SigningAuthority, tmp_path: Path
) -> None:
    one = signing_authority.signatory()
    with serving(*one.options()) as served:
        one.certificate.write_text("x")
        served.process.send_signal(signal.SIGHUP)
        error = f"ERROR: not reloaded, the previous configuration stays in use: {one.certificate}: has no certificate in PEM format"
        assert eventually(served, error, Served.printed)
        assert verify(fresh(served), signing_authority.root, tmp_path).returncode == 0


def test_render_signs_profiles(
    signing: tuple[str, ...], signing_authority: SigningAuthority, tmp_path: Path, server: Served
) -> None:
    done = run_for_bytes("render", "mobileconfig", *signing)
    verified = verify(done.stdout, signing_authority.root, tmp_path)
    assert (verified.returncode, verified.stdout) == (0, server.http.get("/email.mobileconfig").content)


def test_a_profile_without_an_address_is_signed_once(signing_authority: SigningAuthority) -> None:
    # Two signatures of an EC key always differ.
    with client_for(EMBEDDED, *signing_authority.signatory(kind="ec").options()) as http:
        first, second = (http.get("/email.mobileconfig") for _ in range(2))
        assert first.content == second.content
        again = http.get("/email.mobileconfig", headers={"If-None-Match": first.headers["etag"]})
        assert again.status_code == 304
        personal = [http.get("/email.mobileconfig?emailaddress=a@talk21.com").content for _ in range(2)]
        assert personal[0] != personal[1]


class SlowSigner(Signer):
    """Signs after `go` has been set."""

    def __init__(self, files: SigningFiles) -> None:
        super().__init__(files)
        self.go = threading.Event()

    def sign(self, content: bytes) -> bytes:
        self.go.wait(20)
        return super().sign(content)


def slow_signer(authority: SigningAuthority) -> SlowSigner:
    one = authority.signatory()
    return SlowSigner(SigningFiles.read(one.certificate, one.key, one.chain))


def test_signing_does_not_block_the_event_loop(signing_authority: SigningAuthority) -> None:
    async def run() -> bytes:
        signer = slow_signer(signing_authority)
        signing = signer.sign_in_thread(b"x")
        await asyncio.sleep(0)
        signer.go.set()  # never reached if the event loop waits for the signature
        return await signing

    assert b"x" in asyncio.run(run())


def test_too_many_pending_signatures_are_refused(signing_authority: SigningAuthority) -> None:
    signer = slow_signer(signing_authority)
    profiles = Mobileconfig(load(EMBEDDED), signer)
    front = Front([Endpoint("mobileconfig", "/", profiles.respond)])
    request = Request("GET", "https", b"emailaddress=a@talk21.com", b"", b"", b"", 0)

    async def run() -> list[int]:
        pending = [
            asyncio.ensure_future(cast("Awaitable[Response]", front.respond(request))) for _ in range(MAX_PENDING)
        ]
        await asyncio.sleep(0)
        refused = await cast("Awaitable[Response]", front.respond(request))
        signer.go.set()
        assert dict(refused.kind.headers)[b"retry-after"] == b"1"
        return [refused.status, *{(await one).status for one in pending}]

    assert asyncio.run(run()) == [503, 200]


class BrokenSigner(Signer):
    """Fails for one content."""

    def sign(self, content: bytes) -> bytes:
        if content == b"broken":
            raise ValueError("cannot be signed")
        return super().sign(content)


def test_a_signature_that_fails_affects_no_other(signing_authority: SigningAuthority) -> None:
    one = signing_authority.signatory()
    signer = BrokenSigner(SigningFiles.read(one.certificate, one.key, one.chain))

    async def run() -> list[bytes | BaseException]:
        pending = [signer.sign_in_thread(content) for content in (b"first", b"broken", b"last")]
        return await asyncio.gather(*pending, return_exceptions=True)

    first, broken, last = asyncio.run(run())
    assert isinstance(first, bytes)
    assert b"first" in first
    assert isinstance(broken, ValueError)
    assert isinstance(last, bytes)
    assert b"last" in last


def test_the_signature_for_a_client_that_has_disconnected_is_not_made(signing_authority: SigningAuthority) -> None:
    signer = slow_signer(signing_authority)

    async def run() -> bytes:
        first, second, third = (signer.sign_in_thread(content) for content in (b"first", b"second", b"third"))
        second.cancel()
        signer.go.set()
        await first
        return await third

    assert b"third" in asyncio.run(run())


def test_many_signatures_are_delivered_before_the_last_is_made(signing_authority: SigningAuthority) -> None:
    one = signing_authority.signatory(kind="rsa")
    signer = Signer(SigningFiles.read(one.certificate, one.key, one.chain))

    async def run() -> list[int]:
        pending = [signer.sign_in_thread(b"%d" % number) for number in range(MAX_PENDING)]
        await pending[0]
        return [number for number, future in enumerate(pending) if not future.done()]

    assert MAX_PENDING - 1 in asyncio.run(run())


def test_a_signature_requested_between_the_last_one_and_its_delivery_is_made() -> None:
    async def run() -> list[bytes]:
        queue = SigningQueue(asyncio.get_running_loop(), bytes.upper)
        first = queue.add(b"first")
        signing_queue._thread.submit(int).result()  # the thread has signed, and the event loop has not delivered
        second = queue.add(b"second")
        async with asyncio.timeout(20):
            return [await first, await second]

    assert asyncio.run(run()) == [b"FIRST", b"SECOND"]
