"""A mail client's journey from a domain to an account, made as the client makes it."""

from typing import NamedTuple
from urllib.parse import quote

from autoconfig.address import MailAddress
from autoconfig.operations import record_checks
from autoconfig.operations.clients import Client, LookUp, read
from autoconfig.operations.dns import hostname, pacc_text
from autoconfig.operations.mx import exchangers
from autoconfig.operations.names import Names, srv_target
from autoconfig.operations.readers import Account, Targets, read_srv
from autoconfig.operations.report import Problem
from autoconfig.operations.web import Question, Reply, Web, redirected
from autoconfig.protocols import autodiscover


class Found(NamedTuple):
    """An account that a client finds: where, and whether it asks its user to approve it."""

    account: Account
    place: str
    needs_approval: bool = False


class Journeys:
    """Makes the journeys of clients for addresses of some domains. With `in_dns` false the DNS is left out of it."""

    def __init__(self, web: Web, names: Names, *, in_dns: bool) -> None:
        self._web, self._names, self._in_dns = web, names, in_dns

    async def find(self, client: Client, address: MailAddress) -> Found | None:
        """Return the first account that a client finds, None when it finds nothing."""
        if client.srv and (account := read_srv(client.srv, await self.targets(client.srv, address.domain), address)):
            return Found(account, f"SRV records of {address.domain}")
        for look_up in client.look_ups:
            if found := await self._find_by(look_up, client, address):
                return found
        return None

    async def _find_by(self, look_up: LookUp, client: Client, address: MailAddress) -> Found | None:
        """Return the account that a client finds by one lookup; keep no response while the next one is awaited."""
        try:
            url, reply = await self.look_up(client, look_up, address)
        except (Problem, NothingThereError):
            return None
        account = read(client, reply.body, address) if reply.status == 200 else None
        if account is None:
            return None
        return Found(account, url.partition("?")[0], client.asks_approval and reply.touched_http)

    async def targets(self, names: tuple[str, ...], domain: str) -> Targets:
        """Return where SRV records of a domain lead."""
        found: dict[str, tuple[str, int]] = {}
        for name in names if self._in_dns else ():
            try:
                records = await self._names.find(f"{name}.{domain}", "SRV")
            except Problem:
                continue
            host, port = srv_target(min(records, key=lambda one: getattr(one, "priority", 0))) if records else ("", 0)
            if hostname(host) and port:
                found[name] = host, port
        return found

    async def look_up(self, client: Client, look_up: LookUp, address: MailAddress) -> tuple[str, Reply]:
        """Return what a client gets by a lookup, and from which URL. Raises Problem or NothingThereError."""
        url = await self._url(look_up, address)
        post = autodiscover.request_for(address) if look_up.how in ("post", "redirect", "srv") else None
        if look_up.how == "redirect":
            reply = await self._web.ask(Question(url), follow=False)
            url = redirected(url, reply.headers.get("location", ""))
            if reply.status not in client.redirects or not url.startswith("https:"):
                raise NothingThereError
        reply = await self._web.ask(Question(url, post))
        if not set(reply.redirects) <= set(client.redirects):
            raise NothingThereError
        if look_up.how == "pacc" and self._in_dns:
            await record_checks.check_text(self._names, f"_ua-auto-config.{address.domain}", [pacc_text(reply.body)])
        return url, reply

    async def _url(self, look_up: LookUp, address: MailAddress) -> str:
        values = {"domain": address.domain, "address": quote(str(address))}
        if look_up.by_mx:
            best = next(iter(await exchangers(self._names, address.domain)), None)
            values |= {"mxfull": best.full_domain if best else "", "mxbase": best.base_domain if best else ""}
            if "{mxbase}" in look_up.url and values["mxbase"] == values["mxfull"]:
                raise NothingThereError  # asked already
            if not values["mxfull" if "{mxfull}" in look_up.url else "mxbase"]:
                raise NothingThereError
        elif "{srv}" in look_up.url:
            found = await self._names.find(f"_autodiscover._tcp.{address.domain}", "SRV")
            host, port = srv_target(found[0]) if found else ("", 0)
            if not hostname(host) or port != 443:
                raise NothingThereError
            values["srv"] = host
        return look_up.url.format_map(values)


class NothingThereError(Exception):
    """A lookup that leads nowhere."""
