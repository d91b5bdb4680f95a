from __future__ import annotations

from dativo_dagster.orchestration.progress import SECONDS_BETWEEN_LINES, ProgressLog, line
from dativo_ingest.result import Progress


def test_a_line_has_rows_speed_and_percent():
    progress = Progress(
        stream="orders", rows=1_500_000, bytes=50_000_000, total_bytes=200_000_000, units=1, total_units=4, seconds=10
    )
    assert line(progress) == "orders: 1,500,000 rows, 150,000 rows/s, 5 MB/s, 1 of 4 units, 25 %"


def test_a_line_leaves_out_what_nobody_knows():
    assert line(Progress(stream="orders", rows=10)) == "orders: 10 rows"


def test_lines_come_no_faster_than_the_event_log_can_bear():
    now, lines = [0.0], []
    log = ProgressLog(lines.append, clock=lambda: now[0])
    for second in range(60):
        now[0] = float(second)
        for _ in range(100):
            log(Progress(stream="orders", rows=second))
    assert len(lines) == 59 // SECONDS_BETWEEN_LINES


def test_a_short_run_writes_no_line():
    lines = []
    ProgressLog(lines.append)(Progress(stream="orders", rows=10))
    assert lines == []
