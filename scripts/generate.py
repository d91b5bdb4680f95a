"""Write what is made from code: the JSON Schemas and docs/errors.md. `--check` only says what is out of date.

python scripts/generate.py [--check]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from dativo_dagster.config.schema import write_schemas
from dativo_ingest import exceptions

ROOT = Path(__file__).parents[1]


def errors_page() -> str:
    """Give docs/errors.md from the table of codes."""
    head = (
        "# Errors\n\n"
        "After this page you can look up any code that dativo prints. Every error has a code, a message that says what\n"
        "was wrong, where and what to do, and a flag that says whether the run tries again by itself. This page is made\n"
        "from `dativo_ingest/exceptions.py`.\n\n"
        "| Code | What it means | What to do |\n|---|---|---|\n"
    )
    rows = [f"| `{code}` | {means} | {todo} |" for code, (means, todo) in sorted(exceptions.CODES.items())]
    return head + "\n".join(rows) + "\n"


def generate(root: Path) -> list[Path]:
    """Write every generated file below ``root`` and give their paths."""
    page = root / "docs" / "errors.md"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(errors_page(), encoding="utf-8")
    schemas = root / "dativo_dagster" / "schemas"
    schemas.mkdir(parents=True, exist_ok=True)
    write_schemas(schemas)
    return [page, *sorted(schemas.glob("*.json"))]


def stale() -> list[str]:
    """Give the names of the committed files that generating would change."""
    with tempfile.TemporaryDirectory() as folder:
        made = generate(Path(folder))
        pairs = [(path, ROOT / path.relative_to(folder)) for path in made]
        return [
            str(old.relative_to(ROOT)) for new, old in pairs if not old.exists() or old.read_bytes() != new.read_bytes()
        ]


def main() -> None:
    """Generate, or check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    if not parser.parse_args().check:
        generate(ROOT)
    elif old := stale():
        sys.exit(f"out of date: {', '.join(old)}; run `python scripts/generate.py`")


if __name__ == "__main__":
    main()
