"""`bt-autoconfig dns`: the DNS records to publish."""

import ipaddress
import json
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any, NamedTuple

import click

from autoconfig.address import ascii_domain
from autoconfig.cli.options import SETTINGS, Refusal, configured, explained, option, say, some, sources_of
from autoconfig.operations import zones
from autoconfig.operations.dns import Publication, Record, hostname
from autoconfig.operations.dns import address as ip_address
from autoconfig.operations.folder import Folder, FolderError
from autoconfig.sources import Settings, Sources

_KEPT = 1024
"""Definitions whose documents are kept. Hosted domains come in no particular order."""


class _Domain(NamedTuple):
    """A domain whose records are to be published, and the number of its definition."""

    name: str
    definition: int
    hosted: bool = False


def _hostname(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    if name := hostname(value):
        return name
    try:
        ipaddress.ip_address(value)
    except ValueError:
        raise click.BadParameter(f"{value} is not a hostname of letters, digits and hyphens") from None
    raise click.BadParameter(f"{value} is an IP address, not a hostname; use --address {value}")


def _addresses(
    _context: click.Context, _option: click.Parameter, values: tuple[str, ...]
) -> list[IPv4Address | IPv6Address]:
    try:
        return list(dict.fromkeys(map(ip_address, values)))
    except ValueError as error:
        raise click.BadParameter(f"{error}; use an address such as 192.0.2.1 or 2001:db8::1") from error


@click.command(context_settings=SETTINGS)
@option(
    "--host",
    envvar="BT_AUTOCONFIG_DNS_HOST",
    callback=_hostname,
    metavar="NAME",
    help="The hostname of this server: the records are aliases of it. Needed without --address.",
)
@option(
    "--address",
    "addresses",
    multiple=True,
    callback=_addresses,
    metavar="IP",
    help="An IPv4 or IPv6 address of this server: print A and AAAA records instead of aliases. May be given more than "
    "once.",
)
@option(
    "--domain",
    "domains",
    multiple=True,
    metavar="DOMAIN",
    help="Only for this domain, which may be a hosted one. May be given more than once. Without it, all domains.",
)
@option(
    "--hosted-names",
    is_flag=True,
    help="Also publish the autoconfig., autodiscover. and ua-auto-config. hosts of hosted domains: this server has "
    "certificates for them.",
)
@option("--format", "format_", envvar="BT_AUTOCONFIG_DNS_FORMAT", type=click.Choice(["zone", "json"]), default="zone",
        show_default=True, help="Pieces of zone files, or JSON for other tools.")  # fmt: skip
@option(
    "--output",
    envvar="BT_AUTOCONFIG_DNS_OUTPUT",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write a file for each domain, DIR/DOMAIN.zone or DIR/DOMAIN.json, instead of printing. Only files that have "
    "changed are replaced; nothing else in DIR is touched.",
)
@option(
    "--next-definition",
    "coming",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The definition that will replace this one: publish the PACC digests of both.",
)
@configured
def dns(
    host: str | None,
    addresses: list[IPv4Address | IPv6Address],
    domains: tuple[str, ...],
    hosted_names: bool,
    format_: str,
    output: Path | None,
    coming: Path | None,
    **where: Any,
) -> None:
    """Print the DNS records to publish for every domain.

    The zone format is to be included in each domain's zone file (`$INCLUDE`).
    """
    if not host and not addresses:
        raise click.UsageError("name this server: --host NAME, or --address IP")
    with explained():
        settings = sources_of(**where).read().load()
        nexts = {one.id: one for one in Sources((coming,)).read().load().definitions} if coming else {}
    served = settings.definitions

    @lru_cache(maxsize=_KEPT)
    def publication(number: int) -> Publication:
        return Publication(served[number], host, addresses, nexts.get(served[number].id))

    def found() -> Iterator[tuple[str, list[Record]]]:
        for domain in _named(settings, domains) if domains else _all(settings):
            records = publication(domain.definition).records(domain.name, hosted=domain.hosted)
            if hosted_names:
                records = [one._replace(optional=False) for one in records]
            yield domain.name, records

    if output:
        _write(output, found(), format_)
    else:
        _PRINT[format_](found())


def _all(settings: Settings) -> Iterator[_Domain]:
    """Yield the domains of the definitions, and then those that they host, as far as there are lists."""
    for number, definition in enumerate(settings.definitions):
        yield from (_Domain(domain, number) for domain in definition.domains)
    own = {domain for definition in settings.definitions for domain in definition.domains}
    hosted = settings.assigned.hosted.items()
    yield from (_Domain(domain, number, hosted=True) for domain, number in hosted if domain not in own)


def _named(settings: Settings, domains: tuple[str, ...]) -> list[_Domain]:
    """Return the domains that are asked for."""
    own = {domain: number for number, one in enumerate(settings.definitions) for domain in one.domains}
    found = []
    for domain in domains:
        try:
            name = ascii_domain(domain)
        except ValueError as error:
            raise Refusal(f"--domain: {domain} is not a domain name such as example.com") from error
        if name in own:
            found.append(_Domain(name, own[name]))
        else:
            found.append(_Domain(name, _hoster(settings, name, list(own)), hosted=True))
    return found


def _hoster(settings: Settings, domain: str, own: list[str]) -> int:
    """Return the definition that hosts a domain, which may be any domain where there is no list."""
    hosted = settings.assigned.hosted
    owner = hosted.owner(domain)
    if owner is not None:
        return owner
    hosting = [number for number, one in enumerate(settings.definitions) if one.hosts_customer_domains]
    without_list = [number for number in hosting if number not in hosted.listed]
    if len(without_list) == 1:
        return without_list[0]
    if without_list:
        text = f"{len(without_list)} definitions host domains; name one of them with --definition"
        raise Refusal(f"--domain: {domain} stands in no definition, and {text}")
    lists = " and in no list of hosted domains" if hosted.listed else ""
    raise Refusal(f"--domain: {domain} stands in no definition{lists}; there are {some(own)}")


def _print_zones(found: Iterable[tuple[str, list[Record]]]) -> None:
    separator = ""
    for domain, records in found:
        click.echo(f"{separator}{zones.zone(domain, records)}", nl=False)
        separator = "\n"


def _print_json(found: Iterable[tuple[str, list[Record]]]) -> None:
    """Print one list, record by record: all of many thousand domains would need much memory."""
    separator = "[\n"
    for domain, records in found:
        for one in zones.as_json(domain, records):
            text = json.dumps(one, indent=2).replace("\n", "\n  ")
            click.echo(f"{separator}  {text}", nl=False)
            separator = ",\n"
    click.echo("[]" if separator.startswith("[") else "\n]")


_PRINT: dict[str, Callable[[Iterable[tuple[str, list[Record]]]], None]] = {"zone": _print_zones, "json": _print_json}


def _write(path: Path, found: Iterable[tuple[str, list[Record]]], format_: str) -> None:
    """Write a file for each domain that has records."""
    files = changed = 0
    try:
        with Folder(path) as folder:
            for domain, records in found:
                if records:
                    files += 1
                    changed += zones.write(folder, domain, records, format_)
    except FolderError as error:
        raise Refusal(str(error)) from error
    say(f"{path}: {files} files, {changed} of them changed")
