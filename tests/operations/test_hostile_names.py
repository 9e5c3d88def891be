"""`bt-autoconfig check` with hostile DNS records."""

import pytest

from tests.operations.hosts import CommandResult, Records, check, resolver

DOMAIN = "talk21.com"
SRV = f"_autodiscover._tcp.{DOMAIN}"
IMAP = f"_imaps._tcp.{DOMAIN}"
LONG = ".".join(["a" * 63] * 3 + ["b" * 50])


def checked(records: Records) -> CommandResult:
    with resolver(records) as address:
        done = check("--resolver", address, "--domain", DOMAIN, "--timeout", 10, "--json")
    assert "Traceback" not in done.stderr
    assert "bug in this check" not in done.stdout
    return done


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (r"a\ b.example.", r"points to a\032b.example, which is not a hostname"),
        (r"\027[2J.example.", r"points to \027[2j.example, which is not a hostname"),
        (r"a\.b.example.", r"points to a\.b.example, which is not a hostname"),
        (r"\".example.", r"points to \".example, which is not a hostname"),
        (r"\200\255.example.", r"points to \200\255.example, which is not a hostname"),
        ("a_b.example.", "points to a_b.example, which is not a hostname"),
        ("192.0.2.1.", "points to 192.0.2.1, which is not a hostname"),
        (f"{LONG}.", f"points to {LONG}; {LONG} has no address"),
        (".", "says that the service is not offered"),
    ],
)
def test_an_invalid_host_in_an_srv_record_is_an_error(target: str, text: str) -> None:
    done = checked({(SRV, "SRV"): [f"0 0 443 {target}"], (IMAP, "SRV"): [f"0 0 993 {target}"]})
    found = {line["subject"]: line for line in done.of("DNS")}
    assert (found[SRV]["verdict"], found[SRV]["text"]) == ("error", text)
    assert found[IMAP]["verdict"] == "error"


@pytest.mark.parametrize("target", [r"a\ b.example.", r"\027[2J.example.example.", ".", "example.", r"a\.b.c.example."])
def test_an_invalid_mail_exchanger_is_not_followed(target: str) -> None:
    done = checked({(DOMAIN, "MX"): [f"10 {target}", f"20 {target}"]})
    (line,) = [line for line in done.of("clients") if line["subject"] == f"Thunderbird, {DOMAIN}"]
    assert line["verdict"] == "skipped"


@pytest.mark.parametrize(
    ("name", "type_", "one"),
    [
        (f"autoconfig.{DOMAIN}", "A", "127.0.{}.{}"),
        (SRV, "SRV", "{} {} 443 a.example."),
        (DOMAIN, "MX", "{0}{1} a.example."),
        (f"_ua-auto-config.{DOMAIN}", "TXT", '"v=UAAC1; {} {}"'),
    ],
)
def test_thousands_of_records_are_reported_and_not_followed(name: str, type_: str, one: str) -> None:
    done = checked({(name, type_): [one.format(number // 250, number % 250) for number in range(1500)]})
    if type_ != "MX":  # only clients look it up
        assert f"{name} has 1500 records of type {type_}" in [line["text"] for line in done.of("DNS")]


def test_control_characters_in_a_txt_record_do_not_reach_the_report() -> None:
    done = checked({(f"_ua-auto-config.{DOMAIN}", "TXT"): [r'"v=UAAC1; \027]52;c;AAAA\007\226\128\174"']})
    assert all(character.isprintable() or character == "\n" for character in done.stdout)


@pytest.mark.parametrize(
    "resolver", ["nonsense", "127.0.0.1:99999", "[::1", "https://dns.example/", "1.2.3", "\x1b[2J"]
)
def test_a_resolver_that_is_not_an_ip_address_is_rejected(resolver: str) -> None:
    done = check("--resolver", resolver)
    assert done.status == 3
    assert "Invalid value for '--resolver'" in done.stderr
    assert "\x1b" not in done.stderr
