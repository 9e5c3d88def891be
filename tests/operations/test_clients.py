"""The readers of the clients' documents, which follow the clients' source code."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoconfig.address import MailAddress
from autoconfig.definition import EMBEDDED
from autoconfig.operations.clients import CLIENTS, Client, read
from autoconfig.operations.readers import Account, Endpoint, read_srv
from autoconfig.protocols.autoconfig import Autoconfig
from autoconfig.protocols.autodiscover import Autodiscover
from autoconfig.protocols.pacc import Pacc
from tests.support import load

FRED = MailAddress("fred", "btinternet.com")
BY_NAME = {client.name: client for client in CLIENTS}
BT = Account(
    Endpoint("imap", "mail.btinternet.com", 993, "SSL", "fred@btinternet.com"),
    Endpoint("smtp", "mail.btinternet.com", 465, "SSL", "fred@btinternet.com"),
)


READS = {
    "Thunderbird": ["autoconfig", "Autodiscover"],
    "Thunderbird for Android": ["autoconfig"],
    "Outlook, classic": ["Autodiscover"],
    "Delta Chat": ["autoconfig", "Autodiscover"],
    "Evolution": ["autoconfig"],
    "KMail": ["autoconfig"],
    "aerc": ["autoconfig"],
    "Claws Mail": [],
    "PACC clients": ["PACC"],
}


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_every_client_reads_the_same_account_from_every_document_that_it_supports(client: Client) -> None:
    definitions = load(EMBEDDED)
    documents = {
        "autoconfig": Autoconfig(definitions).render(FRED),
        "Autodiscover": Autodiscover(definitions).render(FRED),
        "PACC": Pacc(definitions).render(),
    }
    accounts = {name: account for name, document in documents.items() if (account := read(client, document, FRED))}
    assert accounts == dict.fromkeys(READS[client.name], BT)


@pytest.mark.parametrize(
    ("client", "used"),
    [
        ("Thunderbird", True),
        ("Thunderbird for Android", False),
        ("Delta Chat", False),
        ("Evolution", True),
        ("KMail", True),
        ("aerc", False),
    ],
)
def test_only_some_clients_use_an_autoconfig_file_with_only_a_pop3_server(client: str, used: bool) -> None:
    document = servers("a.example", "995").replace(b'"imap"', b'"pop3"')
    assert (read(BY_NAME[client], document, FRED) is not None) is used


def android_file(**changes: str) -> bytes:
    """Return an autoconfig file with an IMAP and an SMTP server. `changes` are texts of SMTP's elements; empty removes one."""
    values = {
        "hostname": "s.example",
        "port": "465",
        "socketType": "SSL",
        "username": "%EMAILADDRESS%",
        "authentication": "password-cleartext",
        **changes,
    }
    smtp = "".join(f"<{name}>{text}</{name}>" for name, text in values.items() if text)
    imap = "<hostname>i.example</hostname><port>993</port><socketType>SSL</socketType><username>u</username>"
    imap += "<authentication>OAuth2</authentication>"
    servers = f'<incomingServer type="imap">{imap}</incomingServer><outgoingServer type="smtp">{smtp}</outgoingServer>'
    pop3 = '<incomingServer type="pop3"><socketType>plain</socketType></incomingServer>'
    provider = f'<emailProvider id="a.example"><domain>%EMAILDOMAIN%</domain>{pop3}{servers}</emailProvider>'
    return f"<clientConfig>{provider}</clientConfig>".encode()


def android(document: bytes) -> Account | None:
    return read(BY_NAME["Thunderbird for Android"], document, FRED)


@pytest.mark.parametrize(
    "changes",
    [
        {"username": ""},
        {"authentication": "none"},
        {"authentication": "GSSAPI"},
        {"authentication": "client-IP-address"},
        {"authentication": ""},
        {"socketType": "plain"},
        {"hostname": ""},
        {"port": "99999"},
    ],
)
def test_android_rejects_a_file_with_an_smtp_server_that_it_cannot_use(changes: dict[str, str]) -> None:
    """RealAutoconfigParser throws. It ignores POP3 sections."""
    assert android(android_file(**changes)) is None
    assert android(android_file()) is not None


@pytest.mark.parametrize("method", ["password-cleartext", "password-encrypted", "OAuth2"])
def test_android_accepts_an_smtp_server_with_a_login_method_that_it_knows(method: str) -> None:
    assert android(android_file(authentication=method))


