"""Limits and defaults are as documented."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import pytest

from autoconfig import files, parsing, requests, signing_queue, workers
from autoconfig.cli.check import check
from autoconfig.cli.init import init
from autoconfig.cli.serve import serve
from autoconfig.connection_pool import Limits
from autoconfig.operations import http
from autoconfig.sources import Options

SECURITY = (Path(__file__).parent.parent / "docs" / "security.md").read_text()
KIB, MIB = 1024, 1024 * 1024


def defaults(command: click.Command) -> dict[str, Any]:
    """Return the defaults of a command's options."""
    context = click.Context(command)
    given = {str(one.name): (one, one.get_default(context)) for one in command.params if not one.multiple}
    return {
        name: one.type_cast_value(context, value) if isinstance(value, (str, int, float)) else None
        for name, (one, value) in given.items()
    }


@pytest.mark.parametrize("kind", [Limits, Options])
def test_defaults_of_the_code_are_those_of_the_command(kind: type[Limits] | type[Options]) -> None:
    of_options = defaults(serve)
    names = {field.name for field in fields(kind)} & of_options.keys()
    assert len(names) > 2
    assert {name: of_options[name] for name in names} == {name: getattr(kind(), name) for name in names}


@pytest.mark.parametrize(
    ("option", "default"),
    [
        ("host", "127.0.0.1"), ("port", 8000), ("workers", 1), ("trusted_proxies", "127.0.0.1,::1"), ("metrics_port", None),
        ("metrics_host", "127.0.0.1"), ("log_format", "text"), ("access_log", False), ("max_connections", 1000),
        ("max_connections_per_client", 100), ("max_head", 16 * KIB), ("head_timeout", 10), ("body_timeout", 10),
        ("keep_alive", 5), ("drain_time", 0), ("grace_time", 20),
    ],
)  # fmt: skip
def test_an_option_has_the_default_that_deployments_rely_on(option: str, default: object) -> None:
    assert defaults(serve)[option] == default


@pytest.mark.parametrize(
    ("command", "option", "least", "most"),
    [
        (serve, "port", 0, 65535), (serve, "metrics_port", 0, 65535), (serve, "workers", 1, None), (serve, "max_connections", 1, None),
        (serve, "max_connections_per_client", 1, None), (serve, "max_head", 1024, None), (serve, "head_timeout", 0.1, None),
        (serve, "body_timeout", 0.1, None), (serve, "keep_alive", 0, None), (serve, "drain_time", 0, None), (serve, "grace_time", 1, None),
        (check, "timeout", 0.1, 300), (check, "max_time", 1, 86400), (init, "timeout", 0.1, 300), (init, "max_time", 1, 86400),
    ],
)  # fmt: skip
def test_an_option_has_the_range_that_deployments_rely_on(
    command: click.Command, option: str, least: float, most: float | None
) -> None:
    (type_,) = [one.type for one in command.params if one.name == option]
    assert isinstance(type_, (click.IntRange, click.FloatRange))
    assert (type_.min, type_.max, type_.min_open, type_.max_open) == (least, most, False, False)


@pytest.mark.parametrize(("option", "default"), [("timeout", 5), ("max_time", 60)])
def test_the_default_time_limits_of_init_are_unchanged(option: str, default: object) -> None:
    assert defaults(init)[option] == default


@pytest.mark.parametrize(("option", "default"), [("timeout", 10), ("max_time", 600)])
def test_the_default_time_limits_of_check_are_unchanged(option: str, default: object) -> None:
    assert defaults(check)[option] == default


@pytest.mark.parametrize(
    ("limit", "value", "stated"),
    [
        (requests.MAX_BODY, 64 * KIB, "64 KiB and 10 s for a body"),
        (Limits().max_head, 16 * KIB, "16 KiB and 10 s for request headers"),
        (files.MAX_DEFINITION, 16 * MIB, "regular files of at most 16 MiB"),
        (files.MAX_PEM, 1 * MIB, "certificates and keys: 1 MiB"),
        (parsing.MAX_ELEMENTS, 25_000, "more than 25,000 elements"),
        (parsing.MAX_ATTRIBUTES, 100, "or more than 100 attributes on one"),
        (Limits().max_connections_per_client, 100, "at most 100 connections per worker"),
        (Limits().max_connections, 1000, "When all 1,000 are in use"),
        (signing_queue.MAX_PENDING, 256, "at most 256 requests wait"),
        (http.MAX_BODY, 256 * KIB, "at most 256 KiB of a body"),
        (http.MAX_HEADERS, 64 * KIB, "64 KiB of headers"),
        (http.MAX_PARTS, 2000, "and 2,000 chunks and 1xx responses"),
        (workers.HUNG, 8, "a hung one within ten"),
    ],
)
def test_a_limit_is_as_docs_security_md_states(limit: float, value: float, stated: str) -> None:
    assert limit == value
    assert stated in SECURITY
