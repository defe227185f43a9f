"""What the audit log is told of changes of API keys: ids, names and roles, never what is secret."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from isthmus.exchange import JsonObject
from isthmus.security.audit_notes import MOST_NAMES, note_change
from isthmus.security.records import ApiKeyType, StoredApiKey
from isthmus.security.role_format import audited_role


def note_key_created(key: StoredApiKey) -> None:
    """Note a new key of either type."""
    described: JsonObject = {"id": key.id, "name": key.name, "type": key.type.value}
    if key.expires_milliseconds is not None:
        described["expiration"] = _time(key.expires_milliseconds)
    if key.certificate_identity is not None:
        described["certificate_identity"] = key.certificate_identity
    described["role_descriptors"] = [
        {"name": role.name, **audited_role(role)} for role in key.role_descriptors
    ]
    described["owner"] = {"name": key.owner_username, "realm": key.owner_realm}
    note_change("create_apikey", {"create": {"apikey": described}})


def note_key_changed(key_id: str, kind: ApiKeyType, *, updated: bool) -> None:
    """Note a change of a key, if there was one."""
    if updated:
        note_change("change_apikey", {"change": {"apikey": {"id": key_id, "type": kind.value}}})


def note_keys_invalidated(key_ids: Sequence[str]) -> None:
    """Note that these keys have ended, if there are any."""
    if key_ids:
        ids = list(key_ids[:MOST_NAMES])
        note_change("invalidate_apikeys", {"invalidate": {"apikeys": {"ids": ids, "count": len(key_ids)}}})


def _time(milliseconds: int) -> str:
    try:
        return datetime.fromtimestamp(milliseconds / 1_000, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return f"{milliseconds} ms"