def test_android_fills_the_local_part_into_a_hostname() -> None:
    account = android(android_file(hostname="%EMAILLOCALPART%.s.example"))
    assert account
    assert account.outgoing == Endpoint("smtp", "fred.s.example", 465, "SSL", "fred@btinternet.com")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('id="a.example"', 'id="a b"'),
        ('id="a.example"', ""),
        ("%EMAILDOMAIN%", "a b"),
        ("%EMAILDOMAIN%", ""),
        ("imap", "x"),
        ('"smtp"', '"x"'),
    ],
)
def test_android_needs_an_id_a_domain_and_both_servers(old: str, new: str) -> None:
    assert android(android_file().replace(old.encode(), new.encode())) is None


def test_android_ignores_a_file_without_a_provider() -> None:
    assert android(b"<clientConfig/>") is None


def test_clients_use_the_incoming_username_for_an_outgoing_server_without_one() -> None:
    account = read(BY_NAME["Thunderbird"], android_file(username=""), FRED)
    assert account
    assert account.outgoing
    assert account.outgoing.username == "u"


def test_no_client_reads_a_document_with_a_doctype() -> None:
    assert read(BY_NAME["Thunderbird"], b"<!DOCTYPE clientConfig>" + android_file(), FRED) is None


SRV = {"_imaps._tcp": ("i.example", 993), "_submissions._tcp": ("s.example", 465)}


@pytest.mark.parametrize(
    ("client", "more", "outgoing"),
    [
        ("aerc", {}, None),
        ("aerc", {"_smtps._tcp": ("s.example", 465)}, "smtp s.example:465 SSL"),
        ("aerc", {"_submission._tcp": ("s.example", 587)}, "smtp s.example:587 STARTTLS"),
        ("Claws Mail", {"_smtps._tcp": ("s.example", 465)}, None),
    ],
)
def test_clients_that_follow_srv_records_do_not_use_submissions(
    client: str, more: dict[str, tuple[str, int]], outgoing: str | None
) -> None:
    account = read_srv(BY_NAME[client].srv, SRV | more, FRED)
    assert account
    assert str(account.incoming) == "imap i.example:993 SSL"
    assert (str(account.outgoing) if account.outgoing else None) == outgoing
    assert str(account).endswith(outgoing or "no outgoing server")


@pytest.mark.parametrize(
    ("name", "type_", "security"),
    [
        ("_imaps._tcp", "imap", "SSL"),
        ("_imap._tcp", "imap", "STARTTLS"),
        ("_pop3s._tcp", "pop3", "SSL"),
        ("_pop3._tcp", "pop3", "STARTTLS"),
        ("_submissions._tcp", "smtp", "SSL"),
        ("_smtps._tcp", "smtp", "SSL"),
        ("_submission._tcp", "smtp", "STARTTLS"),
    ],
)
def test_the_name_of_an_srv_record_says_the_type_of_the_server_and_its_security(
    name: str, type_: str, security: str
) -> None:
    other = "_submission._tcp" if type_ != "smtp" else "_imap._tcp"
    account = read_srv((name, other), {name: ("a.example", 7), other: ("b.example", 8)}, FRED)
    assert account
    expected = Endpoint(type_, "a.example", 7, security, "fred@btinternet.com")
    assert (account.outgoing if type_ == "smtp" else account.incoming) == expected


def test_an_smtp_server_alone_is_not_an_account() -> None:
    assert read_srv(BY_NAME["aerc"].srv, {"_smtps._tcp": ("s.example", 465)}, FRED) is None


def outlook_file(protocol: str = "") -> bytes:
    one = "<Protocol><Type>IMAP</Type><Server>i.example</Server><Port>143</Port>" + protocol + "</Protocol>"
    smtp = "<Protocol><Type>SMTP</Type><Server>s.example</Server><Port>587</Port><LoginName>x</LoginName></Protocol>"
    document = f'<Autodiscover xmlns="a"><Response xmlns="b"><Account>{one}{smtp}</Account></Response></Autodiscover>'
    return document.encode()


@pytest.mark.parametrize(
    ("protocol", "security", "username"),
    [
        ("<SSL>on</SSL>", "SSL", "fred"),
        ("<SSL>off</SSL>", "plain", "fred"),
        ("<SSL>on</SSL><Encryption>TLS</Encryption>", "STARTTLS", "fred"),
        ("<SSL>on</SSL><Encryption>None</Encryption><LoginName>a@b</LoginName>", "plain", "a@b"),
    ],
)
def test_in_outlook_encryption_overrides_ssl_and_the_local_part_replaces_a_missing_login_name(
    protocol: str, security: str, username: str
) -> None:
    account = read(BY_NAME["Outlook, classic"], outlook_file(protocol), FRED)
    assert account
    assert (account.incoming.security, account.incoming.username) == (security, username)


