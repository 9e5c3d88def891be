"""The configurations for nginx and Caddy. tests/deploy/test_export.py runs both servers with those of an export."""

from pathlib import Path

import pytest

from autoconfig.operations.webservers import NAMES, Headers, Location, Site, configurations

XML: Headers = (("content-type", "text/xml; charset=utf-8"), ("cache-control", "max-age=3600"))
PAGE: Headers = (("content-type", "text/html"), ("x-frame-options", "DENY"))
FILE = "autoconfig.a.example/config.xml"
SITES = [
    Site(
        ("autoconfig.a.example",),
        (Location("/mail/config-v1.1.xml", FILE, XML), Location("/setup/", "autoconfig.a.example/setup/i.html", PAGE)),
        (),
        "autoconfig.a.example",
    ),
    Site(
        ("autoconfig.b.example", "autoconfig.c.example"),
        (Location("/mail/config-v1.1.xml", FILE, XML),),
        ("/setup/",),
        "autoconfig.a.example",
    ),
    Site(("b.example",), (Location("/.well-known/x.xml", FILE, XML),), (), "autoconfig.a.example"),
]
ROOT = Path('/srv/a "b" \\c')


@pytest.mark.parametrize("name", NAMES)
def test_a_small_export_has_exactly_this_configuration(name: str) -> None:
    """Three sites: one with two kinds of headers, one that redirects its pages to the first, and one for a website."""
    assert configurations(SITES, ROOT)[name] == (Path(__file__).parent / "webservers" / name).read_text()


@pytest.mark.parametrize(("length", "size"), [(31, 64), (32, 128), (95, 128), (96, 256)])
def test_nginxs_buckets_hold_the_longest_key_and_32_bytes_more(length: int, size: int) -> None:
    host = "a" * length
    site = Site((host,), (Location("/", "f", XML),), (), host)
    assert f"map_hash_bucket_size {size};" in configurations([site], ROOT)["nginx-http.conf"].splitlines()


@pytest.mark.parametrize(("hosts", "size"), [(1, 2048), (1023, 2048), (1024, 4096), (2048, 8192)])
def test_nginxs_tables_have_twice_as_many_places_as_rows(hosts: int, size: int) -> None:
    names = tuple(f"a{number}.example" for number in range(hosts))
    site = Site(names, (Location("/", "f", XML),), (), names[0])
    assert f"map_hash_max_size {size};" in configurations([site], ROOT)["nginx-http.conf"].splitlines()
    locations = tuple(Location(f"/{name}", "f", XML) for name in names)
    site = Site(names[:1], locations, (), names[0])
    assert f"map_hash_max_size {size};" in configurations([site], ROOT)["nginx-http.conf"].splitlines()
