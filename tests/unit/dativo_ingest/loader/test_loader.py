from __future__ import annotations

import pickle
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from dativo_ingest.exceptions import PluginError, PluginVersionError
from dativo_ingest.loader import load_class
from dativo_ingest.model import PluginRef
from dativo_ingest.plugins import BaseReader, BaseWriter

READER = """
from dativo_ingest import BaseReader
class Reader(BaseReader):
    def extract(self, state_manager=None):
        yield []
"""


def _write(path: Path, text: str) -> PluginRef:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text))
    return PluginRef(path=str(path), name="Reader")


def _error(ref, *bases):
    with pytest.raises(PluginError) as caught:
        load_class(ref, *bases)
    return caught.value


def test_dataclasses_with_postponed_annotations_work(tmp_path):
    ref = _write(
        tmp_path / "a.py",
        """
        from __future__ import annotations
        from dataclasses import dataclass, fields
        @dataclass
        class Reader:
            n: int = 3
        """,
    )
    assert load_class(ref)().n == 3


def test_instances_can_be_pickled(tmp_path):
    ref = _write(tmp_path / "a.py", "class Reader:\n    def __init__(self): self.n = 3\n")
    again = pickle.loads(pickle.dumps(load_class(ref)()))
    assert type(again) is load_class(ref)
    assert again.n == 3


def test_a_pickle_can_be_read_by_another_process_that_has_loaded_the_plugin(tmp_path):
    ref = _write(tmp_path / "a.py", "import helper\nclass Reader:\n    n = helper.N\n")
    (tmp_path / "helper.py").write_text("N = 5\n")
    (tmp_path / "pickled").write_bytes(pickle.dumps(load_class(ref)()))
    code = f"""
        import pickle
        from dativo_ingest.loader import load_class
        from dativo_ingest.model import PluginRef
        load_class(PluginRef(path={ref.path!r}, name="Reader"))
        print(pickle.loads(open({str(tmp_path / "pickled")!r}, "rb").read()).n)
    """
    root = Path(__file__).parents[4]
    found = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True, cwd=root
    )
    assert found.stdout.strip() == "5"


def test_two_plugins_with_one_file_name_and_one_name_of_a_helper_do_not_meet(tmp_path):
    classes = []
    for name in ("one", "two"):
        ref = _write(tmp_path / name / "api.py", "import helper\nclass Reader:\n    name = helper.NAME\n")
        (tmp_path / name / "helper.py").write_text(f"NAME = {name!r}\n")
        classes.append(load_class(ref))
    assert [c.name for c in classes] == ["one", "two"]
    assert classes[0].__module__ != classes[1].__module__


def test_every_form_of_an_import_of_a_sibling_works_also_late_and_in_packages(tmp_path):
    ref = _write(
        tmp_path / "api.py",
        """
        import helper, json
        import helper as h
        import pkg.deep
        import pkg.deep as d
        from helper import N as M
        from pkg import deep
        from pkg.deep import VALUE
        from . import helper as relative
        class Reader:
            def all(self):
                from late import LATE
                import pkg.other
                try:
                    import there_is_none
                except ImportError:
                    missing = True
                return [helper.N, h.N, pkg.deep.VALUE, d.VALUE, M, deep.VALUE, VALUE, relative.N, LATE, missing,
                        pkg.other.N, json.loads("1")]
        """,
    )
    _write(tmp_path / "helper.py", "N = 1")
    _write(tmp_path / "late.py", "import helper\nLATE = helper.N + 8")
    _write(tmp_path / "pkg" / "__init__.py", "")
    _write(tmp_path / "pkg" / "deep.py", "from .other import N\nfrom helper import N as M\nVALUE = N + M")
    _write(tmp_path / "pkg" / "other.py", "N = 2")
    assert load_class(ref)().all() == [1, 1, 3, 3, 1, 3, 3, 1, 9, True, 2, 1]


def test_a_folder_without_init_is_a_package_too(tmp_path):
    ref = _write(tmp_path / "api.py", "from parts.one import N\nclass Reader:\n    n = N\n")
    _write(tmp_path / "parts" / "one.py", "N = 7")
    assert load_class(ref).n == 7
    _write(tmp_path / "parts" / "one.py", "N = 8")
    assert load_class(ref).n == 8


def test_siblings_may_import_the_plugin_and_each_other_in_a_circle(tmp_path):
    ref = _write(tmp_path / "api.py", "class Base: pass\nimport helper\nclass Reader(helper.Middle): pass\n")
    _write(tmp_path / "helper.py", "import api\nclass Middle(api.Base): pass\n")
    assert len(load_class(ref).__mro__) == 4


def test_the_standard_library_and_the_sdk_come_before_siblings_and_a_file_is_not_its_own_sibling(tmp_path):
    ref = _write(
        tmp_path / "yaml.py",
        "import json, yaml\nimport dativo_ingest\nclass Reader:\n    found = (json.dumps(1), yaml.safe_load('2'))\n",
    )
    _write(tmp_path / "json.py", "1/0")
    _write(tmp_path / "dativo_ingest.py", "1/0")
    assert load_class(ref).found == ("1", 2)


