"""Operators' users in files: the two files' lines, read and written. Pure.

``users`` has ``name:hash`` a line, ``users_roles`` has ``role:name,name``, as Elasticsearch's file realm; the
hash is argon2id's own text form. ``roles.json`` holds roles as the role API takes them, by name. A line
that cannot be read is left out and told of: one slip of a hand must not lock everybody out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from isthmus.errors import Failure
from isthmus.security.builtin_users import BUILT_IN_USERS
from isthmus.security.principal import RoleDescriptor
from isthmus.security.role_format import parse_role
from isthmus.security.role_rules import name_problem, role_name_problem, role_problems

#: the realm of these users, by the names that Elasticsearch gives to its own
FILE_REALM: Final = ("default_file", "file")
_HASH_PREFIX: Final = "$argon2id$"


@dataclass(frozen=True, slots=True)
class FileUser:
    """One operator. ``password_hash`` is argon2id's own text form."""

    username: str
    password_hash: str = field(repr=False)
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileRealm:
    """What the files say, and what in them cannot be read (never a hash)."""

    users: Mapping[str, FileUser] = field(default_factory=dict)
    roles: Mapping[str, RoleDescriptor] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def parse_file_realm(users: str, users_roles: str, roles: str = "") -> FileRealm:
    """Answer the realm of the three files' contents; never raises."""
    problems: list[str] = []
    hashes = _parse_users(users, problems)
    roles_of = _parse_users_roles(users_roles, problems)
    found = {
        name: FileUser(name, password_hash, tuple(roles_of.get(name, ())))
        for name, password_hash in hashes.items()
    }
    return FileRealm(found, _parse_roles(roles, problems), tuple(problems))


def render_users(users: Iterable[FileUser]) -> str:
    """Answer the content of ``users``."""
    return "".join(f"{user.username}:{user.password_hash}\n" for user in _sorted(users))


def render_users_roles(users: Iterable[FileUser]) -> str:
    """Answer the content of ``users_roles``."""
    names_of: dict[str, list[str]] = {}
    for user in _sorted(users):
        for role in user.roles:
            names_of.setdefault(role, []).append(user.username)
    return "".join(f"{role}:{','.join(names)}\n" for role, names in sorted(names_of.items()))


def file_username_problem(name: str) -> str | None:
    """Answer why an operator cannot be called this; None when they can."""
    if name in BUILT_IN_USERS:
        return f"Username [{name}] is reserved and may not be used."
    if set(name) & set(":,") or name.startswith("#"):
        return f"Username [{name}] cannot be in a file: it has a colon or comma, or begins with a hash."
    return name_problem("User", name)


def file_role_problem(name: str) -> str | None:
    """Answer why a role of this name cannot be given to an operator; None when it can."""
    if ":" in name or name.startswith("#"):
        return f"Role [{name}] cannot be in a file: it has a colon or begins with a hash."
    return name_problem("Role", name)


def _sorted(users: Iterable[FileUser]) -> list[FileUser]:
    return sorted(users, key=lambda user: user.username)


def _lines(text: str, file: str, problems: list[str]) -> Iterable[tuple[int, str, str]]:
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        name, colon, value = stripped.partition(":")
        if colon and name.strip() and value.strip():
            yield number, name.strip(), value.strip()
        else:
            problems.append(f"{file}:{number}: a line is [name:value]")


def _parse_users(text: str, problems: list[str]) -> dict[str, str]:
    hashes: dict[str, str] = {}
    for number, name, password_hash in _lines(text, "users", problems):
        problem = file_username_problem(name)
        if problem is not None:
            problems.append(f"users:{number}: {problem}")
        elif not password_hash.startswith(_HASH_PREFIX):
            problems.append(f"users:{number}: the hash of [{name}] is not one of argon2id")
        elif name in hashes:
            problems.append(f"users:{number}: [{name}] is there twice; the first counts")
        else:
            hashes[name] = password_hash
    return hashes


def _parse_users_roles(text: str, problems: list[str]) -> dict[str, list[str]]:
    roles_of: dict[str, list[str]] = {}
    for number, role, names in _lines(text, "users_roles", problems):
        problem = file_role_problem(role)
        if problem is not None:
            problems.append(f"users_roles:{number}: {problem}")
            continue
        for name in dict.fromkeys(name.strip() for name in names.split(",") if name.strip()):
            roles_of.setdefault(name, [])
            if role not in roles_of[name]:
                roles_of[name].append(role)
    return roles_of


def _parse_roles(text: str, problems: list[str]) -> dict[str, RoleDescriptor]:
    if not text.strip():
        return {}
    try:
        bodies = json.loads(text)
    except (ValueError, RecursionError) as error:
        problems.append(f"roles.json: not JSON ({str(error)[:200]})")
        return {}
    if not isinstance(bodies, dict):
        problems.append("roles.json: must be an object of roles by name")
        return {}
    roles = {}
    for name, body in bodies.items():
        role = _parse_role(name, body, problems)
        if role is not None:
            roles[name] = role
    return roles


def _parse_role(name: str, body: Any, problems: list[str]) -> RoleDescriptor | None:
    try:
        role = parse_role(name, body)
    except Failure as failure:
        problems.append(f"roles.json: role [{name[:200]}]: {failure.reason[:500]}")
        return None
    wrong = [problem for problem in (role_name_problem(name), *role_problems(role)) if problem is not None]
    problems += [f"roles.json: role [{name[:200]}]: {problem[:500]}" for problem in wrong]
    return None if wrong else role
