"""What the bootstrap in Rust and the host in Python must agree on."""

import json

from dativo_ingest.native.errors import _CLASSES
from tests.native import WORKSPACE


def test_both_hosts_make_the_same_class_of_the_same_code():
    table = json.loads((WORKSPACE / "lambda_bootstrap" / "src" / "classes.json").read_text())
    assert table == {kind.__name__: list(codes) for kind, codes in _CLASSES.items()}
