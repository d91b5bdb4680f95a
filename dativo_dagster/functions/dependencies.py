"""Packages of an index for a function: resolved for the function's system, not for the one that this runs on.

pip takes wheels only, and only those whose C library is old enough for the runtime. What was resolved once is kept in
the user's cache folder, by requirements and system.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from dativo_dagster.functions.package import Package, pack
from dativo_ingest.exceptions import ConfigurationError

SDK_NEEDS = ("obstore>=0.8", "pyarrow>=17")
"""What the SDK imports in a function."""
_SECONDS = 600
_TAIL = 1500
_LONGEST_PATH = 255
_BASELINES = ((2, 17), (2, 26), (2, 27), (2, 28), (2, 31), (2, 34))
"""The ``manylinux`` systems that wheels are built for: https://github.com/pypa/manylinux"""
_PIP = """
import json, sys
from pip._vendor.packaging import markers
here, theirs = markers.default_environment, json.loads(sys.argv.pop(1))
markers.default_environment = lambda: {**here(), **theirs}
from pip._internal.cli.main import main
sys.exit(main())
"""
"""pip, which by itself holds conditions such as ``; python_version < "3.13"`` against the Python that it runs on, even
where it is told another one: https://github.com/pypa/pip/issues/11664. What the function needs would be missing."""
_NEEDLESS = ("pyarrow/include/", "pyarrow/tests/", "pyarrow/src/", "bin/")


@dataclass(frozen=True)
class System:
    """Where a function runs: ``python`` as ``3.12``, the newest ``glibc`` it may need, and its ``machine``."""

    python: str
    glibc: tuple[int, int]
    machine: str = "x86_64"

    @property
    def platforms(self) -> tuple[str, ...]:
        """Give the platforms of wheels that run there, the newest first."""
        fitting = [version for version in reversed(_BASELINES) if version <= self.glibc]
        named = [f"manylinux_{major}_{minor}_{self.machine}" for major, minor in fitting]
        return (*named, f"manylinux2014_{self.machine}")

    @property
    def markers(self) -> dict[str, str]:
        """Give what conditions of requirements are held against."""
        whole = f"{self.python}.0"
        return {
            "implementation_name": "cpython",
            "implementation_version": whole,
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_system": "Linux",
            "python_full_version": whole,
            "python_version": self.python,
            "sys_platform": "linux",
        }


def dependencies(requirements: Sequence[str], system: System, prefix: str = "") -> Package:
    """Resolve requirements and pack them.

    Args:
        requirements: As pip reads them.
        system: What they must run on.
        prefix: The folder of the archive that they go to, with a slash at the end: ``python/`` in a layer of AWS.

    Raises:
        ConfigurationError: ``REQUIREMENTS_UNRESOLVED``: pip found no wheels that fit, or there is no pip.
    """
    kept = _kept(requirements, system, prefix)
    if kept.is_file():
        return _read(kept)
    with tempfile.TemporaryDirectory(prefix="dativo-pip-") as folder:
        _install(requirements, system, Path(folder))
        found = pack({prefix + name: path.read_bytes() for name, path in _wanted(Path(folder))})
    _keep(kept, found.data)
    return _read(kept)


def _install(requirements: Sequence[str], system: System, folder: Path) -> None:
    if find_spec("pip") is None:
        message = (
            f"{sys.executable} has no pip, which resolves the packages of a function; install it there with "
            "`python -m ensurepip`, with `uv pip install pip`, or as the system's package python3-pip"
        )
        raise ConfigurationError(message, "REQUIREMENTS_UNRESOLVED")
    command = [sys.executable, "-c", _PIP, json.dumps(system.markers), "install"]
    command += ["--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-compile", "--only-binary=:all:", "--implementation=cp", f"--python-version={system.python}"]
    command += [f"--platform={platform}" for platform in system.platforms]
    done = subprocess.run(  # noqa: S603 - our own Python; the requirements come after `--`
        [*command, f"--target={folder}", "--", *requirements],
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode:
        glibc = ".".join(map(str, system.glibc))
        raise ConfigurationError(
            f"pip finds no wheels of {', '.join(requirements)} for Python {system.python} on {system.machine} with "
            f"glibc {glibc}; allow other versions in `requirements`, or take another `runtime`. "
            f"It said: {done.stderr.strip()[-_TAIL:]}",
            "REQUIREMENTS_UNRESOLVED",
            {"requirements": list(requirements), "python": system.python, "glibc": glibc},
        )


def _wanted(folder: Path) -> Iterator[tuple[str, Path]]:
    """Leave out what no plugin imports, and the two files of a wheel's record that name this machine's folder."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not name.startswith(_NEEDLESS) and path.name not in {"RECORD", "direct_url.json"}:
            yield name, path


def _kept(requirements: Sequence[str], system: System, prefix: str) -> Path:
    files = sorted(Path(each).read_bytes() for each in requirements if _is_file(each))
    content = [hashlib.sha256(file).hexdigest() for file in files]
    asked = json.dumps([sorted(requirements), content, system.python, system.platforms, prefix, _NEEDLESS])
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home, "dativo", "packages", f"{hashlib.sha256(asked.encode()).hexdigest()[:32]}.zip")


def _is_file(requirement: str) -> bool:
    return len(requirement) < _LONGEST_PATH and Path(requirement).is_file()


def _read(path: Path) -> Package:
    data = path.read_bytes()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        unzipped = sum(entry.file_size for entry in archive.infolist())
    return Package(lambda: data, hashlib.sha256(data).hexdigest(), unzipped)


def _keep(path: Path, data: bytes) -> None:
    """Appear whole: another process may pack the same at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".draft-")
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    Path(draft).replace(path)
