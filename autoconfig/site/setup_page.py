"""The setup page, for people whose mail app does not set itself up: an address, an app, its steps.

`/`, `/setup/`, `/setup/APP/` and `/settings/` are in the browser's preferred language; under `/LANGUAGE/` they are in
that language. The address that a person types is POSTed from step to step, so it is in no URL, history or log. It is
used only in the response.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from urllib.parse import urlsplit

from autoconfig.address import AddressError, AddressProblem, MailAddress
from autoconfig.definition import Definition
from autoconfig.directory import Directory, NotServedError
from autoconfig.protocols import mobileconfig
from autoconfig.protocols.mobileconfig import Mobileconfig
from autoconfig.requests import Fields, Request, plain_address
from autoconfig.responses import Response, ResponseKind, StaticResponse
from autoconfig.site import languages, qr_code
from autoconfig.site.account_code import account_code
from autoconfig.site.corrections import brand_of, correction
from autoconfig.site.documents import Documents, Provider, Variant
from autoconfig.site.steps import ADDRESS, APPS, CHOICE, FOREIGN, PAGES, Step, platform_of
from autoconfig.templates import Document, placeholder_values

PATHS = tuple(
    f"/{prefix}{page.path}" for prefix in ("", *(f"{tag}/" for tag in languages.catalogues())) for page in PAGES
)
"""All paths of the page."""

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
# Not no-store: the Back button would then offer to send the form again instead of showing the previous step
# (Chromium 156). Shared caches do not store private responses (RFC 9111, section 5.2.2.7).
_PERSONAL = _HEADERS | {"Cache-Control": "private, no-cache"}
_ANSWER, _MISTAKE, _NOT_SERVED = (ResponseKind("text/html", _PERSONAL, status) for status in (200, 400, 404))

_SCANNED = next(app for app in APPS if app.id == "thunderbird-android")
_MAX_CACHED = 1024
"""Maximum number of cached responses without an address: some 15 MB."""


class SetupPage:
    """Responds to `GET` and `POST` of every page; forms have the field `emailaddress`.

    `profiles` are the Apple profiles that it offers. `public_url` is the server's URL if it is not on a host of a
    definition's domain. `root_path` is the path under which it is mounted in another application.
    """

    def __init__(
        self,
        definitions: Directory[Definition],
        profiles: Mobileconfig,
        public_url: str | None = None,
        root_path: str = "",
    ) -> None:
        self._root_path = root_path
        self._documents = Documents(signed=profiles.signed, root_path=root_path)
        self._providers = definitions.each(lambda one: Provider(one, profiles.protocols(one)))
        self._documents.make_all(self._providers.first)
        self._public_url = public_url and _secure(public_url.rstrip("/"))
        self._general = lru_cache(maxsize=_MAX_CACHED)(self._prepared)

    def routes(self) -> Iterator[tuple[str, Callable[[Request], Response]]]:
        """Yield every path with its responder, also without the trailing slash, for links that people type."""
        for language in (None, *languages.catalogues()):
            for page in PAGES:
                path = f"/{language}/{page.path}" if language else f"/{page.path}"
                responder = partial(self._respond, language, page)
                yield path, responder
                if path != "/":
                    yield path.rstrip("/"), responder

    def respond(self, request: Request) -> Response:
        """Respond to a request for `/`."""
        return self._respond(None, ADDRESS, request)

    def _respond(self, language: str | None, step: Step, request: Request) -> Response:
        """Respond to a request. A POST that is not a form is refused; the page explains all other errors."""
        tag = language or languages.preferred(request.accept_language)
        if request.method == "POST":
            address = plain_address(request)
            if address is not None and self._providers.known(address.domain) is not None:
                return self._personal(tag, CHOICE if step is ADDRESS else step, address, request)
            typed = Fields.of(request).text("emailaddress") or ""
            if typed or step in (ADDRESS, CHOICE):
                return self._typed(tag, CHOICE if step is ADDRESS else step, typed, request)
        provider, domain = self._providers.find(None, request.host)
        platform = platform_of(request.user_agent) if step is CHOICE else ""
        url = self._public_url_of(provider, domain, request)
        return self._general(provider, Variant(tag, step, platform=platform), url, domain, language is None)

    def _prepared(
        self, provider: Provider, variant: Variant, url: str, domain: str, negotiated: bool
    ) -> StaticResponse:
        """Return the page for visitors without an address; `negotiated` if Accept-Language decided its language."""
        document = self._document(provider, variant)
        tag, step = variant.language, variant.step
        values = {"EMAILDOMAIN": domain, "TYPED": "", "NEXT": self._path(tag, CHOICE)}
        values |= self._urls(document, tag, step, url)
        varies = [*(["User-Agent"] if variant.platform else []), *(["Accept-Language"] if negotiated else [])]
        headers = _HEADERS | {"Content-Language": tag, "Cache-Control": "public, max-age=3600"}
        if varies:
            headers["Vary"] = ", ".join(varies)
        return StaticResponse(document.fill(values), "text/html", headers)

    def _typed(self, tag: str, step: Step, typed: str, request: Request) -> Response:
        """Return the page for a typed address, or the page that says what is wrong with it."""
        provider, _ = self._providers.find(None, request.host)
        if not typed:
            return self._mistake(provider, tag, step, typed, "empty", _MISTAKE)
        try:
            address = MailAddress.parse(typed)
            if "." not in address.domain:  # an incomplete domain, not another provider's
                raise AddressError(AddressProblem.NO_DOMAIN)
            self._providers.find(address, request.host)
        except AddressError as error:
            return self._mistake(provider, tag, step, typed, error.problem.name.lower(), _MISTAKE)
        except NotServedError:
            return self._mistake(provider, tag, step, typed, "typo", _NOT_SERVED)
        return self._personal(tag, step, address, request)

    def _personal(self, tag: str, step: Step, address: MailAddress, request: Request) -> Response:
        """Return the page for an address whose domain is served."""
        provider, domain = self._providers.find(address, request.host)
        code = account_code(provider.definition, address) if step is _SCANNED else None
        platform = platform_of(request.user_agent) if step is CHOICE else ""
        variant = Variant(tag, step, given=True, scannable=code is not None, platform=platform)
        document = self._document(provider, variant)
        values = placeholder_values(address, domain)
        if document.placeholders & {"PAGEURL", "PROFILEURL"}:
            values |= self._urls(document, tag, step, self._public_url_of(provider, domain, request))
        if code is not None:
            drawn = qr_code.of_account(code)
            values |= {"ACCOUNTQR": drawn.path, "ACCOUNTQRSIZE": str(drawn.size)}
        return Response(_ANSWER, document.fill(values))

    def _mistake(
        self, provider: Provider, tag: str, step: Step, typed: str, problem: str, kind: ResponseKind
    ) -> Response:
        """Return the form with an error and perhaps a suggestion, or the page for another provider's address."""
        meant = correction(typed, provider.domains, partial(self._owns, provider))
        if kind is _NOT_SERVED and meant is None:
            document = self._document(provider, Variant(tag, FOREIGN))
            foreign = MailAddress.parse(typed).domain
            return Response(kind, document.fill({"EMAILDOMAIN": provider.domains[0], "FOREIGN": brand_of(foreign)}))
        document = self._document(provider, Variant(tag, ADDRESS, problem=problem, suggested=meant is not None))
        values = {"EMAILDOMAIN": provider.domains[0], "TYPED": typed, "NEXT": self._path(tag, step)}
        return Response(kind, document.fill(values | {"SUGGESTION": str(meant)}))

    def _document(self, provider: Provider, variant: Variant) -> Document:
        document = self._documents.get(provider, variant)
        if document is None:
            raise NotServedError("this provider has no settings that this app can use")
        return document

    def _public_url_of(self, provider: Provider, domain: str, request: Request) -> str:
        """Return the public URL of a provider's settings: scheme and host.

        It is https even if the request arrived over http. The reverse proxy redirects pages to https, and a phone that
        scans the QR code must not fetch a profile that an attacker on the network can change.

        The request's host is trusted only if it belongs to the provider: a client can send any host. The next choice is
        --public-url, but without an address it serves only the first definition's settings. The last resort is the
        autoconfig host, where Thunderbird would look.

        A customer's host is trusted for that customer if its page was requested over https: then it has a certificate.
        No other host serves settings with the customer's domain in them.
        """
        host = request.host.partition(b":")[0].rstrip(b".").decode("latin-1").lower()
        requested = self._providers.domain_of(request.host)
        hosted = requested == domain and request.scheme == "https" and self._providers.owns(host)
        if requested and (hosted or self._owns(provider, requested)):
            return f"https://{host}"
        if self._public_url and provider is self._providers.first:
            return self._public_url
        return f"https://autoconfig.{domain if self._owns(provider, domain) else provider.domains[0]}"

    def _owns(self, provider: Provider, domain: str) -> bool:
        """Return whether a domain is one of a provider's own."""
        own = self._providers.own(domain)
        return own is not None and own.definition is provider.definition

    def _path(self, tag: str, step: Step) -> str:
        return f"{self._root_path}/{tag}/{step.path}"

    def _urls(self, document: Document, tag: str, step: Step, url: str) -> dict[str, str]:
        """Return the values of the placeholders for URLs and their QR codes that a document has."""
        found = {"PAGE": f"{url}{self._path(tag, step)}", "PROFILE": f"{url}{self._root_path}{mobileconfig.PATH}"}
        values: dict[str, str] = {}
        for name, target in found.items():
            if f"{name}URL" in document.placeholders:
                drawn = qr_code.of_url(target)
                values |= {f"{name}URL": target, f"{name}QR": drawn.path, f"{name}QRSIZE": str(drawn.size)}
        return values


def _secure(url: str) -> str:
    """Return a URL with https, unless its host is this machine."""
    if urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1"):
        return url
    return url.replace("http://", "https://", 1)
