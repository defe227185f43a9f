"""A node's log file: put aside when it has grown, and never in the node's way."""

from __future__ import annotations

import stat
from pathlib import Path

from isthmus.app.rotating_log import RotatingLog


def test_three_older_files_are_kept(tmp_path: Path) -> None:
    """The youngest is number 1; lines are never split over files; all are private."""
    log = RotatingLog(tmp_path / "node.log", maximum_bytes=10)
    for number in range(6):
        log.write(b"line %d..\n" % number)
    log.close()
    kept = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert kept == {
        "node.log": b"line 5..\n",
        "node.log.1": b"line 4..\n",
        "node.log.2": b"line 3..\n",
        "node.log.3": b"line 2..\n",
    }
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_a_log_is_continued(tmp_path: Path) -> None:
    """After a restart, with what is there counted."""
    (tmp_path / "node.log").write_bytes(b"12345678\n")
    log = RotatingLog(tmp_path / "node.log", maximum_bytes=10)
    log.write(b"x\n")
    log.close()
    assert (tmp_path / "node.log").read_bytes() == b"x\n"
    assert (tmp_path / "node.log.1").read_bytes() == b"12345678\n"


def test_a_line_longer_than_a_file_is_written_whole(tmp_path: Path) -> None:
    """Rather than lost."""
    log = RotatingLog(tmp_path / "node.log", maximum_bytes=10)
    log.write(b"y" * 100)
    log.close()
    assert (tmp_path / "node.log").stat().st_size == 100
