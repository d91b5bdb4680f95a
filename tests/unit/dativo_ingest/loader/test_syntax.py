"""A syntax tree is made whatever a garbage collection runs."""

from __future__ import annotations

import ast
import gc

import pytest

from dativo_ingest.loader.syntax import tree_of

SOURCE = "\n".join(f"def f{n}(a): return [a, {{'b': (a, {n})}}]" for n in range(200))


def test_what_a_collection_runs_meanwhile_may_make_trees_too() -> None:
    before, times = gc.get_threshold(), []

    def makes_one(*_: object) -> None:
        times.append(ast.parse("a = 1"))

    gc.callbacks.append(makes_one)
    gc.set_threshold(1)
    try:
        trees = [tree_of(SOURCE) for _ in range(20)]
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(makes_one)
    assert {len(tree.body) for tree in trees} == {200}
    assert times
    assert gc.isenabled()


def test_a_text_that_is_no_python_leaves_collections_on() -> None:
    with pytest.raises(SyntaxError):
        tree_of("def (")
    assert gc.isenabled()
