"""Exchange ActiveSync: the Autodiscover schema that phones and the new Outlook request (MS-ASCMD, 2.2.1.1)."""

from autoconfig.address import MailAddress
from autoconfig.definition import Definition
from autoconfig.directory import Directory, NotServedError
from autoconfig.protocols.description import (
    AUTODISCOVER_PATH,
    Probe,
    ProbeRequest,
    Protocol,
    Schema,
    autodiscover_request,
)
from autoconfig.templates import ADDRESS_PLACEHOLDERS, Document, Template, placeholder_values

_SCHEMAS = "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/"
REQUEST_NAMESPACE = f"{_SCHEMAS}requestschema/2006"
RESPONSE_SCHEMA = f"{_SCHEMAS}responseschema/2006"


class ActiveSync:
    """`POST /autodiscover/autodiscover.xml` by a client that accepts the mobilesync schema."""

    def __init__(self, definitions: Directory[Definition]) -> None:
        template = Template.named("activesync.xsl")

        def settings(definition: Definition) -> Document | None:
            # Few providers have ActiveSync; the stylesheet does not run for the rest.
            has = any(service.type == "activeSync" for service in definition.services)
            return template.required_document(definition.settings, ADDRESS_PLACEHOLDERS) if has else None

        self._documents = definitions.each(settings)
        self.schema = Schema(frozenset({REQUEST_NAMESPACE}), frozenset({RESPONSE_SCHEMA}), self._settings)

    def render(self, address: MailAddress) -> bytes:
        """Return the settings for an address. Raises NotServedError if its domain has none."""
        settings = self._settings(address, b"")
        if settings is None:
            raise NotServedError("this provider has no ActiveSync")
        return settings

    def _settings(self, address: MailAddress, host: bytes) -> bytes | None:
        document, domain = self._documents.find(address, host)
        return document.fill(placeholder_values(address, domain)) if document else None


def _rendered(activesync: ActiveSync, address: MailAddress | None) -> bytes:
    if address is None:
        raise NotServedError("ActiveSync settings contain an address; give one with --emailaddress")
    return activesync.render(address)


def _probes(address: MailAddress, _another: MailAddress) -> list[Probe]:
    body = autodiscover_request(address, REQUEST_NAMESPACE, RESPONSE_SCHEMA)
    return [Probe("autodiscover.", (ProbeRequest(AUTODISCOVER_PATH, body),), "POST, ActiveSync")]


PROTOCOL = Protocol(
    name="activesync",
    clients="Exchange accounts on phones",
    make=lambda parts: ActiveSync(parts.definitions),
    render=lambda activesync, wanted: _rendered(activesync, wanted.address),
    probes=_probes,
    schema=lambda activesync: activesync.schema,
)
