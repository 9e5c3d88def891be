"""Assumptions of uvicorn_server.py about uvicorn. If a new version fails here, that module must change."""

import asyncio
import inspect
import socket
from itertools import count
from types import SimpleNamespace

import pytest
import uvicorn
from uvicorn.server import ServerState

from autoconfig import uvicorn_server
from autoconfig.connection_pool import Limits
from autoconfig.listening import Listener
from autoconfig.requests import Request
from autoconfig.responses import Response, plain_text
from autoconfig.uvicorn_server import LimitedConfig, Server
from tests.http1 import request


def test_uvicorn_calls_a_factory_of_connections_with_its_state() -> None:
    config = LimitedConfig(lambda: None, Limits())
    config.load()
    assert config.http_protocol_class == config.http, "uvicorn no longer calls Config.http to make a connection"
    source = inspect.getsource(uvicorn.Server.startup)
    assert "config.http_protocol_class(" in source, "uvicorn no longer makes connections in Server.startup"
    assert "server_state=self.server_state" in source, "uvicorn no longer passes server_state to its connections"


def test_uvicorn_shuts_down_the_connections_in_its_state_and_waits_for_them() -> None:
    assert ServerState().connections == set(), "uvicorn no longer keeps its connections in a set"
    source = inspect.getsource(uvicorn.Server.shutdown)
    assert "connection.shutdown()" in source, "uvicorn no longer shuts connections down"
    assert "server_state.connections" in inspect.getsource(uvicorn.Server._wait_tasks_to_complete)


def test_uvicorn_does_not_wrap_the_application() -> None:
    class Handler:
        pass

    handler = Handler()
    config = LimitedConfig(lambda: handler, Limits(), factory=True)
    config.load()
    assert config.loaded_app is handler, "uvicorn wraps the application, but our connections need it unwrapped"


@pytest.mark.parametrize("method", ["handle_exit", "startup", "on_tick", "shutdown"])
def test_methods_that_the_server_overrides_have_the_same_parameters_in_uvicorn(method: str) -> None:
    theirs, ours = (inspect.signature(getattr(one, method)).parameters for one in (uvicorn.Server, Server))
    assert list(ours) == list(theirs), f"uvicorn.Server.{method} now has other parameters"


def test_uvicorn_stops_after_a_tick_that_returns_true_and_closes_its_servers() -> None:
    assert "should_exit = await self.on_tick(" in inspect.getsource(uvicorn.Server.main_loop)
    assert "if self.should_exit" in inspect.getsource(uvicorn.Server.on_tick)
    assert "self.servers" in inspect.getsource(uvicorn.Server.shutdown)
    assert "self.handle_exit" in inspect.getsource(uvicorn.Server.capture_signals)


class Crowd:
    """An application that counts open connections at each request, and stops the server after the last request."""

    draining = False

    def __init__(self, size: int) -> None:
        self._size = size
        self.open: list[int] = []
        self.server: Server

    def respond(self, _request: Request) -> Response:
        self.open.append(len(self.server.server_state.connections))
        if len(self.open) == self._size:
            self.server.end()
        return plain_text(200, "")

    def refuse(self, response: Response) -> Response:
        return response

    def evicted(self) -> None:
        pass


def test_pending_connections_are_accepted_before_earlier_requests_are_all_served() -> None:
    size = 50
    listener, served = Listener.open("127.0.0.1", 0), Crowd(size)
    clients = [socket.create_connection(listener.socket.getsockname()) for _ in range(size)]
    for client in clients:
        client.sendall(request())
    served.server = Server(LimitedConfig(served, Limits()), served, listener, 0, lambda: None)
    served.server.listen()
    for client in clients:
        client.close()
    assert len(served.open) == size
    assert served.open[5] == size


def test_shutdown_waits_while_connections_are_pending_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = count(0.0, 0.05)  # independent of the load on the machine
    monkeypatch.setattr(uvicorn_server, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr(uvicorn_server, "_LONGEST_BACKLOG", 0.5)
    listener, served = Listener.open("127.0.0.1", 0), Crowd(1)
    server = Server(LimitedConfig(served, Limits()), served, listener, 0, lambda: None)
    with listener.socket, socket.create_connection(listener.socket.getsockname()):
        asyncio.run(server._empty_backlog())
        assert next(clock) > uvicorn_server._LONGEST_BACKLOG
        listener.socket.accept()[0].close()
        start = next(clock)
        asyncio.run(server._empty_backlog())
        assert next(clock) - start < uvicorn_server._LONGEST_BACKLOG
