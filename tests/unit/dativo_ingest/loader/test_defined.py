"""What a plugin's file shows of its names: a wrong one is told, and what may be right is left to the run."""

from __future__ import annotations

import pytest

from dativo_ingest.exceptions import PluginError
from dativo_ingest.loader import load_class
from dativo_ingest.loader.defined import must_define
from dativo_ingest.model import PluginRef


@pytest.fixture
def plugin(tmp_path):
    """A plugin that is called Reader, with a text."""

    def made(text):
        path = tmp_path / "api.py"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return PluginRef(path=str(path), name="Reader")

    return made


@pytest.mark.parametrize(
    "text",
    [
        "class Reader: pass",
        "import sys\nif sys: \n class Reader: pass\nelse:\n class Other: pass",
        "try:\n import none\nexcept ImportError:\n class Reader: pass",
        "import contextlib\nwith contextlib.nullcontext():\n class Reader: pass",
        "class Base: pass\nReader = Base",
        "class Base: pass\n(Other, *_), Reader = (1,), Base",
        "class Base: pass\nReader: type = Base",
        "class Base: pass\nprint(Reader := Base)",
        "class Base: pass\nfor Reader in [Base]: pass",
        "class Base: pass\nmatch Base:\n case Reader: pass",
        "class Base: pass\nmatch {1: 2}:\n case {**Reader}: Reader = Base",
        "from collections import OrderedDict as Reader",
        "def make():\n global Reader\n class Reader: pass\nmake()",
        "def __getattr__(name): return OrderedDict\nfrom collections import OrderedDict",
        "from names import *",
        "globals()['Reader'] = type('Reader', (), {})",
        "exec('class Reader: pass')",
        "import sys\nsetattr(sys.modules[__name__], 'Reader', type('Reader', (), {}))",
        "import importlib\nimportlib.import_module(__name__).Reader = type('Reader', (), {})",
        "import filling\nfilling.fill(module=__name__)",
        "def use(): pass\nuse.__globals__['Reader'] = type('Reader', (), {})",
        "class Base: pass\ndef use(kind=(Reader := Base)): pass",
        "# -*- coding: latin-1 -*-\nclass Reader: 'n\xe9'".encode("latin-1"),
    ],
)
def test_what_can_be_loaded_is_never_refused(plugin, tmp_path, text):
    (tmp_path / "names.py").write_text("class Reader: pass\n")
    (tmp_path / "filling.py").write_text("import sys\ndef fill(module): sys.modules[module].Reader = dict\n")
    ref = plugin(text)
    must_define(ref)
    assert load_class(ref)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Reader",
        "class Outer:\n class Reader: pass",
        "def make():\n class Reader: pass\n return Reader",
        "from collections import Reader as Other",
        "(lambda: (Reader := 1))",
        "import logging\nlog = logging.getLogger(__name__)\nif __name__ == '__main__': print(__name__ + '!')",
    ],
)
def test_a_name_that_the_module_itself_does_not_get_is_missing(plugin, text):
    with pytest.raises(PluginError) as caught:
        must_define(plugin(text))
    assert caught.value.error_code == "PLUGIN_CLASS_MISSING"


def test_a_missing_class_is_told_as_loading_tells_it(plugin):
    ref = plugin("class ApiReader: pass\nclass Writer: pass\n")
    told = []
    for look in (must_define, load_class):
        with pytest.raises(PluginError) as caught:
            look(ref)
        told.append((caught.value.error_code, caught.value.message))
    assert told[0] == told[1]
    assert told[0][1].endswith("no class 'Reader'; it has ApiReader, Writer; did you mean 'ApiReader'?")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("x = 1\ndef broken(:\n", "api.py:2:12: SyntaxError: "),
        (b"x = '\xff'\n", "api.py"),
        ("x = 1\0", "api.py"),
    ],
)
def test_a_file_that_is_no_python_is_told_with_its_place(plugin, text, where):
    with pytest.raises(PluginError) as caught:
        must_define(plugin(text))
    assert caught.value.error_code == "PLUGIN_IMPORT_FAILED"
    assert f"cannot be imported: {caught.value.details['plugin'].rpartition('/')[0]}/{where}" in caught.value.message


def test_a_file_that_cannot_be_looked_into_is_left_to_the_run(plugin, tmp_path):
    must_define(PluginRef(path=str(tmp_path / "none.py"), name="Reader"))


def test_an_edited_file_is_looked_into_again(plugin):
    with pytest.raises(PluginError):
        must_define(plugin("class Other: pass\n"))
    must_define(plugin("class Reader: pass\n"))
