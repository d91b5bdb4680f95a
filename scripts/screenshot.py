"""Make docs/images/asset.png: the demo's asset in Dagster's UI, after a run. Called by `make screenshot`."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.servers import browser, dagster_ui  # noqa: E402 - the path comes first

ASSET = "assets/demo/geo/world_cities"
ROWS = "199,550"
TRIES = 20


def main() -> None:
    """Run the demo through the UI and save the page."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(ROOT / "jobs", folder / "jobs")
        with (
            dagster_ui.serve(folder, folder / "jobs") as ui,
            browser.browse(folder, width=1440, height=900, scale=1.5) as page,
        ):
            page.open(f"{ui.url}/{ASSET}")
            page.click("Materialize")
            page.wait_for("Launched run")
            for _ in range(TRIES):
                page.open(f"{ui.url}/{ASSET}")
                time.sleep(5)
                if ROWS in page.text():
                    break
            page.picture(ROOT / "docs" / "images" / "asset.png")


if __name__ == "__main__":
    main()
