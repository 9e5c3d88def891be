"""`bt-autoconfig serve`: run the server."""

import functools
import logging
import logging.config
import os
import socket
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import fields
from typing import Any

import click

from autoconfig import signals
from autoconfig.cli.options import (
    SETTINGS,
    Refusal,
    configured,
    explained,
    option,
    signed,
    sources_of,
    web_address,
)
from autoconfig.cli.resolver import resolver_address
from autoconfig.cli.types import Choice, Number, Seconds
from autoconfig.connection_pool import Limits, TrustedProxies
from autoconfig.listening import Listener, notify_ready
from autoconfig.logs import configuration, descriptor_of, writer
from autoconfig.metrics import State, count_dropped_lines, listen, shared
from autoconfig.reloading import Apply, Reloader
from autoconfig.running import Application
from autoconfig.server import application
from autoconfig.sources import Options, Settings
from autoconfig.uvicorn_server import LimitedConfig, Server
from autoconfig.visible import visible
from autoconfig.worker import Setup
from autoconfig.workers import Workers

logger = logging.getLogger(__name__)

_SECONDS = Seconds(0.1)
_MAX_WARNINGS = 20
"""Maximum number of warnings printed at start-up."""


def _networks(_context: click.Context, _option: click.Parameter, value: str) -> str:
    try:
        TrustedProxies(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return value


@click.command(context_settings=SETTINGS, short_help="Serve settings to mail clients, and the setup page.")
@option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@option(
    "--port",
    type=Number(0, 65535),
    default=8000,
    show_default=True,
    help="Port to listen on; 0 for any free port.",
)
@configured
@option(
    "--public-url",
    callback=web_address,
    metavar="URL",
    help="URL of the setup page, if it is not on a hostname of a definition's domain.",
)
@option(
    "--resolver",
    callback=resolver_address,
    metavar="IP[:PORT]",
    help="DNS resolver for the MX records of hosted domains without a list, instead of the system's.",
)
@signed
@option("--workers", type=Number(1), default=1, show_default=True, help="Number of worker processes.")
@option(
    "--trusted-proxies",
    empty=True,
    default="127.0.0.1,::1",
    show_default=True,
    callback=_networks,
    metavar="LIST",
    help="Proxies trusted to set X-Forwarded-Proto: IP addresses and networks, separated by commas; * for all.",
)
@option("--metrics-port", type=Number(0, 65535), help="Serve Prometheus metrics at /metrics on this port.")
@option("--metrics-host", default="127.0.0.1", show_default=True, help="Address to listen on for Prometheus metrics.")
@option(
    "--log-format",
    type=Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Format of log lines; json lines go to stdout.",
)
@option("--access-log", is_flag=True, help="Log each request, without email addresses, query strings or IP addresses.")
@option(
    "--max-connections",
    type=Number(1),
    default=1000,
    show_default=True,
    help="Maximum concurrent connections per worker; beyond it, the connection that has been idle longest is closed.",
)
@option(
    "--max-connections-per-client",
    type=Number(1),
    default=100,
    show_default=True,
    help="Maximum concurrent connections per worker from one IPv4 address or IPv6 /64 network.",
)
@option(
    "--max-head",
    type=Number(1024),
    default=16384,
    show_default=True,
    help="Maximum bytes of the request line and headers.",
)
@option("--head-timeout", type=_SECONDS, default=10, show_default=True, help="Seconds to receive the request headers.")
@option("--body-timeout", type=_SECONDS, default=10, show_default=True, help="Seconds to receive the request body.")
@option(
    "--keep-alive",
    type=Number(0),
    default=5,
    show_default=True,
    help="Seconds to wait for the next request on a connection.",
)
@option("--drain-time", type=Seconds(0), default=0, show_default=True,
        help="Seconds to keep accepting requests after SIGTERM while /readyz returns 503.")  # fmt: skip
@option(
    "--grace-time",
    type=Number(1),
    default=20,
    show_default=True,
    help="Seconds for requests in flight to finish at shutdown.",
)
def serve(
    host: str,
    port: int,
    workers: int,
    trusted_proxies: str,
    metrics_host: str,
    metrics_port: int | None,
    log_format: str,
    grace_time: int,
    **given: Any,
) -> None:
    """Serve settings to mail clients over HTTP, and the setup page to browsers.

    SIGHUP reloads definitions, lists, certificates and keys; if any is invalid, the previous ones stay in use.
    SIGTERM shuts the server down once the requests in flight have finished.
    """
    signals.catch()
    limits = Limits(**_pop_fields(given, Limits))
    options = Options(**_pop_fields(given, Options), metrics=metrics_port is not None)
    sources = sources_of(**given, options=options)
    logging.config.dictConfig(configuration(log_format))
    state = State()
    config = functools.partial(
        LimitedConfig,
        limits=limits,
        trusted_proxies=trusted_proxies,
        log_config=None,  # logging is already configured
        timeout_graceful_shutdown=grace_time,
    )
    with ExitStack() as stack:
        # A broken configuration stops the start here, once, not in every worker.
        with explained():
            settings = sources.read().load()
            served = Application(settings) if workers == 1 else None
            if served is None:
                application(settings)
        state.applied(settings)
        _warn(settings, log_format)
        listener = _listen(host, port)
        if options.metrics and workers > 1:
            stack.enter_context(shared())
        if options.metrics:
            count_dropped_lines(writer(descriptor_of(log_format)))
        if metrics_port is not None:
            listen_for_prometheus(metrics_host, metrics_port, state)
        announce = functools.partial(_announce, _where(listener.socket, settings, log_format), log_format)
        reload = functools.partial(Reloader, signals.reloads, sources, state=state)
        setup = Setup(config, log_format, options.drain_time, grace_time, options.metrics)
        if served:
            status = _serve_alone(listener, setup, served, reload, announce)
        else:
            many = Workers(workers, listener, setup, settings, announce)
            del settings  # the workers have it
            reload(functools.partial(_apply, many)).start()
            status = many.run()
    for descriptor in (1, 2):
        writer(descriptor).flush()
    os._exit(status)  # without waiting for a reload in progress


def _serve_alone(
    listener: Listener,
    setup: Setup,
    served: Application,
    reload: Callable[[Apply], Reloader],
    announce: Callable[[], None],
) -> int:
    server = Server(setup.config(served), served, listener, setup.drain_time, announce)
    reload(served.apply).start()
    server.listen()
    return 0


def _apply(many: Workers, settings: Settings) -> None:
    application(settings)
    many.apply(settings)


def _pop_fields(given: dict[str, Any], kind: type[Limits] | type[Options]) -> dict[str, Any]:
    """Remove and return the options that are fields of a class."""
    return {field.name: given.pop(field.name) for field in fields(kind) if field.name in given}


def _warn(settings: Settings, log_format: str) -> None:
    """Print what was ignored, and what some clients cannot use."""
    warnings = list(settings.warnings())
    more = warnings[_MAX_WARNINGS:]
    del warnings[_MAX_WARNINGS:]
    if more:
        warnings.append(f"and {len(more)} more; `bt-autoconfig validate` lists all")
    for warning in warnings:
        if log_format == "json":
            logger.warning("%s", warning)
        else:
            writer(2).write(visible(f"warning: {warning}"))


def _listen(host: str, port: int) -> Listener:
    try:
        return Listener.open(host, port)
    except (OSError, UnicodeError) as error:
        problem = f"cannot listen on {host} port {port}: {_reason(error)}"
        raise Refusal(f"{problem}; choose others with --host and --port") from error


def _reason(error: OSError | UnicodeError) -> str:
    if isinstance(error, (socket.gaierror, UnicodeError)) or (error.errno or 0) < 0:  # of getaddrinfo, EAI_NONAME
        return "the name does not resolve"
    return os.strerror(error.errno or 0)


def listen_for_prometheus(host: str, port: int, state: State) -> None:
    """Serve Prometheus. Raises Refusal if that is not possible."""
    try:
        actual = listen(host, port, state)
    except (OSError, UnicodeError) as error:
        problem = f"cannot listen on {host} port {port} for Prometheus: {_reason(error)}"
        raise Refusal(f"{problem}; choose others with --metrics-host and --metrics-port") from error
    logger.info("metrics for Prometheus at http://%s:%s/metrics", host, actual)


def _where(listener: socket.socket, settings: Settings, log_format: str) -> list[str]:
    """Return the lines that say where the server listens, and what to try."""
    definitions = settings.definitions
    host, port = listener.getsockname()[:2]
    base = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    address = f"you@{definitions[0].domains[0]}"
    others = f" and {len(definitions) - 1} more" if len(definitions) > 1 else ""
    if log_format == "json":
        return [f"serving {definitions[0].display_name}{others} on {base}"]
    return [
        f"bt-autoconfig serves {definitions[0].display_name}{others} on {base} (Ctrl-C to stop). To try it:",
        f"  Thunderbird  {base}/mail/config-v1.1.xml?emailaddress={address}",
        f"  Outlook      {base}/autodiscover/autodiscover.xml",
        f"  Apple        {base}/email.mobileconfig?emailaddress={address}",
        f"  Browser      {base}/",
    ]


def _announce(lines: list[str], log_format: str) -> None:
    """Announce to the operator and to systemd that the server is ready."""
    for line in lines:
        if log_format == "json":
            logger.info("%s", line)
        else:
            writer(1).write(visible(line))
    notify_ready()
