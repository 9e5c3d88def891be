"""`bt-autoconfig dns`: print the DNS records to publish."""

import ipaddress
import json
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any, NamedTuple

import click

from autoconfig.address import mail_domain
from autoconfig.cli.options import SETTINGS, Refusal, configured, explained, option, say, some, sources_of
from autoconfig.cli.types import Choice
from autoconfig.operations import zones
from autoconfig.operations.dns import Publication, Record, hostname
from autoconfig.operations.dns import address as ip_address
from autoconfig.operations.folder import Folder, FolderError
from autoconfig.sources import Settings, Sources

_MAX_CACHED = 1024
"""Number of definitions whose documents are cached: hosted domains come in no particular order."""


class _Domain(NamedTuple):
    """A domain to publish records for, and the number of its definition."""

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
    help="Hostname of this server, which the records point to. Required without --address.",
)
@option(
    "--address",
    "addresses",
    multiple=True,
    callback=_addresses,
    metavar="IP",
    help="IPv4 or IPv6 address of this server: print A and AAAA records instead of aliases. Repeatable.",
)
@option(
    "--domain",
    "domains",
    multiple=True,
    metavar="DOMAIN",
    help="Domain to print records for; it may be a hosted domain. Repeatable. Default: all domains.",
)
@option(
    "--hosted-names",
    is_flag=True,
    help="Also publish the autoconfig., autodiscover. and ua-auto-config. hosts of hosted domains, if this server has "
    "certificates for them.",
)
@option("--format", "format_", envvar="BT_AUTOCONFIG_DNS_FORMAT", type=Choice(["zone", "json"]), default="zone",
        show_default=True, help="Zone file fragments, or JSON for other tools.")  # fmt: skip
@option(
    "--output",
    envvar="BT_AUTOCONFIG_DNS_OUTPUT",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write a file for each domain, DIR/DOMAIN.zone or DIR/DOMAIN.json, instead of printing. Only changed files "
    "are replaced; other files in DIR are left alone.",
)
@option(
    "--next-definition",
    "coming",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Definition that will replace the current one: publish the PACC digests of both.",
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

    Include the zone format in each domain's zone file with `$INCLUDE`.
    """
    if not host and not addresses:
        raise click.UsageError("name this server: --host NAME, or --address IP")
    with explained():
        settings = sources_of(**where).read().load()
        nexts = {one.id: one for one in Sources((coming,)).read().load().definitions} if coming else {}
    served = settings.definitions

    @lru_cache(maxsize=_MAX_CACHED)
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
    """Yield the domains of the definitions, then the listed hosted domains."""
    for number, definition in enumerate(settings.definitions):
        yield from (_Domain(domain, number) for domain in definition.domains)
    own = {domain for definition in settings.definitions for domain in definition.domains}
    hosted = settings.assigned.hosted.items()
    yield from (_Domain(domain, number, hosted=True) for domain, number in hosted if domain not in own)


def _named(settings: Settings, domains: tuple[str, ...]) -> list[_Domain]:
    """Return the domains given with --domain. Raises Refusal for a domain that is not served."""
    own = {domain: number for number, one in enumerate(settings.definitions) for domain in one.domains}
    found = []
    for domain in domains:
        try:
            name = mail_domain(domain)
        except ValueError as error:
            raise Refusal(f"--domain: {domain} is not a domain name such as example.com") from error
        if name in own:
            found.append(_Domain(name, own[name]))
        else:
            found.append(_Domain(name, _hosting_definition(settings, name, list(own)), hosted=True))
    return found


def _hosting_definition(settings: Settings, domain: str, own: list[str]) -> int:
    """Return the number of the definition that hosts a domain; without a list, it may host any domain."""
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
        raise Refusal(f"--domain: {domain} is in no definition, and {text}")
    lists = " and in no list of hosted domains" if hosted.listed else ""
    raise Refusal(f"--domain: {domain} is in no definition{lists}; choose from {some(own)}")


def _print_zones(found: Iterable[tuple[str, list[Record]]]) -> None:
    separator = ""
    for domain, records in found:
        click.echo(f"{separator}{zones.zone(domain, records)}", nl=False)
        separator = "\n"


def _print_json(found: Iterable[tuple[str, list[Record]]]) -> None:
    """Print one list, record by record: the records of many thousand domains would take too much memory."""
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
    say(f"{path}: {files} files, {changed} changed")
