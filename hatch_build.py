"""Put what is written in Rust into the wheel; hatchling calls it.

With cargo the wheel is one for this platform and any Python 3, and has the libraries. Without, it is the pure wheel and
says what it lacks; so it does when ``DATIVO_PURE=1`` asks for it. A build that fails is an error: a release that lacks
its libraries in silence would be worse. An editable install builds nothing: `make rust` does, into the same folder.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import platform_tags

NATIVE = "dativo_dagster/native"
PROGRAM = "lambda_bootstrap"  # what runs native plugins in AWS Lambda


class Libraries(BuildHookInterface[Any]):
    """Build the libraries and lay them into the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Say what the wheel has beside the Python files; ``version`` is ``standard`` or ``editable``."""
        if version == "editable":
            return
        why = _cannot()
        if why:
            self.app.display_warning(f"a wheel without native:csv_reader and native:parquet_writer: {why}")
            return
        subprocess.run(["bash", "scripts/rust", "build"], cwd=self.root, check=True)  # noqa: S607 - our script
        files = [*Path(self.root, NATIVE).glob("lib*"), Path(self.root, NATIVE, PROGRAM)]
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{self._platform(files)}"
        for built in files:
            build_data["force_include"][str(built)] = f"{NATIVE}/{built.name}"

    def _platform(self, files: list[Path]) -> str:
        """Name the systems that can load the files, as PEP 600 does: those whose glibc is as new as they need."""
        if sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
            return next(platform_tags())
        sys.path.insert(0, self.root)  # what reads ELF files needs no package
        from dativo_dagster.functions.glibc import needs

        major, minor = max(needs(file).glibc for file in files)
        return f"manylinux_{major}_{minor}_{platform.machine()}"


def _cannot() -> str | None:
    """Say why nothing can be built here; None when it can."""
    if os.environ.get("DATIVO_PURE"):
        return "DATIVO_PURE is set"
    path = f"{os.environ.get('PATH', '')}{os.pathsep}{Path.home() / '.cargo' / 'bin'}"
    missing = [program for program in ("bash", "cargo") if shutil.which(program, path=path) is None]
    if missing:
        return f"{' and '.join(missing)} not on the path; Rust is at https://rustup.rs, then build the wheel again"
    return None
