from __future__ import annotations

import pytest

from dativo_dagster.config.types import parse_type
from dativo_ingest.batches.wanted import ANY, Want, want


def test_a_type_is_taken_apart():
    found = want('struct<a: list<json>, "b \\"c": map<string,decimal(12,2)>, d: timestamptz[ms]>')
    assert found.part("a").part("element").text
    assert found.part('b "c').part("value") == Want("decimal", (12, 2))
    assert found.part("d") == Want("timestamptz")
    assert found.part("none") is ANY
    assert not found.text


@pytest.mark.parametrize("kind", ["list<", "list<string", "foo>", "struct<a string>", "", "decimal(1", "list<a b>"])
def test_what_is_no_type_wants_nothing(kind):
    assert want(kind) is ANY


@pytest.mark.parametrize(
    "kind", ["int", "decimal(38,9)", "list<map<string,struct<x: time[s]>>>", 'struct<"a, b: c>": string, d: uuid>']
)
def test_it_reads_what_the_platform_writes(kind):
    canonical = str(parse_type(kind))
    assert want(canonical) is not ANY
    assert want(canonical).word == canonical.partition("<")[0].partition("(")[0]