@pytest.mark.parametrize("name", ["my-api.py", "my.api.py", "42.py", "fran\u00e7ais.py"])
def test_a_file_may_have_any_name(tmp_path, name):
    ref = _write(tmp_path / name, "import helper\nclass Reader:\n    n = helper.N\n")
    _write(tmp_path / "helper.py", "N = 5")
    assert load_class(ref).n == 5


def test_siblings_are_not_seen_by_anybody_else(tmp_path):
    before = list(sys.path)
    _write(tmp_path / "helper_of_this_test.py", "")
    load_class(_write(tmp_path / "api.py", "import helper_of_this_test\nclass Reader: pass\n"))
    assert sys.path == before
    assert "helper_of_this_test" not in sys.modules


def test_resources_lie_beside_the_file(tmp_path):
    ref = _write(
        tmp_path / "api.py",
        "from pathlib import Path\nclass Reader:\n    text = (Path(__file__).parent / 'q.sql').read_text()\n",
    )
    (tmp_path / "q.sql").write_text("select 1")
    assert load_class(ref).text == "select 1"


def test_an_unchanged_plugin_is_executed_once(tmp_path):
    ref = _write(tmp_path / "api.py", "import helper\nhelper.RUNS.append(1)\nclass Reader:\n    runs = helper.RUNS\n")
    _write(tmp_path / "helper.py", "RUNS = []")
    _write(tmp_path / "unrelated.py", "1")
    first = load_class(ref)
    _write(tmp_path / "unrelated.py", "2")
    assert load_class(ref) is first
    assert first.runs == [1]


@pytest.mark.parametrize("edited", ["api.py", "helper.py", "pkg/deep.py"])
def test_an_edited_plugin_or_sibling_is_loaded_anew_at_once(tmp_path, edited):
    files = {
        "api.py": "import helper\nfrom pkg import deep\nclass Reader:\n    n = 1 + helper.N + deep.N\n",
        "helper.py": "N = 10 + 1",
        "pkg/__init__.py": "",
        "pkg/deep.py": "N = 100 + 1",
    }
    for name, text in files.items():
        _write(tmp_path / name, text)
    ref = PluginRef(path=str(tmp_path / "api.py"), name="Reader")
    old = load_class(ref)
    assert old.n == 113
    _write(tmp_path / edited, files[edited].replace("1 +", "2 +").replace("10 +", "20 +").replace("100 +", "200 +"))
    new = load_class(ref)
    assert new.n > old.n
    assert type(pickle.loads(pickle.dumps(old()))) is old, "who still runs the old one is not disturbed"


def test_many_threads_load_one_plugin_once(tmp_path):
    ref = _write(tmp_path / "api.py", "import time\ntime.sleep(0.05)\nclass Reader: pass\n")
    found = []
    threads = [threading.Thread(target=lambda: found.append(load_class(ref))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len(found) == 8


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\nraise ValueError('no token')\n", "ValueError: no token"),
        ("import helper\n", "helper.py:2"),
        ("def broken(:\n", "SyntaxError"),
        ("import there_is_no_such_package\n", "install 'there_is_no_such_package'"),
        ("raise SystemExit(3)\n", "SystemExit"),
        ("\x00", "cannot be imported"),
    ],
)
def test_a_file_that_fails_says_its_own_line(tmp_path, text, said):
    _write(tmp_path / "helper.py", "\n1/0\n")
    error = _error(_write(tmp_path / "api.py", text))
    assert error.error_code == "PLUGIN_IMPORT_FAILED"
    assert said in error.message
    assert "api.py" in error.message
    assert error.__cause__ is not None


def test_a_file_that_failed_is_tried_again(tmp_path):
    ref = _write(tmp_path / "api.py", "import os\nif 'WAS_BAD' not in os.environ:\n    1/0\nclass Reader: pass\n")
    _error(ref)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAS_BAD", "1")
        assert load_class(ref)


def test_a_missing_class_says_which_there_are(tmp_path):
    error = _error(_write(tmp_path / "api.py", "from pathlib import Path\nclass ApiReader: pass\n"))
    assert error.error_code == "PLUGIN_CLASS_MISSING"
    assert "it has ApiReader" in error.message
    assert "Path" not in error.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Reader = 5", "not a class"),
        ("class Reader: pass", "BaseReader or BaseWriter"),
        ("from dativo_ingest import BaseReader\nclass Reader(BaseReader): pass", "does not define extract"),
    ],
)
def test_a_class_of_another_kind_is_refused(tmp_path, text, said):
    error = _error(_write(tmp_path / "api.py", text), BaseReader, BaseWriter)
    assert error.error_code == "PLUGIN_WRONG_CLASS"
    assert said in error.message


def test_a_plugin_for_another_sdk_is_refused_and_both_sides_are_named(tmp_path):
    ref = _write(tmp_path / "api.py", READER + "    requires_sdk = '>=9'\n")
    with pytest.raises(PluginVersionError) as caught:
        load_class(ref)
    assert ref.path in caught.value.message
    assert ">=9" in caught.value.message
    assert caught.value.details["plugin_version"] in caught.value.message


def test_a_plugin_that_says_nothing_of_versions_is_loaded(tmp_path):
    assert issubclass(load_class(_write(tmp_path / "api.py", READER), BaseReader), BaseReader)
