"""Definitions that deviate from the format: what some clients accept is corrected for all, with a warning."""

from pathlib import Path

import pytest
from lxml import etree

from autoconfig import definition
from autoconfig.definition import Definition
from autoconfig.protocols.autoconfig import Autoconfig
from tests.support import Write, load


def read(file: Path) -> Definition:
    return definition.load(file, file.read_bytes())


def warnings(file: Path) -> list[str]:
    return [one.removeprefix(f"{file}:") for one in read(file).warnings]


SERVICE = """<calendar type="caldav"><url>https://dav.example.com/</url>{}<username>fred</username></calendar>
</clientConfig>"""


@pytest.mark.parametrize(
    "method",
    [
        '<authentication system="http">Basic</authentication>',
        '<authentication system="HTTP">basic</authentication>',
        "<authentication>http-basic</authentication>",
        "<authentication>basic</authentication>",
        "<authentication>password-cleartext</authentication>",
        "<authentication>plain</authentication>",
        '<authentication system="http">Basic</authentication><authentication>http-basic</authentication>',
    ],
)
def test_every_spelling_of_password_authentication_becomes_basic_for_services(write: Write, method: str) -> None:
    provider = read(write({"</clientConfig>": SERVICE.format(method)}))
    assert provider.services[0].authentication == ("Basic",)
    assert provider.warnings == ()


@pytest.mark.parametrize(("text", "method"), [("plain", "password-cleartext"), ("secure", "password-encrypted")])
def test_thunderbirds_old_names_of_password_methods_are_accepted(write: Write, text: str, method: str) -> None:
    provider = read(write({">password-encrypted<": f">{text}<"}))
    assert (provider.servers[1].authentication, provider.warnings) == ((method,), ())


def test_the_general_method_is_added_to_a_sasl_mechanism(write: Write) -> None:
    scheme = '<authentication system="sasl">SCRAM-SHA-256-PLUS</authentication>'
    file = write({"<authentication>password-encrypted</authentication>": scheme})
    assert read(file).servers[1].authentication == ("password-encrypted",)
    (warning,) = warnings(file)
    assert (
        warning
        == "18: authentication SCRAM-SHA-256-PLUS: password-encrypted is added, for clients that do not know this scheme"
    )
    served = Autoconfig(load(file)).render().decode()
    assert served.index(scheme) < served.index("<authentication>password-encrypted</authentication>")


def test_a_sasl_mechanism_with_its_general_method_gets_no_warning(write: Write) -> None:
    scheme = (
        '<authentication system="sasl">CRAM-MD5</authentication><authentication>password-encrypted</authentication>'
    )
    assert warnings(write({"<authentication>password-encrypted</authentication>": scheme})) == []


@pytest.mark.parametrize(
    ("method", "line"),
    [("<authentication>telepathy</authentication>", 18), ('<authentication system="sasl">X-Y</authentication>', 18)],
)
def test_an_unknown_method_is_reported(write: Write, method: str, line: int) -> None:
    file = write({"<authentication>password-encrypted</authentication>": method})
    assert warnings(file)[0].startswith(f"{line}: authentication ")
    assert "is not a method that clients know; use one of GSSAPI, NTLM, OAuth2, TLS-client-cert, " in warnings(file)[0]


def test_two_spellings_of_one_method_become_one(write: Write) -> None:
    method = "<authentication>password-encrypted</authentication>"
    provider = read(write({method: f"{method}<authentication>secure</authentication>"}))
    assert provider.servers[1].authentication == ("password-encrypted",)
    assert provider.warnings == ()


def test_every_invalid_link_of_a_webmail_section_gets_a_warning(write: Write) -> None:
    links = '<webMail><loginPage url="a.example"/>\n<loginPage url="b.example"/></webMail>'
    problem = "is not a web address that starts with https:// or http://; it is left out; correct it"
    assert warnings(write({"</clientConfig>": f"{links}</clientConfig>"})) == [
        f"29: loginPage url a.example {problem}",
        f"30: loginPage url b.example {problem}",
    ]


ADDRESS_BOOK = """<{0} type="carddav"><serverURL>https://dav.example.com/</serverURL>
<authentication>basic</authentication></{0}></clientConfig>"""


def test_other_names_of_elements_and_types_are_read_with_a_warning(write: Write) -> None:
    file = write(
        {
            "</clientConfig>": ADDRESS_BOOK.format("addressBook"),
            "</emailProvider>": '<incomingServer type="activesync"><url>https://sync.example.com/</url>'
            "<authentication>basic</authentication></incomingServer></emailProvider>",
            "<port>143<": "<Port>143<",
            "143</port>": "143</Port>",
        }
    )
    assert [service.type for service in read(file).services] == ["activeSync", "carddav"]
    assert read(file).servers[0].port == 143
    assert warnings(file) == [
        "9: Port is read as port, the element's name in the format",
        '28: type="activesync" is read as activeSync, as clients call it',
        "29: addressBook is read as addressbook, the element's name in the format",
        "29: serverURL is read as url, the element's name in the format",
    ]


