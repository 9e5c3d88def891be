"""The lookups of mail clients, in each client's order, until one leads to an account."""

from typing import NamedTuple
from urllib.parse import quote

from autoconfig.address import MailAddress
from autoconfig.operations import record_checks
from autoconfig.operations.clients import Client, Lookup, read
from autoconfig.operations.dns import hostname, pacc_text
from autoconfig.operations.http import Request, Response
from autoconfig.operations.mx import exchangers
from autoconfig.operations.names import Names, srv_target
from autoconfig.operations.readers import Account, Targets, read_srv
from autoconfig.operations.report import Problem
from autoconfig.operations.web import Web, redirected
from autoconfig.protocols import autodiscover


class Found(NamedTuple):
    """An account that a client finds, where it finds it, and whether it asks the user to approve it."""

    account: Account
    place: str
    needs_approval: bool = False

    def __str__(self) -> str:
        return f"{self.account}, from {self.place}"


class ClientLookups:
    """Makes the lookups of clients. Unless `in_dns`, it does not follow SRV records or compare PACC's digest."""

    def __init__(self, web: Web, names: Names, *, in_dns: bool) -> None:
        self._web, self._names, self._in_dns = web, names, in_dns

    async def find(self, client: Client, address: MailAddress) -> Found | None:
        """Return the first account that a client finds, or None if it finds none."""
        if client.srv and (account := read_srv(client.srv, await self.targets(client.srv, address.domain), address)):
            return Found(account, f"SRV records of {address.domain}")
        for lookup in client.lookups:
            if found := await self._account(client, lookup, address):
                return found
        return None

    async def _account(self, client: Client, lookup: Lookup, address: MailAddress) -> Found | None:
        """Return the account that a client finds by one lookup.

        This is a method so that the response does not stay in memory during the next lookup.
        """
        try:
            url, response = await self.look_up(client, lookup, address)
        except (Problem, DeadEndError):
            return None
        account = read(client, response.body, address) if response.status == 200 else None
        if account is None:
            return None
        return Found(account, url.partition("?")[0], client.asks_approval and response.used_http)

    async def targets(self, names: tuple[str, ...], domain: str) -> Targets:
        """Return the targets of a domain's SRV records."""
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

    async def look_up(self, client: Client, lookup: Lookup, address: MailAddress) -> tuple[str, Response]:
        """Return a lookup's URL and the response. Raises Problem, or DeadEndError if the lookup is not possible."""
        url = await self._url(lookup, address)
        post = autodiscover.request_for(address) if lookup.kind in ("post", "redirect", "srv") else None
        if lookup.kind == "redirect":
            response = await self._web.fetch(Request(url), follow=False)
            url = redirected(url, response.headers.get("location", ""))
            if response.status not in client.redirects or not url.startswith("https:"):
                raise DeadEndError
        response = await self._web.fetch(Request(url, post))
        if not set(response.redirects) <= set(client.redirects):
            raise DeadEndError
        if lookup.kind == "pacc" and self._in_dns:
            await record_checks.check_text(self._names, f"_ua-auto-config.{address.domain}", [pacc_text(response.body)])
        return url, response

    async def _url(self, lookup: Lookup, address: MailAddress) -> str:
        values = {"domain": address.domain, "address": quote(str(address))}
        if lookup.by_mx:
            best = next(iter(await exchangers(self._names, address.domain)), None)
            values |= {"mxfull": best.full_domain if best else "", "mxbase": best.base_domain if best else ""}
            if "{mxbase}" in lookup.url and values["mxbase"] == values["mxfull"]:
                raise DeadEndError  # a lookup with {mxfull} has had this URL
            if not values["mxfull" if "{mxfull}" in lookup.url else "mxbase"]:
                raise DeadEndError
        elif "{srv}" in lookup.url:
            found = await self._names.find(f"_autodiscover._tcp.{address.domain}", "SRV")
            host, port = srv_target(found[0]) if found else ("", 0)
            if not hostname(host) or port != 443:
                raise DeadEndError
            values["srv"] = host
        return lookup.url.format_map(values)


class DeadEndError(Exception):
    """A lookup that the client cannot make, or whose response it does not follow."""
