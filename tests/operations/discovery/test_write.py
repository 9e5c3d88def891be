"""The file that `init` writes: valid, with the evidence in comments, for any content from remote servers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from autoconfig.definition import Definition
from autoconfig.operations.discovery.discover import Found, Service, Text
from autoconfig.operations.discovery.settle import Server
from autoconfig.operations.discovery.verify import Verified, VerifiedService
from autoconfig.operations.discovery.write import Answers, write
from autoconfig.operations.mx import exchanger


def server(
    type_: str, host: str = "mail.example.org", evidence: str = "seen", username: str = "", guessed: bool = False
) -> Server:
    port = {"imap": 993, "pop3": 995, "smtp": 465}[type_]
    verified = Verified(type_, host, port, "SSL", ("password-cleartext",), evidence)
    return Server(verified, ("password-cleartext",), username, (evidence,), guessed)


def found(evidence: str = "seen", host: str = "mail.example.org", domain: str = "example.org", mx: str = "") -> Found:
    """Return the discovered settings of a small provider."""
    made = Found(domain, "2026-11-26", [server("imap", host, evidence), server("smtp", host, evidence)])
    made.exchanger = exchanger(mx) if mx else None
    return made


def written(what: Found, answers: Answers = Answers()) -> tuple[str, Definition]:  # noqa: B008 - it cannot change
    content, definition = write(what, answers, "example.xml")
    return content.decode(), definition


def comments(text: str) -> str:
    root = etree.fromstring(text.encode()).getroottree()
    return "\n".join(str(one.text) for one in root.xpath("//comment()"))


def test_a_definition_without_errors_or_warnings_is_written() -> None:
    text, definition = written(found())
    assert definition.warnings == ()
    assert (definition.id, definition.domains, definition.display_name) == (
        "example.org",
        ("example.org",),
        "example.org",
    )
    assert [(one.type, one.hostname, one.port, one.socket_type) for one in definition.servers] == [
        ("imap", "mail.example.org", 993, "SSL"),
        ("smtp", "mail.example.org", 465, "SSL"),
    ]
    assert text.endswith("</clientConfig>\n")
    assert "2026-11-26" in comments(text)
    assert "No source has the provider's name" in comments(text)


def test_the_evidence_for_a_setting_is_a_comment_above_it() -> None:
    what = Found("example.org", "2026-11-26", [server("imap", username="%EMAILADDRESS%")])
    what.servers.append(server("smtp", evidence="seen -- twice", username="%EMAILADDRESS%"))
    what.display_name = Text("Example Mail", "It was published.")
    calendar = VerifiedService("caldav", "https://example.org/cal", ("Basic",), "")
    what.services = [Service(calendar, "%EMAILLOCALPART%", ("The calendar was published.",))]
    what.issuer = Text("https://example.org/login", "The issuer has metadata.")
    what.webmail = Text("https://example.org/webmail", "The page exists.")
    assert (
        written(what)[0].partition("-->\n")[2]
        == """\
<clientConfig version="1.2">
  <emailProvider id="example.org">
    <domain>example.org</domain>
    <!--
      It was published.
    -->
    <displayName>Example Mail</displayName>
    <!--
      seen
    -->
    <incomingServer type="imap">
      <hostname>mail.example.org</hostname>
      <port>993</port>
      <socketType>SSL</socketType>
      <authentication>password-cleartext</authentication>
      <username>%EMAILADDRESS%</username>
    </incomingServer>
    <!--
      seen - - twice
    -->
    <outgoingServer type="smtp">
      <hostname>mail.example.org</hostname>
      <port>465</port>
      <socketType>SSL</socketType>
      <authentication>password-cleartext</authentication>
      <username>%EMAILADDRESS%</username>
    </outgoingServer>
  </emailProvider>
  <!--
    The calendar was published.
  -->
  <calendar type="caldav">
    <url>https://example.org/cal</url>
    <authentication system="http">Basic</authentication>
    <username>%EMAILLOCALPART%</username>
  </calendar>
  <!--
    The issuer has metadata.
  -->
  <oAuth2>
    <issuer>https://example.org/login</issuer>
  </oAuth2>
  <!--
    The page exists.
  -->
  <webMail>
    <loginPage url="https://example.org/webmail"/>
  </webMail>
