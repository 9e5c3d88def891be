"""Small changes to Python modules and stylesheets. A test should detect each."""

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple


class Change(NamedTuple):
    """A replacement for the bytes of a file from `start` to `end`."""

    line: int
    start: int
    end: int
    new: bytes

    def apply(self, source: bytes) -> bytes:
        """Return the changed file."""
        return source[: self.start] + self.new + source[self.end :]

    def show(self, source: bytes) -> str:
        """Return the change as one readable line."""
        old = " ".join(source[self.start : self.end].decode().split())
        return f"{old[:70]}  ->  {' '.join(self.new.decode().split())[:70]}"


_COMPARISONS: dict[type[ast.cmpop], ast.cmpop] = {
    ast.Eq: ast.NotEq(), ast.NotEq: ast.Eq(), ast.Lt: ast.LtE(), ast.LtE: ast.Lt(), ast.Gt: ast.GtE(), ast.GtE: ast.Gt(),
    ast.Is: ast.IsNot(), ast.IsNot: ast.Is(), ast.In: ast.NotIn(), ast.NotIn: ast.In(),
}  # fmt: skip
_OPERATORS: dict[type[ast.operator], ast.operator] = {
    ast.Add: ast.Sub(), ast.Sub: ast.Add(), ast.Mult: ast.FloorDiv(), ast.Div: ast.Mult(), ast.FloorDiv: ast.Mult(), ast.Mod: ast.Mult(),
}  # fmt: skip


def of_python(source: bytes) -> Iterator[Change]:
    """Yield changes to a module: other comparisons, conditions, operators and values, and removed statements."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    for node in _code(ast.parse(source)):
        for new in _replacements(node):
            assert isinstance(node, (ast.expr, ast.stmt))
            assert node.end_lineno is not None
            assert node.end_col_offset is not None
            start = starts[node.lineno - 1] + node.col_offset
            end = starts[node.end_lineno - 1] + node.end_col_offset
            yield Change(node.lineno, start, end, new.encode())


def _code(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that run: no annotations, docstrings or parts of f-strings."""
    if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
        return
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return
    yield node
    for name, value in ast.iter_fields(node):
        if name not in ("annotation", "returns", "type_params"):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _code(child)


def _replacements(node: ast.AST) -> Iterator[str]:
    """Yield replacements for a node."""
    if isinstance(node, ast.Constant):
        if (value := _other_value(node.value)) is not None:
            yield repr(value)
    elif isinstance(node, ast.expr):
        yield from _other_expressions(node)
    else:
        yield from _other_statements(node)


def _other_value(value: object) -> object:
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    if isinstance(value, str):
        return f"XX{value}XX"
    return b"XX" + value + b"XX" if isinstance(value, bytes) else None


def _other_expressions(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Compare(ops=[operator]):
            yield ast.unparse(ast.Compare(node.left, [_COMPARISONS[type(operator)]], node.comparators))
        case ast.BoolOp():
            yield ast.unparse(ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values))
        case ast.UnaryOp(op=ast.Not()):
            yield f"({ast.unparse(node.operand)})"
        case ast.BinOp() if type(node.op) in _OPERATORS:
            yield f"({ast.unparse(ast.BinOp(node.left, _OPERATORS[type(node.op)], node.right))})"
        case ast.IfExp():
            yield ast.unparse(ast.IfExp(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse))


def _other_statements(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.AugAssign() if type(node.op) in _OPERATORS:
            yield ast.unparse(ast.AugAssign(node.target, _OPERATORS[type(node.op)], node.value))
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield "return None"
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.Raise():
            yield "pass"
        case ast.Continue():
            yield "break"
        case ast.Break():
            yield "continue"


_CONDITION = re.compile(rb'\btest="([^"]*)"')
_SELECTION = re.compile(rb'\bselect="([^"]*)"')
_LITERAL = re.compile(rb"'([^']*)'")
_TEXT = re.compile(rb">([^<>]*\w[^<>]*)<")


def of_stylesheet(source: bytes) -> Iterator[Change]:
    """Yield changes to a stylesheet: to conditions, literals in expressions, and text."""

    def change(match: re.Match[bytes], new: bytes) -> Change:
        return Change(source.count(b"\n", 0, match.start(1)) + 1, match.start(1), match.end(1), new)

    source = re.sub(rb"<!--.*?-->", lambda comment: re.sub(rb"[^\n]", b" ", comment[0]), source, flags=re.DOTALL)
    for condition in _CONDITION.finditer(source):
        yield change(condition, b"not(%b)" % condition[1])
        for old, new in ((b" and ", b" or "), (b" or ", b" and ")):
            if old in condition[1]:
                yield change(condition, condition[1].replace(old, new, 1))
    for expression in (*_CONDITION.finditer(source), *_SELECTION.finditer(source)):
        for literal in _LITERAL.finditer(expression[1]):
            start, end = literal.span(1)
            yield change(expression, b"%bXX%b" % (expression[1][:start], expression[1][end:]))
    for text in _TEXT.finditer(source):
        yield change(text, b"XX%bXX" % text[1].strip())
