"""Makes rows out of nothing: what a plugin looks like that needs neither a network nor a file.

source:
  custom_reader: plugins/generator.py:Generator
  engine: {options: {rows: 5000}}
"""

import datetime as dt
from decimal import Decimal

from dativo_ingest import BaseReader, ConnectionTestResult

PAGE = 1000
FIRST = dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc)


class Generator(BaseReader):
    """The same rows every time and in every place, with a value of each common type and a NULL now and then."""

    __version__ = "1.0.0"
    requires_sdk = ">=1.0,<2"

    @property
    def rows(self):
        return int((self.source_config.engine or {}).get("options", {}).get("rows", 5000))

    def check_connection(self):
        return ConnectionTestResult(success=True, message=f"{self.rows} rows can be made")

    def get_total_records_estimate(self):
        return self.rows

    def extract(self, state_manager=None):
        for first in range(0, self.rows, PAGE):
            yield [row(number) for number in range(first, min(first + PAGE, self.rows))]


def row(number):
    """Give one row."""
    moment = FIRST + dt.timedelta(minutes=number, microseconds=number)
    return {
        "id": number,
        "name": None if number % 7 == 0 else f"thing {number} \u00e9\u4e16\U0001f30d",
        "price": Decimal(number) / 100,
        "weight": number / 8,
        "active": number % 2 == 0,
        "day": moment.date(),
        "made_at": moment,
        "code": number.to_bytes(4, "big"),
        "tags": [f"t{number % 3}", f"t{number % 5}"],
        "size": {"width": number % 10, "height": None if number % 11 == 0 else number % 12},
    }