def test_responses_use_the_names_of_the_format(write: Write) -> None:
    file = write({"</clientConfig>": ADDRESS_BOOK.format("addressBook"), 'type="pop3"': 'type="POP3"'})
    root = etree.fromstring(Autoconfig(load(file)).render())
    assert root.findtext("addressbook/url") == "https://dav.example.com/"
    assert root.find("emailProvider/incomingServer[@type='pop3']") is not None


@pytest.mark.parametrize(
    ("old", "new", "warning"),
    [
        ("<domain>example.net", "<domain>EXAMPLE.com", "5: domain example.com is already on line 4; remove one"),
        ("</domain>\n    <domain>example.net", "</domain><domain>example.com", "4: domain example.com is already on line 4"),
        ("<domain>example.net", '<domain purpose="x">example.net', "5: domain: the only valid purpose is mx"),
        ("<domain>example.net", '<domain id="x">example.net', "5: domain has no attribute id; it is left out"),
        ("<displayName>Example Mail</displayName>", "", "3: emailProvider has no displayName; users see example.com instead"),
        (' version="1.1"', "", '2: clientConfig has no version; version="1.1" is assumed'),
        ("\n      <username>%EMAILADDRESS%</username>\n    </outgoingServer>", "</outgoingServer>",
         "21: outgoingServer has no username; the incoming server's, %EMAILLOCALPART%, is used; add it"),
        ("</displayName>", "</displayName>\n  -->\n", "6: the text --> between elements is left out"),
        (">plain<", ">Plain<", "17: socketType Plain is read as plain, as clients call it"),
        ('type="imap"', 'type="IMAP"', '7: type="IMAP" is read as imap, as clients call it'),
        (">imap.example.com<", ">imap.example.com.<", "8: hostname imap.example.com. ends with a dot"),
        ("</displayName>", "</displayName><displayShortName/>", "6: displayShortName is empty; it is left out"),
    ],
)  # fmt: skip
def test_spellings_that_clients_accept_are_accepted_with_a_warning(
    write: Write, old: str, new: str, warning: str
) -> None:
    file = write({old: new})
    (found,) = warnings(file)
    assert found.startswith(warning)


def test_an_outgoing_server_without_a_username_uses_the_incoming_servers(write: Write) -> None:
    file = write({"\n      <username>%EMAILADDRESS%</username>\n    </outgoingServer>": "</outgoingServer>"})
    assert read(file).servers[2].username == "%EMAILLOCALPART%"


def test_a_domain_with_and_without_a_purpose_is_one_domain(write: Write) -> None:
    provider = read(write({"<domain>example.net": '<domain purpose="mx">example.com'}))
    assert (provider.domains, provider.hosts_customer_domains, provider.warnings) == (("example.com",), True, ())


def test_if_every_domain_has_a_purpose_thunderbird_gets_one_without(write: Write) -> None:
    """Thunderbird 153 skips domains with attributes, and files without a domain (readFromXML.sys.mjs, JXON.sys.mjs)."""
    file = write({"<domain>": '<domain purpose="mx">'})
    served = Autoconfig(load(file)).render()
    assert [domain.get("purpose") for domain in etree.fromstring(served).iter("domain")] == [None, "mx", "mx"]
    again = definition.load(file, served)
    assert (again.domains, again.warnings) == (("example.com", "example.net"), ())


def test_text_in_a_definition_cannot_control_a_terminal(write: Write) -> None:
    file = write(
        {">password-encrypted<": ">\x9b31m\u202eyhtapelet<", "</emailProvider>": "<a\u00b7b/></emailProvider>"}
    )
    assert all(warning.isprintable() for warning in warnings(file))


def test_the_scheme_of_a_url_may_be_in_capitals(write: Write) -> None:
    """Thunderbird accepts only lower case (InputSanitizer.sys.mjs)."""
    help_ = '<documentation url="HTTPS://www.example.com/Help"/></emailProvider>'
    file = write(
        {"</emailProvider>": help_, "</clientConfig>": ADDRESS_BOOK.format("addressbook").replace("https", "HTTPS")}
    )
    served = etree.fromstring(Autoconfig(load(file)).render())
    assert served.findtext("addressbook/url") == "https://dav.example.com/"
    assert served.xpath("string(//documentation/@url)") == "https://www.example.com/Help"


def test_autoconfig_contains_the_domain_in_every_hostname_and_url(write: Write) -> None:
    files = '<fileShare type="webdav"><url>https://files.%EMAILDOMAIN%/</url></fileShare></clientConfig>'
    served = etree.fromstring(Autoconfig(load(write({"</clientConfig>": files}))).render())
    assert served.findtext("fileShare/url") == "https://files.example.com/"
