"""Set up an account in Evolution: `evolution_driver.py NAME ADDRESS [PAGE...]`, in the lab's network and in a D-Bus session.

Starts Evolution for the first time and goes through its account assistant with the accessibility interface (AT-SPI).
What Evolution stores stays in its folder. Runs with Debian's Python, which has the bindings of AT-SPI.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any, TypeVar

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi, GLib  # noqa: E402 - the version comes first

_Found = TypeVar("_Found")
_TIMEOUT = 40
"""Seconds for each wait."""
_EVOLUTION = ["chrt", "--reset-on-fork", "--fifo", "1", "evolution", "--component=mail"]
"""Evolution with real-time priority for its main thread only: other threads and processes start with the usual one.

The assistant starts three lookups, each in a thread: WebDAV, SRV records, autoconfig. If a thread
ends before another has started, the whole lookup ends (`e-config-lookup.c`). WebDAV has no password, so it fails within a
millisecond.
If the main thread is preempted after it has started WebDAV, the assistant cancels the other lookups and proposes nothing.
"""
_EVENTS = ("object:state-changed", "object:children-changed", "object:property-change", "window")


def main() -> None:
    name, address, *pages = sys.argv[1:]
    with ExitStack() as running:
        xvfb = ["Xvfb", "-displayfd", "1", "-nolisten", "tcp", "-screen", "0", "1280x1024x24"]
        display = running.enter_context(subprocess.Popen(xvfb, stdout=subprocess.PIPE))
        running.callback(display.terminate)
        assert display.stdout is not None
        os.environ["DISPLAY"] = f":{int(display.stdout.readline())}"
        assistant = Assistant()
        evolution = running.enter_context(subprocess.Popen(_EVOLUTION))
        running.callback(evolution.kill)  # On SIGTERM it may wait for the account's servers.
        set_up(assistant, name, address, pages)


def set_up(assistant: "Assistant", name: str, address: str, pages: list[str]) -> None:
    """Answer every question of the assistant, and accept what it has filled in on `pages`.

    Raises TimeoutError if Evolution proposes no account.
    """
    assistant.press("Next", "Welcome")
    assistant.press("Next", "Restore from Backup")
    assistant.type("Full Name:", name, "Identity")
    assistant.type("Email Address:", address, "Identity")
    assistant.press("Next", "Identity")
    # The assistant skips the pages for the servers if the settings are complete.
    for page in pages:
        assistant.press("Next", page)
    assistant.press("Next", "Account Summary")
    assistant.press("Apply", "Done")
    assistant.wait_for("end", lambda: None if assistant.page("Done") else True)


class Assistant:
    """Evolution's account assistant, as a screen reader sees it: a window whose title is that of its page."""

    def __init__(self) -> None:
        # Evolution may be slow to answer at its start; the default is 0.8 seconds.
        Atspi.set_timeout(_TIMEOUT * 1000, _TIMEOUT * 1000)
        self._changed = False
        self._listener = Atspi.EventListener.new(self._change)
        for event in _EVENTS:
            self._listener.register(event)

    def page(self, title: str) -> Any:
        """Return the window if it shows this page, or else None."""
        desktop = Atspi.get_desktop(0)
        return next(
            (window for app in children(desktop) for window in children(app) if window.get_name() == title), None
        )

    def press(self, button: str, page: str) -> None:
        """Press a button as soon as a page has it."""
        self._part("push button", button, page).do_action(0)

    def type(self, label: str, text: str, page: str) -> None:
        """Fill in the field with this label."""
        for relation in self._part("label", label, page).get_relation_set():
            if relation.get_relation_type() == Atspi.RelationType.LABEL_FOR:
                relation.get_target(0).set_text_contents(text)

    def wait_for(self, wanted: str, look: Callable[[], _Found | None]) -> _Found:
        """Return what `look` finds. It is called at once, after every event, and every second.

        Programs send no events until they have discovered their listeners, so events alone are not enough.
        Raises TimeoutError.
        """
        deadline = time.monotonic() + _TIMEOUT
        while time.monotonic() < deadline:
            self._changed = False
            # Reading an element that has just vanished raises an error.
            with suppress(GLib.Error):
                if (found := look()) is not None:
                    return found
            timer = GLib.timeout_add_seconds(1, self._change)
            while not self._changed:
                GLib.MainContext.default().iteration(True)
            GLib.source_remove(timer)
        shown = [node.get_name() for app in children(Atspi.get_desktop(0)) for node in parts(app)]
        raise TimeoutError(f"no {wanted} within {_TIMEOUT} seconds; shown: {', '.join(filter(None, shown))}")

    def _change(self, _event: object = None) -> bool:
        self._changed = True
        return True  # The timer goes on.

    def _part(self, role: str, name: str, page: str) -> Any:
        def look() -> Any:
            window = self.page(page)
            nodes = parts(window) if window else ()
            return next((node for node in nodes if (node.get_role_name(), node.get_name()) == (role, name)), None)

        return self.wait_for(f"{role} {name!r} on page {page!r}", look)


def parts(node: Any) -> Iterator[Any]:
    """Yield everything in a window that is on the screen and can be used."""
    for child in children(node):
        states = child.get_state_set()
        if states.contains(Atspi.StateType.SHOWING) and states.contains(Atspi.StateType.SENSITIVE):
            yield child
            yield from parts(child)


def children(node: Any) -> Iterator[Any]:
    node.clear_cache()
    found = (node.get_child_at_index(number) for number in range(node.get_child_count()))
    return (child for child in found if child)


if __name__ == "__main__":
    main()
