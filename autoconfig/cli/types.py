"""Types of options; their errors state the valid values."""

import math
from typing import Any

import click


class Seconds(click.FloatRange):
    """A finite number of seconds in a range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number. `nan` would be in every range, and `inf` in one without a maximum."""
        try:
            finite = math.isfinite(float(value))
        except ValueError:
            finite = False
        if not finite:
            self.fail(f"{value!r} is not a number of seconds; the range is {self._describe_range()}", param, ctx)
        return super().convert(value, param, ctx)


class Number(click.IntRange):
    """A whole number in a range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number."""
        try:
            int(value)
        except ValueError:
            self.fail(f"{value!r} is not a whole number; the range is {self._describe_range()}", param, ctx)
        return super().convert(value, param, ctx)


class Flag(click.types.BoolParamType):
    """A flag, which an environment variable can set."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bool:
        """Return the flag."""
        flag = self.str_to_bool(value)
        if flag is None:
            self.fail(f"{value!r} is not a flag; use 1 or 0", param, ctx)
        return flag


class Choice(click.Choice[str]):
    """One of several texts."""

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str:  # noqa: ARG002
        """Return the choices in one line."""
        return f"Choose from {', '.join(self.choices)}"
