"""The audit log's file: whole lines, bounded queue, rotation, and telling what is missing."""

from __future__ import annotations

import json
import stat
import threading
import time
from pathlib import Path
from typing import Any

from isthmus.app.audit_log import AuditLog


def read(path: Path) -> list[dict[str, Any]]:
    """Answer the lines of a file, each of which must be JSON."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_lines_are_written_in_order(tmp_path: Path) -> None:
    """Everything taken is in the file once it is closed, for its owner only."""
    path = tmp_path / "audit.json"
    log = AuditLog(path)
    for number in range(1_000):
        log.write({"number": number})
    log.close()
    assert [line["number"] for line in read(path)] == list(range(1_000))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_text_that_is_no_unicode_and_odd_values_are_taken(tmp_path: Path) -> None:
    """Nothing that can stand in a header or path stops the log."""
    path = tmp_path / "audit.json"
    log = AuditLog(path)
    log.write({"text": "\udcff", "nested": {"names": ["\ud800", "ok"]}, "path": tmp_path})
    log.write({"text": "ü\n\x00"})
    log.close()
    first, second = read(path)
    assert "udcff" in first["text"]
    assert first["nested"]["names"][1] == "ok"
    assert second["text"] == "ü\n\x00"


def test_files_are_rotated_between_lines(tmp_path: Path) -> None:
    """No file grows beyond its size, older ones are kept to a number, and none is cut inside a line."""
    path = tmp_path / "audit.json"
    log = AuditLog(path, maximum_bytes=2_000, kept_files=2)
    for number in range(500):
        log.write({"number": number, "text": "x" * 40})
    log.close()
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["audit.json", "audit.json.1", "audit.json.2"]
    assert all(file.stat().st_size <= 2_000 for file in files)
    assert read(path)[-1]["number"] == 499
    assert read(files[1])[-1]["number"] == read(path)[0]["number"] - 1


def test_a_full_queue_drops_and_tells(tmp_path: Path) -> None:
    """A writer that cannot keep up costs lines, never a request, and the file says how many."""
    path = tmp_path / "audit.json"
    log = AuditLog(path, queued_lines=10)
    with log._lock:  # the thread stands still here once it has lines
        log.write({"number": 0})
        while log._waiting:
            time.sleep(0.001)
        for number in range(1, 11):
            log.write({"number": number})
        counting = threading.Thread(target=lambda: [log.write({"number": 99}) for _ in range(7)])
        counting.start()
    counting.join()
    log.close()
    notices = [line["count"] for line in read(path) if line.get("event.action") == "events_dropped"]
    written = [line["number"] for line in read(path) if "number" in line]
    assert written[:11] == list(range(11))
    assert sum(notices) + log.dropped + len(written) == 18


def test_what_could_not_be_written_is_told_later(tmp_path: Path) -> None:
    """A disk that takes nothing for a while leaves a line that says how much is missing."""
    path = tmp_path / "audit.json"
    log = AuditLog(path)
    log._file._file.close()
    path.unlink()
    path.mkdir()
    log.write({"number": 1})
    while not log.dropped:
        time.sleep(0.001)
    path.rmdir()
    log.write({"number": 2})
    while log.dropped == 1 and not path.exists():
        time.sleep(0.001)
    log.write({"number": 3})
    log.close()
    notices = [line["count"] for line in read(path) if line.get("event.action") == "events_dropped"]
    written = [line["number"] for line in read(path) if "number" in line]
    assert sum(notices) + len(written) == 3
    assert written[-1] == 3
