"""What uvicorn_config.py takes for granted of uvicorn: when a new version fails here, that module has to follow."""

import inspect

import uvicorn
from uvicorn.server import Server, ServerState

from autoconfig.connection_pool import Limits
from autoconfig.uvicorn_config import LimitedConfig


def test_uvicorn_takes_a_function_that_makes_connections_and_calls_it_with_its_state() -> None:
    config = LimitedConfig(lambda: None, Limits())
    config.load()
    assert config.http_protocol_class == config.http, "uvicorn no longer calls Config.http to make a connection"
    source = inspect.getsource(Server.startup)
    assert "config.http_protocol_class(" in source, "uvicorn makes connections in another place than Server.startup"
    assert "server_state=self.server_state" in source, "uvicorn no longer passes server_state to its connections"


def test_uvicorn_shuts_down_the_connections_in_its_state_and_waits_for_them() -> None:
    assert ServerState().connections == set(), "uvicorn keeps its connections elsewhere than in a set"
    source = inspect.getsource(Server.shutdown)
    assert "connection.shutdown()" in source, "uvicorn no longer tells connections to shut down"
    assert "server_state.connections" in inspect.getsource(Server._wait_tasks_to_complete)


def test_uvicorn_keeps_the_application_as_it_is() -> None:
    class Handler:
        pass

    handler = Handler()
    config = LimitedConfig(lambda: handler, Limits(), factory=True)
    config.load()
    assert config.loaded_app is handler, "uvicorn wraps the application: our connections need it as it is"


def test_uvicorn_passes_options_through() -> None:
    assert uvicorn.Config(lambda: None, timeout_graceful_shutdown=7).timeout_graceful_shutdown == 7
