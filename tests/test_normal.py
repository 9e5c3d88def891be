"""Definitions that deviate from the format: what some clients accept is corrected for all, with a warning."""

import re
from pathlib import Path

import pytest
from lxml import etree

from autoconfig import definition
from autoconfig.definition import Definition
from autoconfig.normal import normalise
from autoconfig.protocols.autoconfig import Autoconfig
from tests.support import Write, load

EVERY_SERVICE = Path(__file__).with_name("every_service.xml").read_text()


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


def test_one_general_method_is_added_to_several_sasl_mechanisms(write: Write) -> None:
    schemes = "".join(f'<authentication system="sasl">{one}</authentication>' for one in ("CRAM-MD5", "DIGEST-MD5"))
    file = write({"<authentication>password-encrypted</authentication>": schemes})
    assert read(file).servers[1].authentication == ("password-encrypted",)
    assert len(warnings(file)) == 1


def test_a_method_after_a_sasl_mechanism_may_have_an_old_name(write: Write) -> None:
    methods = '<authentication system="sasl">CRAM-MD5</authentication><authentication>secure</authentication>'
    provider = read(write({"<authentication>password-encrypted</authentication>": methods}))
    assert (provider.servers[1].authentication, provider.warnings) == (("password-encrypted",), ())


def test_a_mail_servers_method_of_another_system_is_read_as_one_of_mail(write: Write) -> None:
    provider = read(write({"<authentication>password-encrypted": '<authentication system="http">password-encrypted'}))
    assert (provider.servers[1].authentication, provider.warnings) == (("password-encrypted",), ())


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


def test_names_and_types_may_be_in_any_case(tmp_path: Path) -> None:
    others = """<incomingServer type="graph"/><incomingServer type="exchange"/></emailProvider>
        <webMail><loginPage url="https://mail.example.org/"/></webMail><setupServer/>"""
    text = EVERY_SERVICE.replace("</emailProvider>", others)
    text = text.replace("</oAuth2>", "<clientSecret>none</clientSecret></oAuth2>")
    start, provider, rest = text.partition("<emailProvider")
    known = re.compile(r'</?(?!clientConfig>)\w+| \w+(?==)|(?<=type=)"(?!xmpp|opentalk)\w+"')
    capitals = start + known.sub(lambda name: name[0].upper(), provider + rest)
    served = []
    for content in (text, capitals):
        file = tmp_path / "definition.xml"
        file.write_text(content)
        served.append(Autoconfig(load(file)).render())
    assert served[0] == served[1]


def test_unknown_elements_get_a_warning_in_sections_of_types_that_the_format_defines() -> None:
    types = ("imap", "pop3", "smtp", "jmap", "ews", "activeSync", "activesync", "caldav", "carddav")
    others = ("graph", "exchange", "webdav", "xmpp")
    sections = [f'<calendar type="{one}"><color/></calendar>' for one in (*types, *others)]
    remarks = sorted(normalise(etree.fromstring("<clientConfig>{}</clientConfig>".format("\n".join(sections)))))
    warning = "color is not an element of the format; it is passed on unchanged"
    assert [one.line for one in remarks if one.text == warning] == [*range(1, len(types) + 1)]


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
        ("</displayName>", "</displayName><displayNameShort>E</displayNameShort>", "6: displayNameShort is read as displayShortName"),
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


@pytest.mark.parametrize("methods", [["none"], ["client-IP-address"], ["none", "client-IP-address"]])
def test_an_outgoing_server_without_authentication_needs_no_username(write: Write, methods: list[str]) -> None:
    without = "</authentication><authentication>".join(methods)
    end = "</authentication>\n      <username>%EMAILADDRESS%</username>\n    </outgoingServer>"
    file = write({f"password-cleartext{end}": f"{without}</authentication></outgoingServer>"})
    assert (read(file).servers[2].username, warnings(file)) == (None, [])


@pytest.mark.parametrize(("text", "read_as"), [("ssl", "SSL"), ("StartTLS", "STARTTLS"), ("PLAIN", "plain")])
def test_a_socket_type_may_be_in_any_case(write: Write, text: str, read_as: str) -> None:
    assert read(write({">plain<": f">{text}<"})).servers[1].socket_type == read_as


@pytest.mark.parametrize("text", ["TLS", "tls", "SSL/TLS", "TLS/SSL"])
@pytest.mark.parametrize(("port", "read_as"), [(995, "SSL"), (110, "STARTTLS")])
def test_the_port_decides_what_tls_means(write: Write, text: str, port: int, read_as: str) -> None:
    assert read(write({">plain<": f">{text}<", ">110<": f">{port}<"})).servers[1].socket_type == read_as


@pytest.mark.parametrize("port", ["+110", "00110", " 110 "])
def test_responses_contain_ports_without_signs_zeros_and_spaces(write: Write, port: str) -> None:
    served = etree.fromstring(Autoconfig(load(write({">110<": f">{port}<"}))).render())
    assert [one.text for one in served.iter("port")] == ["143", "110", "587"]


@pytest.mark.parametrize("url", ["ewsURL", "easURL", "owaURL"])
def test_an_exchange_section_has_the_methods_of_services(url: str) -> None:
    section = f"<{url}>https://x.example/</{url}><authentication>plain</authentication>"
    root = etree.fromstring(
        f'<clientConfig><emailProvider><incomingServer type="exchange">{section}</incomingServer></emailProvider></clientConfig>'
    )
    normalise(root)
    assert root.findtext("emailProvider/incomingServer/authentication") == "Basic"


def test_responses_have_a_version(write: Write) -> None:
    assert etree.fromstring(Autoconfig(load(write({' version="1.1"': ""}))).render()).get("version") == "1.1"


def test_responses_contain_each_domain_once(write: Write) -> None:
    file = write({"<domain>example.net": "<domain>Example.com"})
    served = etree.fromstring(Autoconfig(load(file)).render())
    assert [domain.text for domain in served.iter("domain")] == ["example.com"]


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


@pytest.mark.parametrize(
    ("url", "normal"),
    [("HTTP://Example.com/", "http://Example.com/"), ("WSS://example.com/", "WSS://example.com/"), ("HTTP", "HTTP")],
)
def test_only_the_scheme_of_a_web_address_is_changed(url: str, normal: str) -> None:
    root = etree.fromstring(f"<clientConfig><chatServer><url>{url}</url></chatServer></clientConfig>")
    normalise(root)
    assert root.findtext("chatServer/url") == normal


def test_autoconfig_contains_the_domain_in_every_hostname_and_url(write: Write) -> None:
    files = '<fileShare type="webdav"><url>https://files.%EMAILDOMAIN%/</url></fileShare></clientConfig>'
    served = etree.fromstring(Autoconfig(load(write({"</clientConfig>": files}))).render())
    assert served.findtext("fileShare/url") == "https://files.example.com/"
