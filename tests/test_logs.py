"""Log lines: a reader that stalls or exits never blocks the server."""

import json
import logging
import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from autoconfig.logs import MAX_QUEUE, JSONFormatter, LineHandler, LineWriter, TextFormatter
from tests.support import COMMAND, TIMEOUT, client, get, wait_until

LINES = 20_000
"""More lines than a pipe and the queue can hold."""


@contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    try:
        yield reading, writing
    finally:
        os.close(reading)
        os.close(writing)


def read_all(descriptor: int) -> bytes:
    """Read everything that is available now or within a second."""
    os.set_blocking(descriptor, False)
    received = bytearray()

    def read() -> bool:
        try:
            while more := os.read(descriptor, 1024 * 1024):
                received.extend(more)
        except BlockingIOError:
            return False
        return True

    wait_until(read, seconds=1)
    return bytes(received)


def test_lines_are_written_whole_and_in_order() -> None:
    with pipe() as (reading, writing):
        writer = LineWriter(writing)
        lines = [f"{number} {'x' * (number % 300)}" for number in range(200)]
        for line in lines:
            writer.write(line)
        writer.flush()
        assert read_all(reading).decode().splitlines() == lines


def test_unread_lines_are_dropped_counted_and_reported_later() -> None:
    with pipe() as (reading, writing):
        writer = LineWriter(writing)
        counted = []
        writer.on_drop = lambda: counted.append(1)
        for _ in range(LINES):
            writer.write("x" * 99)
        assert LINES - MAX_QUEUE // 100 - 2000 < writer.dropped == len(counted) < LINES
        received = read_all(reading).decode().splitlines()
        reports = [line for line in received if line != "x" * 99]
        assert reports == [f"{writer.dropped} log lines were dropped: they were not read fast enough"]
        assert len(received) - 1 + writer.dropped == LINES


def test_the_writer_waits_for_a_non_blocking_pipe() -> None:
    with pipe() as (reading, writing):
        os.set_blocking(writing, False)
        writer = LineWriter(writing)
        for _ in range(2000):
            writer.write("x" * 99)
        assert len(read_all(reading)) == 200_000
        assert not writer.dropped


def test_lines_are_dropped_if_the_reader_is_gone() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        writer = LineWriter(writing)
        writer.write("lost")
        assert wait_until(lambda: writer.dropped == 1)
    finally:
        os.close(writing)


def test_threads_can_write_lines_concurrently() -> None:
    with pipe() as (reading, writing):
        writer = LineWriter(writing)

        def write() -> None:
            for _ in range(500):
                writer.write("line")

        threads = [threading.Thread(target=write) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert read_all(reading) == b"line\n" * 2000


@pytest.mark.parametrize("formatter", [TextFormatter(), JSONFormatter()])
def test_control_characters_in_a_message_do_not_reach_a_terminal(formatter: logging.Formatter) -> None:
    record = logging.LogRecord("x", logging.ERROR, "x", 1, "a\x1b]0;b\x07\x9bc\nd\u202ee", None, None)
    line = formatter.format(record)
    assert line.isprintable()
    if isinstance(formatter, JSONFormatter):
        assert json.loads(line)["message"].startswith("a\\x1b]0;b")


def error() -> logging.LogRecord:
    return logging.LogRecord("x", logging.ERROR, "x.py", 1, "%s failed", ("Bücher",), None)


def test_a_json_line_has_time_level_message_and_fields() -> None:
    record = error()
    record.created, record.msecs = 86400.0078125, 7.8125
    record.__dict__["fields"] = {"route": "autoconfig"}
    line = JSONFormatter().format(record)
    assert json.loads(line) == {
        "time": "1970-01-02T00:00:00.007Z",
        "level": "error",
        "message": "Bücher failed",
        "route": "autoconfig",
    }
    assert "Bücher" in line


def test_a_text_line_has_level_message_and_the_place_of_an_exception() -> None:
    assert TextFormatter().format(error()) == "ERROR: Bücher failed"
    record = error()
    record.exc_info = (ValueError, ValueError("secret"), None)
    assert TextFormatter().format(record) == "ERROR: Bücher failed (ValueError at ?:0)"


def test_dropped_lines_are_reported_in_the_format_of_the_log() -> None:
    handler = LineHandler(2)
    handler.setFormatter(JSONFormatter())
    report = json.loads(handler._describe(3))
    message = "3 log lines were dropped: they were not read fast enough"
    assert (report["level"], report["message"], report["dropped"]) == ("warning", message, 3)


def test_a_very_long_line_is_truncated() -> None:
    with pipe() as (reading, writing):
        writer = LineWriter(writing)
        writer.write("x" * 65_537)
        writer.write("y")
        with open(reading, "rb", closefd=False) as reader:
            assert reader.read(65_539) == b"x" * 65_536 + b"\ny\n"


@pytest.mark.long
@pytest.mark.parametrize(("workers", "format_"), [("1", "text"), ("2", "json")])
def test_a_stalled_log_reader_does_not_block_the_server(workers: str, format_: str) -> None:
    arguments = ["--port", "0", "--access-log", "--log-format", format_, "--workers", workers, "--metrics-port", "0"]
    with subprocess.Popen(
        [COMMAND, "serve", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/"
    ) as process:
        assert process.stdout
        try:
            text = ""
            while not (found := re.search(r"http://127\.0\.0\.1:(\d+)[ \"](?!.*metrics)", text)):
                text += process.stdout.readline().decode()
            (metrics_port,) = re.findall(r":(\d+)/metrics", text)
            # From here on, nothing reads the log.
            with client(f"http://127.0.0.1:{found[1]}") as http:
                flood(int(found[1]))
                assert http.get("/healthz").status_code == 200
            process.send_signal(signal.SIGHUP)
            assert wait_until(lambda: dropped(metrics_port) > 0)
            output = bytearray()
            reader = threading.Thread(target=lambda: output.extend(process.stdout.read() if process.stdout else b""))
            reader.start()
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=TIMEOUT) == 0
            reader.join()
            assert re.search(rb"[1-9]\d* log lines were dropped: they were not read fast enough", output)
        finally:
            process.kill()


def flood(port: int) -> None:
    """Send one worker more requests than a pipe and the queue can hold log lines."""
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        for _ in range(400):
            connection.sendall(request * 40)
            received = 0
            while received < 40:
                received += connection.recv(1024 * 1024).count(b"ok\n")


def dropped(port: str) -> float:
    text = get(f"http://127.0.0.1:{port}/metrics").text
    return float(re.findall(r"^bt_autoconfig_log_lines_dropped_total (\S+)$", text, re.MULTILINE)[0])


@pytest.mark.long
def test_a_stalled_log_reader_does_not_delay_shutdown() -> None:
    with subprocess.Popen(
        [COMMAND, "serve", "--port", "0", "--access-log"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/"
    ) as process:
        assert process.stdout
        try:
            text = ""
            while not (found := re.search(r"http://127\.0\.0\.1:(\d+) ", text)):
                text += process.stdout.readline().decode()
            flood(int(found[1]))
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=TIMEOUT) == 0
        finally:
            process.kill()


def test_a_json_line_has_the_kind_and_place_of_an_exception_but_not_its_message() -> None:
    try:
        raise ValueError("fred@example.com")
    except ValueError as error:
        record = logging.LogRecord("x", logging.ERROR, "x.py", 1, "it failed", None, (ValueError, error, None))
        place = f"{__file__}:{error.__traceback__.tb_lineno if error.__traceback__ else 0}"
    line = JSONFormatter().format(record)
    assert json.loads(line)["exception"] == f"ValueError at {place}"
    assert "fred" not in line
