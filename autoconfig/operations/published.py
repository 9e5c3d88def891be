"""What a domain without a definition publishes: hosts, SRV records, documents, and the account in each client."""

import asyncio
from collections.abc import Coroutine, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

from autoconfig import definition
from autoconfig.definition import Definition, DefinitionError
from autoconfig.directory import CLIENT_HOSTS
from autoconfig.operations.check_run import Run
from autoconfig.operations.client_lookups import DeadEndError, Found
from autoconfig.operations.clients import CLIENTS, Client, Lookup
from autoconfig.operations.domains import Domain
from autoconfig.operations.http import Response
from autoconfig.operations.names import NoAddressError
from autoconfig.operations.readers import SRV_SERVICES
from autoconfig.operations.report import Problem

_NO_SUCH_LABEL = "bt-autoconfig-check-no-such-host"
"""A label that exists only if a wildcard record makes every name exist."""
_PREFIXES = tuple(prefix for prefix in CLIENT_HOSTS if prefix)

T = TypeVar("T")


class LookupResult(NamedTuple):
    """The response to a client's lookup, or the problem with it. `url` has no query string."""

    lookup: Lookup
    client: Client
    url: str
    response: Response | Problem

    @property
    def host(self) -> str:
        """The host of the URL."""
        return self.url.partition("://")[2].partition("/")[0]

    @property
    def has_autoconfig(self) -> bool:
        """Whether the response is an autoconfig file."""
        found = self.response
        return isinstance(found, Response) and found.status == 200 and b"<clientConfig" in found.body

    @property
    def affects_clients(self) -> bool:
        """Whether clients act on the response, wherever it is from: it has settings, or asks for a password."""
        if isinstance(self.response, Problem):
            return False
        if self.response.status == 401:
            return True
        return self.has_autoconfig or (self.response.status == 200 and b"<Protocol>" in self.response.body)


@dataclass
class Published:
    """What a domain publishes. `problem` is the reason why the domain could not be looked up, if there is one."""

    exists: bool
    problem: Problem | None = None
    hosts: list[str] = field(default_factory=list)
    """The client hosts."""
    srv: list[str] = field(default_factory=list)
    """The names of SRV records for clients."""
    results: list[LookupResult] = field(default_factory=list)
    accounts: dict[str, Found | None] = field(default_factory=dict)
    """The account that each client finds, by the client's name."""
    definitions: list[Definition] = field(default_factory=list)
    """The valid autoconfig files, each once."""


async def find_published(run: Run, domain: Domain) -> Published:
    """Make the lookups of every client."""
    try:
        if not await run.names.exists(domain.name):
            return Published(exists=False)
    except Problem as problem:
        return Published(exists=False, problem=problem)
    published = Published(exists=True)
    wildcard = await _addresses(run, f"{_NO_SUCH_LABEL}.{domain.name}")
    hosts = [f"{prefix}{domain.name}" for prefix in _PREFIXES]
    for host, found in zip(hosts, await _gather(_addresses(run, host) for host in hosts), strict=True):
        if found is None or (found and found != wildcard):
            published.hosts.append(host)
    names = [f"{name}.{domain.name}" for name in (*SRV_SERVICES, "_autodiscover._tcp")]
    exist = await _gather(_has_srv(run, name) for name in names)
    published.srv = [name for name, exists in zip(names, exist, strict=True) if exists]
    # Clients share many lookups: each is made once, with the reader of the first client that makes it.
    lookups = {lookup.key: (client, lookup) for client in reversed(CLIENTS) for lookup in client.lookups}
    results = await _gather(_look_up(run, domain, *one) for one in reversed(lookups.values()))
    published.results = [one for one in results if one]
    published.definitions = list(_definitions(published.results))
    accounts = await _gather(run.client_lookups.find(client, domain.address) for client in CLIENTS)
    published.accounts = {client.name: found for client, found in zip(CLIENTS, accounts, strict=True)}
    return published


async def _gather(coroutines: Iterable[Coroutine[object, object, T]]) -> list[T]:
    return list(await asyncio.gather(*coroutines))


async def _addresses(run: Run, host: str) -> list[str] | None:
    """Return the addresses of a host, possibly none; None if there is a problem with it, such as a dangling alias."""
    try:
        return sorted(await run.names.addresses(host))
    except NoAddressError:
        return []
    except Problem:
        return None


async def _has_srv(run: Run, name: str) -> bool:
    try:
        return bool(await run.names.find(name, "SRV"))
    except Problem:
        return True


async def _look_up(run: Run, domain: Domain, client: Client, lookup: Lookup) -> LookupResult | None:
    place = lookup.url.format(domain=domain.name, address="", mxfull="", mxbase="", srv="")
    try:
        url, response = await run.client_lookups.look_up(client, lookup, domain.address)
    except Problem as problem:
        return LookupResult(lookup, client, place.partition("?")[0], problem)
    except DeadEndError:
        return None
    return LookupResult(lookup, client, url.partition("?")[0], response)


def _definitions(results: Iterable[LookupResult]) -> Iterator[Definition]:
    seen: set[bytes] = set()
    for one in results:
        if isinstance(one.response, Response) and one.has_autoconfig and one.response.body not in seen:
            seen.add(one.response.body)
            try:
                yield definition.load(Path(one.url), one.response.body)
            except DefinitionError:
                continue
