"""The Python API, used by another application."""

import asyncio
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route
from starlette.types import Message, Scope

from autoconfig import Definition, DefinitionError, application
from autoconfig.address import MailAddress
from autoconfig.protocols.autodiscover import request_for
from tests.support import Write, wait_until

CONFIG = "/mail/config-v1.1.xml"


ClientOf = Callable[..., httpx.Client]


PROJECT = Path(__file__).parent.parent


@contextmanager
def running(app: Starlette, host: str) -> Iterator[httpx.Client]:
    """Serve an application with uvicorn; yield a client that requests a host."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    assert wait_until(lambda: server.started)
    try:
        url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        with httpx.Client(base_url=url, headers={"Host": host}) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def client_of() -> Iterator[ClientOf]:
    with ExitStack() as stack:
        yield lambda *routes, host="www.example.com": stack.enter_context(running(Starlette(routes=routes), host))


def test_without_definitions_it_serves_bt_mail(client_of: ClientOf) -> None:
    response = client_of(Mount("/", application())).get(CONFIG)
    assert response.status_code == 200
    assert "<domain>btinternet.com</domain>" in response.text


def test_it_serves_a_definition_from_a_file(client_of: ClientOf, write: Write) -> None:
    response = client_of(Mount("/", application(Definition.from_file(write())))).get(
        f"{CONFIG}?emailaddress=fred@example.com"
    )
    assert "<hostname>imap.example.com</hostname>" in response.text


def test_every_protocol_works_below_a_path_of_another_application(client_of: ClientOf, write: Write) -> None:
    mounted = application(Definition.from_file(write()), root_path="/setup")
    client = client_of(Route("/", lambda _: PlainTextResponse("the other application")), Mount("/setup", mounted))
    assert client.get("/").text == "the other application"
    address = MailAddress("fred", "example.com")
    assert client.get(f"/setup{CONFIG}").headers["content-type"] == "text/xml; charset=utf-8"
    assert "imap.example.com" in client.post("/setup/autodiscover/autodiscover.xml", content=request_for(address)).text
    assert "imap.example.com" in client.get("/setup/email.mobileconfig").text


def test_every_link_of_the_setup_page_works_below_a_path(client_of: ClientOf, write: Write) -> None:
    client = client_of(Mount("/a/b", application(Definition.from_file(write()), root_path="/a/b")))
    pages, seen = ["/a/b/"], set[str]()
    while pages:
        path = pages.pop()
        seen.add(path)
        response = client.get(path)
        assert response.status_code == 200, path
        found = set(re.findall(r'(?:href|src|formaction)="(/[^"]*)"', response.text))
        assert all(one.startswith("/a/b/") for one in found)
        pages += found - seen - set(pages)
    assert {"/a/b/en/", "/a/b/cy/setup/iphone/", "/a/b/de/settings/"} <= seen


def test_the_setup_page_passes_the_address_to_the_profile_below_a_path(client_of: ClientOf, write: Write) -> None:
    client = client_of(Mount("/a/b", application(Definition.from_file(write()), root_path="/a/b")))
    choice = client.post("/a/b/en/", data={"emailaddress": "fred@example.com"})
    assert 'formaction="/a/b/en/setup/iphone/"' in choice.text
    phone = client.post("/a/b/en/setup/iphone/", data={"emailaddress": "fred@example.com"})
    assert 'action="/a/b/email.mobileconfig"' in phone.text
    assert client.post("/a/b/email.mobileconfig", data={"emailaddress": "fred@example.com"}).status_code == 200


def test_an_application_can_have_a_host_of_another_application(client_of: ClientOf, write: Write) -> None:
    ours = application(Definition.from_file(write()))
    client = client_of(Host("autoconfig.example.com", ours), host="autoconfig.example.com")
    assert "imap.example.com" in client.get(CONFIG).text


def test_the_example_in_the_documentation_works(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write().parent)
    (example,) = re.findall(r"```python\n(.*?)```", (PROJECT / "docs" / "api.md").read_text(), re.DOTALL)
    found: dict[str, Any] = {}
    exec(example, found)
    with running(found["app"], "autoconfig.example.com") as client:
        assert "imap.example.com" in client.get(CONFIG).text
        page = client.get("/mail-setup/", headers={"Host": "www.example.com"})
        assert 'href="/mail-setup/cy/"' in page.text


def test_an_invalid_definition_is_reported_with_its_line(write: Write) -> None:
    with pytest.raises(DefinitionError, match=r"provider\.xml:\d+: port 99999 is out of range"):
        Definition.from_file(write({"<port>143</port>": "<port>99999</port>"}))


def test_a_missing_file_is_reported() -> None:
    with pytest.raises(DefinitionError, match="no-such-file"):
        Definition.from_file("no-such-file.xml")


def test_two_definitions_of_one_domain_are_an_error(write: Write) -> None:
    one, other = (Definition.from_file(write(name=name)) for name in ("one.xml", "other.xml"))
    with pytest.raises(DefinitionError, match=r"other\.xml:\d+: domain example\.com"):
        application(one, other)


@pytest.mark.parametrize("path", ["mail", "/mail/", "/", "/a b", '/"><script>', "//evil.example"])
def test_an_invalid_root_path_is_rejected(path: str) -> None:
    with pytest.raises(ValueError, match="root_path"):
        application(root_path=path)


def test_an_unknown_attribute_of_the_package_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        __import__("autoconfig").nothing  # noqa: B018


def test_importing_the_package_imports_no_server() -> None:
    code = "import autoconfig, sys; print(sorted({'starlette', 'uvicorn', 'lxml'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


def exchange(scope: Scope, *received: str) -> list[str]:
    """Send messages to an application and return the types of those that it sends."""
    messages, sent = [{"type": one} for one in received], []

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message["type"])

    async def run() -> None:
        await application()(scope, receive, send)

    asyncio.run(run())
    assert not messages
    return sent


def test_a_server_that_needs_lifespan_can_run_the_application_alone() -> None:
    sent = exchange({"type": "lifespan"}, "lifespan.startup", "lifespan.shutdown")
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_a_websocket_is_refused() -> None:
    scope = {"type": "websocket", "path": "/", "query_string": b"", "headers": []}
    assert exchange(scope, "websocket.connect") == ["websocket.close"]
