"""The keystore: encrypted, atomic, shared by processes, and silent about values."""

from __future__ import annotations

import multiprocessing
import pickle
import stat
from pathlib import Path

import pytest

from isthmus.errors import Failure, FailureKind
from isthmus.security.keystore import Keystore, remote_credentials_setting
from isthmus.security.secret import Secret

EU = remote_credentials_setting("eu")
US = remote_credentials_setting("us")
VALUE = "a2V5LWlkOnNlY3JldC12YWx1ZQ=="


@pytest.fixture
def paths(tmp_path: Path) -> tuple[Path, Path]:
    """Give the paths of a keystore and its key."""
    return tmp_path / "keystore", tmp_path / "keystore.key"


def test_a_setting_is_read_back_by_another_reader(paths: tuple[Path, Path]) -> None:
    """What one writes another that opens the same files reads."""
    writer = Keystore.create(*paths)
    writer.set(EU, Secret(VALUE))
    reader = Keystore(*paths)
    assert reader.names() == (EU,)
    assert reader.get(EU) == Secret(VALUE)
    assert reader.get(US) is None


def test_nothing_of_a_setting_is_readable_in_the_file(paths: tuple[Path, Path]) -> None:
    """Neither names nor values stand in the file, and only its owner may read the files."""
    Keystore.create(*paths).set(EU, Secret(VALUE))
    content = paths[0].read_bytes()
    assert VALUE.encode() not in content
    assert b"cluster.remote" not in content
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o600}
    assert sorted(path.name for path in paths[0].parent.iterdir()) == [
        "keystore",
        "keystore.key",
        "keystore.lock",
    ]


def test_a_change_on_disk_is_noticed(paths: tuple[Path, Path]) -> None:
    """A reader sees at once what another process has set, changed or removed."""
    reader, writer = Keystore.create(*paths), Keystore(*paths)
    assert reader.names() == ()
    assert not reader.has_changed()
    writer.set(EU, Secret("one"))
    assert reader.has_changed()
    assert reader.get(EU) == Secret("one")
    assert not reader.has_changed()
    writer.set(EU, Secret("two"))
    assert reader.get(EU) == Secret("two")
    assert writer.remove(EU) is True
    assert reader.names() == ()
    assert writer.remove(EU) is False


def test_several_changes_are_one_step(paths: tuple[Path, Path]) -> None:
    """One bad setting among several leaves everything as it was."""
    keystore = Keystore.create(*paths)
    keystore.set(EU, Secret("old"))
    with pytest.raises(Failure, match="unknown secure setting"):
        keystore.change({US: Secret("x"), EU: None, "cluster.remote.eu.credential": Secret("x")})
    assert keystore.names() == (EU,)
    keystore.change({US: Secret("x"), EU: None})
    assert Keystore(*paths).names() == (US,)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("", "does not match the allowed setting name pattern"),
        ("cluster.remote.a b.credentials", "does not match the allowed setting name pattern"),
        ("cluster.remote.eu.credential", "unknown secure setting [cluster.remote.eu.credential]"),
        ("xpack.something.secure_password", "unknown secure setting"),
        ("cluster.remote..credentials", "empty string"),
        ("cluster.remote.a.b.credentials", "Invalid cluster alias"),
    ],
)
def test_an_unknown_setting_is_refused_by_name(paths: tuple[Path, Path], name: str, text: str) -> None:
    """A mistyped setting is a 400 that names it and changes nothing."""
    keystore = Keystore.create(*paths)
    with pytest.raises(Failure) as caught:
        keystore.set(name, Secret(VALUE))
    assert caught.value.kind is FailureKind.INVALID_REQUEST
    assert text in caught.value.reason
    assert keystore.names() == ()


@pytest.mark.parametrize("value", ["", "two words", "line\nbreak", "é", "x" * 20_000])
def test_a_value_that_no_key_has_is_refused_without_showing_it(paths: tuple[Path, Path], value: str) -> None:
    """The refusal names the setting, never the value."""
    keystore = Keystore.create(*paths)
    with pytest.raises(Failure) as caught:
        keystore.set(EU, Secret(value))
    assert EU in caught.value.reason
    assert not value or value not in caught.value.reason


def _break_file(paths: tuple[Path, Path]) -> None:
    content = bytearray(paths[0].read_bytes())
    content[-1] ^= 1
    paths[0].write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (_break_file, "cannot be decrypted"),
        (lambda paths: paths[0].write_bytes(b""), "is not a keystore or is damaged"),
        (lambda paths: paths[0].write_bytes(b"x" * 500), "is not a keystore or is damaged"),
        (lambda paths: paths[0].write_bytes(paths[0].read_bytes()[:40]), "cannot be decrypted"),
        (lambda paths: paths[0].unlink(), "does not exist"),
        (lambda paths: paths[1].unlink(), "key"),
        (lambda paths: paths[1].write_text("c2hvcnQ="), "is damaged"),
        (lambda paths: paths[1].write_text("not base64!"), "is damaged"),
        (lambda paths: paths[1].write_text("A" * 43 + "=\n"), "cannot be decrypted"),
    ],
)
def test_a_damaged_keystore_says_what_to_do(paths: tuple[Path, Path], damage: object, text: str) -> None:
    """Whatever is wrong with the files, the failure names the file and the remedy."""
    Keystore.create(*paths).set(EU, Secret(VALUE))
    assert callable(damage)
    damage(paths)
    with pytest.raises(Failure) as caught:
        Keystore(*paths).get(EU)
    assert caught.value.error_type == "keystore_exception"
    assert text in caught.value.reason
    assert "keystore" in caught.value.reason
    assert VALUE not in caught.value.reason


def test_a_keystore_is_never_overwritten(paths: tuple[Path, Path]) -> None:
    """Creating where one is there is refused."""
    Keystore.create(*paths).set(EU, Secret(VALUE))
    with pytest.raises(Failure, match="exists already"):
        Keystore.create(*paths)
    assert Keystore(*paths).names() == (EU,)


def _set_many(path: Path, key_path: Path, prefix: str) -> None:
    keystore = Keystore(path, key_path)
    for number in range(10):
        keystore.set(remote_credentials_setting(f"{prefix}{number}"), Secret("x"))


def test_two_processes_write_without_losing_a_setting(paths: tuple[Path, Path]) -> None:
    """Writers in different processes wait for each other."""
    Keystore.create(*paths)
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_set_many, args=(*paths, prefix)) for prefix in ("a", "b")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(Keystore(*paths).names()) == 20


def test_a_secret_shows_itself_nowhere() -> None:
    """Printing, formatting, pickling and hashing a secret give nothing away."""
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {secret:>20} {[secret]}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        hash(secret)
    assert secret == Secret("hunter2")
    assert secret != Secret("hunter3")
    assert secret != "hunter2"