@pytest.mark.parametrize(
    ("old", "new", "server"),
    [
        ("IMAP", "POP3", "pop3 i.example:143 SSL"),
        ("IMAP", "imap", "imap i.example:143 SSL"),
        ("<Server>i.example</Server>", "<Server/>", None),
        ("<Port>143</Port>", "<Port/>", None),
        ("SMTP", "x", None),
    ],
)
def test_outlook_needs_an_incoming_and_an_smtp_server_each_with_a_host_and_a_port(
    old: str, new: str, server: str | None
) -> None:
    account = read(BY_NAME["Outlook, classic"], outlook_file().replace(old.encode(), new.encode()), FRED)
    assert (str(account.incoming) if account else None) == server


def test_outlook_prefers_imap_to_pop3_and_the_first_server_of_a_type() -> None:
    more = "".join(
        f"<Protocol><Type>{type_}</Type><Server>other.example</Server><Port>7</Port></Protocol>"
        for type_ in ("POP3", "SMTP", "IMAP")
    )
    document = outlook_file().replace(b"<Account>", f"<Account>{more[: more.index('<Protocol><Type>SMTP')]}".encode())
    document = document.replace(b"</Account>", f"{more}</Account>".encode())
    account = read(BY_NAME["Outlook, classic"], document, FRED)
    assert str(account) == "imap i.example:143 SSL, smtp s.example:587 SSL"


@pytest.mark.parametrize(
    ("protocols", "account"),
    [
        ("imap submit pop3", "imap imap.example:993 SSL, smtp submit.example:465 SSL"),
        ("pop3 submit", "pop3 pop3.example:995 SSL, smtp submit.example:465 SSL"),
        ("imap", "None"),
        ("submit", "None"),
    ],
)
def test_pacc_clients_prefer_imap_and_need_a_submission_server(protocols: str, account: str) -> None:
    content = {"protocols": {name: {"host": f"{name}.example"} for name in protocols.split()}}
    assert str(read(BY_NAME["PACC clients"], json.dumps(content).encode(), FRED)) == account


@pytest.mark.parametrize(
    "document", [b"", b"<", b"{", b"{}", b"[]", b"<html/>", b"<clientConfig/>", b"<Autodiscover/>"]
)
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_clients_ignore_anything_but_a_valid_document(client: Client, document: bytes) -> None:
    assert read(client, document, FRED) is None


def servers(host: str, port: str) -> bytes:
    """Return an autoconfig file with one host and port for everything."""
    one = f"<hostname>{host}</hostname><port>{port}</port><socketType>SSL</socketType>"
    text = f'<incomingServer type="imap">{one}</incomingServer><outgoingServer type="smtp">{one}</outgoingServer>'
    return f"<clientConfig><emailProvider>{text}</emailProvider></clientConfig>".encode()


@pytest.mark.parametrize("port", ["0", "65536", "9" * 5000, "²", "٣", "-1", "1.0", "1e3", ""])
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_clients_ignore_a_server_with_an_invalid_port(client: Client, port: str) -> None:
    assert read(client, servers("a.example", port), FRED) is None
    protocol = f"<Protocol><Type>IMAP</Type><Server>a</Server><Port>{port}</Port></Protocol>"
    protocol += protocol.replace("IMAP", "SMTP")
    assert read(client, f"<Autodiscover>{protocol}</Autodiscover>".encode(), FRED) is None


def test_spaces_and_leading_zeros_in_a_port_are_accepted() -> None:
    account = read(BY_NAME["Thunderbird"], servers("a.example", " 00993 "), FRED)
    assert account
    assert account.incoming.port == 993


LAUGHS = "".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(9))
HOSTILE = {
    "a file in an entity": '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]>' + servers("&x;", "993").decode(),
    "entities in entities": f'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">{LAUGHS}]><clientConfig><a>&j;</a></clientConfig>',
    "an unknown encoding": '<?xml version="1.0" encoding="x-unknown"?><clientConfig/>',
    "elements in elements": "<clientConfig>" + "<a>" * 80000,
    "objects in objects": '{"a":' * 50000,
    "a number of 5000 digits": '{"protocols":' + "9" * 5000 + "}",
    "a list as the host": '{"protocols":{"imap":{"host":["a"]},"submit":{"host":{}}}}',
    "protocols that are a list": '{"protocols":["imap"]}',
    "a protocol that is a number": '{"protocols":{"imap":7}}',
}


@pytest.mark.parametrize("document", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_hostile_documents_are_rejected(client: Client, document: str) -> None:
    assert read(client, document.encode(), FRED) is None


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_input_crashes_a_reader_of_a_client(content: bytes) -> None:
    for client in CLIENTS:
        for document in (content, b"{" + content, b"<clientConfig>" + content + b"</clientConfig>"):
            assert read(client, document, FRED) is None
