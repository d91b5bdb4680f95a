"""The structs of ctypes are the structs of the header, to the byte."""

from __future__ import annotations

import json
import re
import subprocess

from dativo_ingest.native import abi
from tests.clibrary import ROOT


def test_every_struct_of_the_header_has_the_same_size_and_offsets(tmp_path):
    ours = abi.layout()
    names = {name: [field for field in fields if field] for name, fields in ours.items()}
    c_name = {name: f"struct {name}" if name.startswith("Arrow") else name for name in names}
    lines = [
        f'printf("{name} {field} %zu\\n", offsetof({c_name[name]}, {field}));'
        for name in names
        for field in names[name]
    ]
    lines += [f'printf("{name} - %zu\\n", sizeof({c_name[name]}));' for name in names]
    program = tmp_path / "layout.c"
    program.write_text('#include <stdio.h>\n#include "dativo_plugin.h"\nint main(void) {' + "\n".join(lines) + "}")
    subprocess.run(["cc", "-I", ROOT / "rust_plugins/include", program, "-o", tmp_path / "layout"], check=True)
    printed = subprocess.run([tmp_path / "layout"], check=True, capture_output=True, text=True).stdout
    theirs: dict[str, dict[str, int]] = {name: {} for name in names}
    for line in printed.splitlines():
        name, field, value = line.split()
        theirs[name]["" if field == "-" else field] = int(value)
    assert theirs == ours


def test_no_slot_of_the_header_is_missing():
    """The sizes would not tell if one were added in place of `reserved`."""
    header = re.sub(r"/\*.*?\*/", "", (ROOT / "rust_plugins/include/dativo_plugin.h").read_text(), flags=re.DOTALL)
    for struct in (s for s in abi.STRUCTS if s.__name__.startswith("Dativo")):
        body = header.split(f"typedef struct {struct.__name__} {{")[1].split(f"}} {struct.__name__};")[0]
        named = [re.search(r"\(\*(\w+)\)\(|(\w+)(\[4\])?$", line.strip()) for line in body.split(";")[:-1]]
        assert [found[1] or found[2] for found in named if found] == [name for name, *_ in struct._fields_]


def test_the_constants_are_the_headers():
    header = (ROOT / "rust_plugins/include/dativo_plugin.h").read_text()
    words = {
        "DATIVO_ABI_VERSION": abi.VERSION,
        "DATIVO_OK": abi.OK,
        "DATIVO_ERROR": abi.ERROR,
        "DATIVO_END": abi.END,
        "DATIVO_NOT_IMPLEMENTED": abi.NOT_IMPLEMENTED,
        "DATIVO_PLUGIN_INIT": json.dumps(abi.INIT),
    }
    for name, value in words.items():
        assert f"#define {name} {value}" in header
