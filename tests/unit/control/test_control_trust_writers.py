"""The trusted folder is written by the platform API and by the supervisor, perhaps at the same moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from isthmus.control.trust_files import write_trusted_folder
from isthmus.control.trust_records import DirectTrust, DirectTrustType, TrustSettings


def _trust(*labels: str) -> TrustSettings:
    return TrustSettings(
        direct=tuple(
            DirectTrust(
                uid=label, type=DirectTrustType.PROXY, name=label, trust_all=False, certificates=(label,)
            )
            for label in labels
        )
    )


def test_two_writers_do_not_stand_in_each_others_way(tmp_path: Path) -> None:
    """A file that the other one has removed already is no error; the last one written is what counts."""
    settings = [_trust("a", "b"), _trust("a"), _trust()]

    def write(number: int) -> None:
        write_trusted_folder(tmp_path, settings[number % 3])

    with ThreadPoolExecutor(3) as executor:
        list(executor.map(write, range(150)))
    write_trusted_folder(tmp_path, settings[1])
    assert [path.read_text() for path in tmp_path.glob("*.crt")] == ["a"]