</clientConfig>
"""
    )


HOSTILE = "-- -->--<script>alert(1)</script>]]>&amp;\x1b]52;c;AAAA\x07\u202e\u200b\x00\ud800\ufffe\r\n---"


@pytest.mark.parametrize("where", ["evidence", "remarks"])
def test_evidence_cannot_end_a_comment_or_control_a_terminal(where: str) -> None:
    what = found(HOSTILE if where == "evidence" else "seen")
    if where == "remarks":
        what.remarks = [HOSTILE]
    text, _ = written(what)
    assert r"\x1b]52;c;AAAA\x07\u202e\u200b\x00\ud800\ufffe" in comments(text)
    assert etree.fromstring(text.encode()).find(".//script") is None
    assert all(character.isprintable() or character == "\n" for character in text)


@given(st.text(max_size=200).map(lambda text: text + "-") | st.text("-<>!&; \n", max_size=80))
def test_the_file_is_well_formed_for_any_evidence(text: str) -> None:
    what = found(text)
    what.remarks = [text]
    what.display_name = Text("Example", text)
    assert len(written(what)[1].servers) == 2


def test_a_username_is_published_or_chosen_or_a_marked_assumption() -> None:
    what = found()
    what.servers = [server("imap", username="%EMAILLOCALPART%"), server("smtp")]
    text, definition = written(what)
    assert [one.username for one in definition.servers] == ["%EMAILLOCALPART%", "%EMAILADDRESS%"]
    assert comments(text).count("AN ASSUMPTION: the username is the whole address") == 1
    text, definition = written(what, Answers("localpart"))
    assert [one.username for one in definition.servers] == ["%EMAILLOCALPART%"] * 2
    assert "ASSUMPTION" not in comments(text)
    assert [line.strip() for line in comments(text).splitlines()].count("The username is what you chose.") == 2


def test_a_guess_is_marked() -> None:
    what = found()
    what.servers[0] = server("imap", guessed=True)
    assert comments(written(what)[0]).count("A GUESS from the hostname") == 1


def test_services_and_texts_are_written_to_their_elements() -> None:
    what = found()
    what.services = [
        Service(
            VerifiedService(type_, f"https://example.org/{type_}?a=<&", ("Basic", "OAuth2"), "seen"),
            "",
            (f"{type_} was published.",),
        )
        for type_ in ("caldav", "carddav", "jmap", "ews", "activeSync")
    ]
    what.short_name = Text("Short & <sweet>", "seen")
    what.help_page = Text("https://example.org/help", "seen")
    what.webmail = Text("https://example.org/webmail", "seen")
    what.issuer = Text("https://example.org/login", "seen")
    what.domains = [Text("example.net", "seen")]
    what.mx_domains = [Text("example.org", "seen")]
    text, definition = written(what)
    assert definition.warnings == ()
    assert [one.type for one in definition.services] == ["jmap", "ews", "activeSync", "caldav", "carddav"]
    assert all(one.authentication == ("Basic", "OAuth2") for one in definition.services)
    assert all(f"{one.type} was published." in comments(text) for one in definition.services)
    assert (definition.short_name, definition.documentation) == ("Short & <sweet>", "https://example.org/help")
    assert definition.issuer == "https://example.org/login"
    assert "example.net" in definition.domains
    assert definition.mx_domains == ("example.org",)
    assert 'loginPage url="https://example.org/webmail"' in text


@pytest.mark.parametrize(
    ("method", "attribute"), [("Basic", ' system="http"'), ("Digest", ' system="http"'), ("OAuth2", "")]
)
def test_passwords_of_services_are_marked_as_http_authentication(method: str, attribute: str) -> None:
    """As in the current draft (draft-ietf-mailmaint-autoconfig-06, section 3.6.2)."""
    what = found()
    what.services = [Service(VerifiedService("caldav", "https://example.org/", (method,), "seen"), "", ())]
    assert f"<authentication{attribute}>{method}</authentication>" in written(what)[0]


@pytest.mark.parametrize(("number", "more"), [(40, None), (41, "and 1 more"), (99, "and 59 more")])
def test_the_number_of_remarks_is_limited(number: int, more: str | None) -> None:
    what = found()
    what.remarks = [f"remark {one}." for one in range(number)]
    text = comments(written(what)[0])
    assert "remark 39." in text
    assert "remark 40." not in text
    assert (" more\n" in text) == (more is not None)
    assert (more or "") in text


HOSTED = {"host": "imap.hosting.example", "domain": "customer.example", "mx": "mx1.hosting.example"}


def test_a_hosted_domains_definition_is_for_that_domain_only() -> None:
    text, definition = written(found(**HOSTED))
    assert (definition.id, definition.domains, definition.mx_domains) == ("customer.example", ("customer.example",), ())
    assert "hosting.example hosts this domain: the MX is mx1.hosting.example" in comments(text)


def test_a_providers_definition_names_no_customer() -> None:
    text, definition = written(found(**HOSTED), Answers(provider=True))
    assert (definition.id, definition.mx_domains) == ("hosting.example", ("hosting.example",))
    assert "customer.example" not in text
    evidence = "The MX and the mail servers of a customer's domain are in this domain."
    assert [line for line in comments(text).splitlines() if line.strip() == evidence]


def test_a_provider_may_run_init_for_its_own_domain() -> None:
    what = found(host="imap.hosting.example", domain="hosting.example", mx="mx.hosting.example")
    what.domains = [Text("customer.example", "seen")]
    text, definition = written(what, Answers(provider=True))
    assert (definition.id, definition.mx_domains) == ("hosting.example", ("hosting.example",))
    assert "customer.example" not in text
    assert "You say that it hosts customer domains; the MX of hosting.example is in this domain." in comments(text)


@pytest.mark.parametrize("mx", ["mx.spam-filter.example", ""])
def test_with_an_mx_outside_the_mail_servers_domain_the_definition_is_not_the_providers(mx: str) -> None:
    text, definition = written(found(mx=mx), Answers(provider=True))
    assert (definition.id, definition.mx_domains) == ("example.org", ())
    explanation = [line.strip() for line in comments(text).splitlines()]
    wrong = "You say that it hosts customer domains, but the MX is not in the domain of the mail servers."
    effect = 'So there is no purpose="mx": customers\' clients would not find this definition by the MX.'
    assert {wrong, effect} <= set(explanation)
