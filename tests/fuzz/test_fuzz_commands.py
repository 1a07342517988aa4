"""Ten thousand hostile entries for a real daemon; `make fuzz` sends ten times more."""

from __future__ import annotations

from pathlib import Path

from tests.fuzz.storm import Storm


def test_hostile_entries_do_no_harm(tmp_path: Path) -> None:
    with Storm(tmp_path, seed=20_261_122) as storm:
        report = storm.rage(10_000)
    print(report)
    assert not report.problems
    # It was a storm: most of it arrived, was read and judged, and people could work meanwhile.
    assert report.replies.total() > 2_000
    assert report.replies["done"] > 300
    assert len(report.probes) > 10
