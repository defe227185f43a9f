"""Secure settings of a node in one encrypted file.

The file is AES-256-GCM under a key that is in a second file, so that a copy or a backup of the one
alone tells nothing but its size. Both are readable by their owner only. A change replaces the file
as a whole under a lock: a command and a node may both write, a reader sees the old or the new one,
and a crash in between loses nothing.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import fcntl
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, TypeAlias

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from isthmus.errors import Failure, FailureKind, illegal_argument
from isthmus.names import parse_cluster_alias
from isthmus.security.private_files import write_private
from isthmus.security.secret import Secret

_MAGIC: Final = b"isthmus keystore 1\n"
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_PRIVATE_MODE: Final = 0o600
_MAXIMUM_FILE_BYTES: Final = 16 * 1024 * 1024
_MAXIMUM_VALUE_CHARACTERS: Final = 16 * 1024
_NAME: Final = re.compile(r"[A-Za-z0-9_\-.]+\Z")
_REMOTE_CREDENTIALS: Final = re.compile(r"cluster\.remote\.(.*?)\.credentials(?:\.next)?\Z")

_Signature: TypeAlias = tuple[int, int, int]


def remote_credentials_setting(alias: str) -> str:
    """Answer the name under which the cross-cluster key for this alias is kept."""
    return f"cluster.remote.{alias}.credentials"


def check_setting_name(name: str) -> None:
    """Return if this is a secure setting that a node reads; raises a 400 failure otherwise.

    An unknown name is refused, as Elasticsearch does: it is a mistyped one, and the node would go
    on without what its administrator believes to have set.
    """
    if not _NAME.match(name):
        raise illegal_argument(
            f"Setting name [{name[:200]}] does not match the allowed setting name pattern [[A-Za-z0-9_\\-.]+]"
        )
    match = _REMOTE_CREDENTIALS.match(name)
    if match is None:
        raise illegal_argument(
            f"unknown secure setting [{name[:200]}] please check the spelling; "
            "this version knows [cluster.remote.<alias>.credentials] and, for a rotation, "
            "[cluster.remote.<alias>.credentials.next]"
        )
    parse_cluster_alias(match.group(1))


class Keystore:
    """The keystore in these two files. Reads again whenever the file has changed on disk.

    Methods block for a small file's reading or writing. Every one raises a failure of type
    ``keystore_exception`` that says what to do where a file is missing, damaged or of another key.
    """

    def __init__(self, path: Path, key_path: Path) -> None:
        self._path = path
        self._key_path = key_path
        self._loaded: dict[str, Secret] = {}
        self._signature: _Signature | None = None

    @classmethod
    def create(cls, path: Path, key_path: Path) -> Keystore:
        """Make an empty keystore and its key, both for their owner only; raises where one is there."""
        for existing in (path, key_path):
            if existing.exists():
                raise _failure(f"[{existing}] exists already: a keystore is never overwritten")
        key = base64.b64encode(secrets.token_bytes(_KEY_BYTES)) + b"\n"
        _replace_file(key_path, key)
        keystore = cls(path, key_path)
        with keystore._lock():
            keystore._save({})
        return keystore

    def names(self) -> tuple[str, ...]:
        """Answer the names of the settings, sorted. Values are for :meth:`get` only."""
        return tuple(sorted(self._read()))

    def get(self, name: str) -> Secret | None:
        """Answer the setting's value, None where it is not set."""
        return self._read().get(name)

    def set(self, name: str, value: Secret) -> None:
        """Store a setting in place of any before; raises a 400 failure for what it cannot be."""
        self.change({name: value})

    def remove(self, name: str) -> bool:
        """Take the setting out; False when it was not there."""
        was_there = name in self._read()
        self.change({name: None})
        return was_there

    def change(self, changes: Mapping[str, Secret | None]) -> None:
        """Set and (None) remove several settings in one step: all of them or, on a failure, none."""
        for name, value in changes.items():
            if value is not None:
                check_setting_name(name)
                _check_value(name, value)
        with self._lock():
            contents = dict(self._read())
            for name, value in changes.items():
                if value is None:
                    contents.pop(name, None)
                else:
                    contents[name] = value
            self._save(contents)

    def has_changed(self) -> bool:
        """Tell whether the file on disk is not the one that was last read here. Cheap."""
        return self._signature_on_disk() != self._signature

    def _read(self) -> dict[str, Secret]:
        signature = self._signature_on_disk()
        if signature is None:
            raise _failure(
                f"the keystore [{self._path}] does not exist: create it, or restore it from a backup"
            )
        if signature != self._signature:
            self._loaded = self._load()
            self._signature = signature
        return self._loaded

    def _load(self) -> dict[str, Secret]:
        try:
            with self._path.open("rb") as file:
                content = file.read(_MAXIMUM_FILE_BYTES + 1)
        except OSError as error:
            raise _failure(f"the keystore [{self._path}] cannot be read: {error.strerror}") from error
        body = content.removeprefix(_MAGIC)
        if len(content) > _MAXIMUM_FILE_BYTES or body == content or len(body) < _NONCE_BYTES:
            raise _failure(
                f"the keystore [{self._path}] is not a keystore or is damaged: restore it from a backup, or "
                "move it away, create a new one and set its settings again"
            )
        try:
            plain = AESGCM(self._key()).decrypt(body[:_NONCE_BYTES], body[_NONCE_BYTES:], _MAGIC)
            values = msgspec.json.decode(plain, type=dict[str, str])
        except (InvalidTag, msgspec.MsgspecError):
            # The cause is left out: a decoder's message may quote what it read.
            raise _failure(
                f"the keystore [{self._path}] cannot be decrypted with the key [{self._key_path}]: it is "
                "damaged or the key is another one's; restore both from the same backup, or move both away, "
                "create a new keystore and set its settings again"
            ) from None
        return {name: Secret(value) for name, value in values.items()}

    def _save(self, contents: Mapping[str, Secret]) -> None:
        plain = msgspec.json.encode({name: value.reveal() for name, value in sorted(contents.items())})
        nonce = secrets.token_bytes(_NONCE_BYTES)
        _replace_file(self._path, _MAGIC + nonce + AESGCM(self._key()).encrypt(nonce, plain, _MAGIC))
        self._loaded = dict(contents)
        self._signature = self._signature_on_disk()

    def _key(self) -> bytes:
        try:
            key = base64.b64decode(self._key_path.read_bytes().strip(), validate=True)
        except OSError as error:
            raise _failure(
                f"the keystore's key [{self._key_path}] cannot be read: {error.strerror}"
            ) from error
        except binascii.Error:
            key = b""
        if len(key) != _KEY_BYTES:
            raise _failure(f"the keystore's key [{self._key_path}] is damaged: restore it from a backup")
        return key

    def _signature_on_disk(self) -> _Signature | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        # A replaced file has another inode: two changes within one tick of the clock are told apart.
        return status.st_ino, status.st_mtime_ns, status.st_size

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """Keep other writers out. On a file beside it, for the keystore itself is replaced."""
        lock_path = self._path.with_name(f"{self._path.name}.lock")
        try:
            descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE_MODE)
        except OSError as error:
            raise _failure(f"the keystore's lock [{lock_path}] cannot be made: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _check_value(name: str, value: Secret) -> None:
    text = value.reveal()
    if not 0 < len(text) <= _MAXIMUM_VALUE_CHARACTERS:
        raise illegal_argument(
            f"the value of secure setting [{name}] must have 1 to [{_MAXIMUM_VALUE_CHARACTERS}] characters"
        )
    if not text.isascii() or not text.isprintable() or " " in text:
        raise illegal_argument(
            f"the value of secure setting [{name}] must be the encoded key on one line, without spaces"
        )


def _replace_file(path: Path, content: bytes) -> None:
    """Write a file for its owner only, so that a crash leaves the old content or the new."""
    try:
        write_private(path, content)
    except OSError as error:
        raise _failure(f"[{path}] cannot be written: {error.strerror}") from error


def _failure(reason: str) -> Failure:
    return Failure(FailureKind.INTERNAL, "keystore_exception", reason)
