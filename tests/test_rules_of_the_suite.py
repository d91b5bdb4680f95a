"""The suite's own rules can fail: no skip in CI, no warning, no unknown mark."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def _run(folder, text, *, ci):
    (folder / "test_it.py").write_text(text)
    options = [
        "-q",
        "-c",
        ROOT / "pyproject.toml",
        "--rootdir",
        folder,
        "-p",
        "tests.conftest",
        "-p",
        "no:cacheprovider",
    ]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "CI": "true" if ci else ""}
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, folder],
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


SKIPS = {
    "a mark": "import pytest\n@pytest.mark.skip(reason='no server')\ndef test(): pass\n",
    "a call in a test": "import pytest\ndef test(): pytest.skip('no server')\n",
    "a call in a module": "import pytest\npytest.skip('no server', allow_module_level=True)\n",
}


@pytest.mark.parametrize("how", SKIPS)
def test_a_test_skipped_by(how, tmp_path):
    """It is fine on a machine that lacks something, and a failure in CI."""
    assert _run(tmp_path, SKIPS[how], ci=False).returncode in {0, 5}
    strict = _run(tmp_path, SKIPS[how], ci=True)
    assert strict.returncode not in {0, 5}
    assert "no server" in strict.stdout


def test_a_warning_is_an_error(tmp_path):
    assert _run(tmp_path, "import warnings\ndef test(): warnings.warn('old')\n", ci=False).returncode == 1


def test_a_mark_that_nobody_declared_is_an_error(tmp_path):
    assert _run(tmp_path, "import pytest\n@pytest.mark.fast\ndef test(): pass\n", ci=False).returncode != 0
