"""The syntax tree of a text in Python, also where other threads, and finalizers, make theirs.

Up to Python 3.11.7 and 3.12.1 all makers of trees count their depth in one place (CPython's issue 106905): what runs
in the middle of one, such as a finalizer whose traceback is printed, makes it fail with a SystemError. Only garbage
collection runs anything there, so it waits.
"""

from __future__ import annotations

import ast
import gc


def tree_of(source: str | bytes, name: str = "<unknown>") -> ast.Module:
    """Parse a module; ``name`` is what messages call it.

    Raises:
        SyntaxError: It is no Python.
        ValueError: It has a zero byte (Python 3.11).
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(source, name)
    finally:
        if collects:
            gc.enable()
