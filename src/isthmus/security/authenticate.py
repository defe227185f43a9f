"""Who is calling? Credentials to a principal, or a 401 failure that tells nothing to a guesser."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from isthmus.clock import Clock
from isthmus.errors import Failure, FailureKind
from isthmus.security.api_key_secrets import UNKNOWN_KEY_HASH, decode_credentials, key_secret_matches
from isthmus.security.audit_notes import (
    note_authentication_failure,
    note_cluster_key,
    note_principal,
    note_run_as_denied,
)
from isthmus.security.builtin_users import BUILT_IN_USERS, realm_of
from isthmus.security.changes import Changes
from isthmus.security.credentials import (
    ApiKeyCredentials,
    PasswordCredentials,
    read_authorization,
    unauthenticated,
)
from isthmus.security.denial import run_as_denied
from isthmus.security.file_users import FILE_REALM, FileUser
from isthmus.security.file_users_watch import FileUsers
from isthmus.security.passwords import Passwords
from isthmus.security.patterns import matcher_of_any
from isthmus.security.principal import Principal
from isthmus.security.records import ApiKeyType, SecurityRecords, StoredApiKey, StoredUser
from isthmus.security.remembering import Remembered
from isthmus.security.remote_caller import API_KEY_PROBLEM, CrossClusterKey
from isthmus.security.role_lookup import find_roles
from isthmus.security.secret import Secret
from isthmus.security.signatures_identity import identity_matches

RUN_AS_HEADER: Final = "es-security-runas-user"
API_KEY_REALM: Final = "_es_api_key"
_HANDSHAKE_ACTION: Final = "cluster:internal/remote_cluster/handshake"
_AUTHENTICATE_ACTION: Final = "cluster:admin/xpack/security/user/authenticate"
_MISSING_CROSS_CLUSTER_CREDENTIALS: Final = (
    "Cross cluster requests through the dedicated remote cluster server port require transport header "
    "[_cross_cluster_access_credentials] but none found. Please ensure you have configured remote cluster "
    "credentials on the cluster originating the request."
)
#: a peer with a wrong key tries again every few seconds; one line a minute is enough to see it
_LOG_EVERY_SECONDS: Final = 60.0
_LOGGED_KEYS: Final = 1_000

_logger = logging.getLogger(__name__)


class Authenticator:
    """Turns credentials into principals.

    A caller who was verified is remembered for a few seconds, under the HMAC of what they sent with a
    key that only this process has, and forgotten as soon as a user, role or key changes.
    """

    def __init__(
        self,
        records: SecurityRecords,
        passwords: Passwords,
        clock: Clock,
        changes: Changes,
        file_users: FileUsers | None = None,
    ) -> None:
        self._records = records
        self._file_users = file_users or FileUsers(None, clock, changes.ring)
        self._roles = self._file_users.roles_and(records)
        self._passwords = passwords
        self._clock = clock
        self._changes = changes
        self._callers: Remembered[Principal] = Remembered(clock, changes)
        self._clusters: Remembered[CrossClusterKey] = Remembered(clock, changes)
        self._under_way: dict[tuple[bytes, int], asyncio.Task[Principal]] = {}
        self._logged: OrderedDict[str, float] = OrderedDict()

    async def authenticate(self, headers: Mapping[str, str], path: str = "/") -> Principal:
        """Answer who sent these headers (lower-case names); ``path`` is for the message only.

        Raises a 401 ``security_exception`` for absent or wrong credentials, 403 for a ``run_as`` that
        is not allowed.
        """
        try:
            principal = await self._authenticate(headers, path)
        except Failure as failure:
            if failure.kind is FailureKind.UNAUTHENTICATED:
                note_authentication_failure(failure)
            else:  # noted by whoever verified it first, which may have been another request
                note_run_as_denied(_AUTHENTICATE_ACTION, headers.get(RUN_AS_HEADER, ""))
            raise
        note_principal(principal)
        return principal

    async def _authenticate(self, headers: Mapping[str, str], path: str) -> Principal:
        header = headers.get("authorization")
        if not header or not header.strip():
            raise unauthenticated(f"missing authentication credentials for REST request [{path[:500]}]")
        self._file_users.look()
        run_as = headers.get(RUN_AS_HEADER)
        fingerprint = self._callers.fingerprint(header, run_as)
        known = self._callers.find(fingerprint)
        if known is not None:
            return known
        # Many requests of one client arrive at once: its password is verified once for all of them.
        key = (fingerprint, self._changes.count)
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.create_task(self._verify(fingerprint, header, run_as, path))
            self._under_way[key] = task
            task.add_done_callback(lambda done: self._finished(key, done))
        return await asyncio.shield(task)

    async def authenticate_password(
        self, username: str, password: Secret, path: str = "/", run_as: str | None = None
    ) -> Principal:
        """Answer the user of this name and password, or whom they act as.

        Raises a 401 ``security_exception``, 403 for a ``run_as`` that is not allowed.
        """
        principal = await self._user_with_password(username, password)
        if principal is None:
            raise unauthenticated(f"unable to authenticate user [{username}] for REST request [{path[:500]}]")
        return principal if run_as is None else await self._run_as(principal, run_as)

    async def _user_with_password(self, username: str, password: Secret) -> Principal | None:
        """Answer the user, None for a wrong password or name: after the same work, whichever it was.

        Operators in files come first, and without a look at the database: they are for the day on which that
        cannot be read.
        """
        operator = self._file_users.find(username)
        if operator is not None and await self._passwords.matches(password, operator.password_hash):
            return await self._operator_principal(operator)
        user = await self._records.find_user(username)
        if user is None and operator is not None:
            return None
        matches = await self._passwords.matches(password, None if user is None else user.password_hash)
        return await self._user_principal(user) if user is not None and matches and user.enabled else None

    async def authenticate_cross_cluster(
        self, credentials: str, action: str = _HANDSHAKE_ACTION, certificate_subject: str | None = None
    ) -> CrossClusterKey:
        """Answer the cross-cluster key behind ``ApiKey <encoded>`` (or the encoded text alone).

        ``certificate_subject`` is the name in the certificate whose signature over this request has been
        verified; None for a request without one. Raises a 401 ``security_exception``: none given, a
        REST key, or a key that is unknown, wrong, expired, invalidated or bound to another certificate.
        """
        try:
            key = await self._authenticate_cross_cluster(credentials, action, certificate_subject)
        except Failure as failure:
            note_authentication_failure(failure)
            raise
        note_cluster_key(key.id, key.name, key.owner_username)
        return key

    async def _authenticate_cross_cluster(
        self, credentials: str, action: str, certificate_subject: str | None
    ) -> CrossClusterKey:
        # Every request of another cluster carries its key: looking each one up would cost as much as
        # the search itself.
        fingerprint = self._clusters.fingerprint(credentials, certificate_subject)
        known = self._clusters.find(fingerprint)
        if known is not None:
            return known
        changes = self._changes.count
        key = await self._verify_cross_cluster_key(credentials, action, certificate_subject)
        self._clusters.remember(fingerprint, key, changes, key.expires_milliseconds)
        return key

    async def _verify_cross_cluster_key(
        self, credentials: str, action: str, certificate_subject: str | None
    ) -> CrossClusterKey:
        scheme, _, value = credentials.strip().partition(" ")
        encoded = value or scheme
        if not encoded or (value and scheme.lower() != "apikey"):
            raise unauthenticated(_MISSING_CROSS_CLUSTER_CREDENTIALS)
        decoded = decode_credentials(encoded)
        if decoded is None:
            raise unauthenticated("cross cluster access credentials are not a valid ApiKey value")
        key_id, secret = decoded
        key = await self._records.find_api_key(key_id)
        matches = key_secret_matches(secret, UNKNOWN_KEY_HASH if key is None else key.secret_hash)
        problem = self._key_problem(key, matches=matches)
        if key is None or problem is not None:
            self._log_refused_key(key_id, problem or "unknown")
            refused = unauthenticated(
                f"unable to authenticate user [{key_id}] for action [{action}]",
                log_note=f"cross-cluster API key: {problem or 'unknown'}",
            )
            if matches and problem is not None:
                # No guesser gets here, and the other side's administrator need not ask for our log.
                refused.metadata = {API_KEY_PROBLEM: problem}
            raise refused
        if key.type is not ApiKeyType.CROSS_CLUSTER:
            raise unauthenticated(
                f"authentication expected API key type of [cross_cluster], but API key [{key_id}] has type "
                f"[{key.type.value}]"
            )
        _require_identity(key, certificate_subject)
        return CrossClusterKey(
            id=key.id,
            name=key.name,
            owner_username=key.owner_username,
            owner_realm=key.owner_realm,
            role=key.role_descriptors[0],
            expires_milliseconds=key.expires_milliseconds,
        )

    async def _verify(self, fingerprint: bytes, header: str, run_as: str | None, path: str) -> Principal:
        changes = self._changes.count
        expires_milliseconds = None
        credentials = read_authorization(header)
        if isinstance(credentials, PasswordCredentials):
            principal = await self.authenticate_password(credentials.username, credentials.password, path)
        else:
            key = await self._rest_key(credentials)
            principal, expires_milliseconds = _principal_of_key(key), key.expires_milliseconds
        if run_as is not None:
            principal = await self._run_as(principal, run_as)
        self._callers.remember(fingerprint, principal, changes, expires_milliseconds)
        return principal

    async def _rest_key(self, credentials: ApiKeyCredentials) -> StoredApiKey:
        key = await self._records.find_api_key(credentials.key_id)
        stored = UNKNOWN_KEY_HASH if key is None else key.secret_hash
        problem = self._key_problem(key, matches=key_secret_matches(credentials.secret, stored))
        if key is None or problem is not None:
            raise _rest_key_refused(
                f"invalid credentials for API key [{credentials.key_id}]", f"API key: {problem or 'unknown'}"
            )
        if key.type is not ApiKeyType.REST:
            # Told outright, unlike what is wrong with a key: whoever sends this has the key.
            raise unauthenticated(
                f"authentication expected API key type of [rest], but API key [{key.id}] has type "
                f"[{key.type.value}]: a cross-cluster API key is for remote clusters only and cannot be used "
                "on the REST interface"
            )
        return key

    def _key_problem(self, key: StoredApiKey | None, *, matches: bool) -> str | None:
        """Answer why a key is not good, for the log: the caller is not told which it was."""
        if key is None:
            return "unknown"
        if not matches:
            return "wrong secret"
        if key.invalidated_milliseconds is not None:
            return "invalidated"
        if (
            key.expires_milliseconds is not None
            and key.expires_milliseconds <= self._clock.now_milliseconds()
        ):
            return "expired"
        return None

    async def _user_principal(self, user: StoredUser) -> Principal:
        realm_name, realm_type = realm_of(user.username)
        return Principal(
            username=user.username,
            role_names=user.roles,
            role_sets=(await find_roles(self._roles, user.roles),),
            realm_name=realm_name,
            realm_type=realm_type,
            full_name=user.full_name,
            email=user.email,
            metadata=BUILT_IN_USERS.get(user.username, user.metadata),
        )

    async def _operator_principal(self, operator: FileUser) -> Principal:
        realm_name, realm_type = FILE_REALM
        return Principal(
            username=operator.username,
            role_names=operator.roles,
            role_sets=(await find_roles(self._roles, operator.roles),),
            realm_name=realm_name,
            realm_type=realm_type,
        )

    async def _run_as(self, principal: Principal, target: str) -> Principal:
        allowed = all(
            any(matcher_of_any(role.run_as)(target) for role in roles) for roles in principal.role_sets
        )
        operator = self._file_users.find(target) if allowed else None
        if operator is not None:
            return replace(await self._operator_principal(operator), run_by=principal)
        user = await self._records.find_user(target) if allowed else None
        if user is None or not user.enabled:
            raise run_as_denied(principal, _AUTHENTICATE_ACTION, target)
        return replace(await self._user_principal(user), run_by=principal)

    def _finished(self, key: tuple[bytes, int], task: asyncio.Task[Principal]) -> None:
        self._under_way.pop(key, None)
        if not task.cancelled():
            task.exception()  # seen, also when every caller has gone away meanwhile

    def _log_refused_key(self, key_id: str, problem: str) -> None:
        now = self._clock.monotonic_seconds()
        last = self._logged.get(key_id)
        if last is not None and now - last < _LOG_EVERY_SECONDS:
            return
        self._logged[key_id] = now
        self._logged.move_to_end(key_id)
        while len(self._logged) > _LOGGED_KEYS:
            self._logged.popitem(last=False)
        _logger.warning(
            "cross-cluster api key refused", extra={"api_key_id": key_id[:100], "problem": problem}
        )


def _require_identity(key: StoredApiKey, certificate_subject: str | None) -> None:
    """Refuse a key that is bound to a certificate where no signature, or another's, came with it."""
    pattern = key.certificate_identity
    if pattern is None:
        return
    if certificate_subject is None:
        raise unauthenticated(
            f"API key (type:[cross_cluster], id:[{key.id}]) requires certificate identity matching "
            f"[{pattern}], but no certificate was provided"
        )
    if not identity_matches(pattern, certificate_subject):
        raise unauthenticated(
            f"DN from provided certificate [{certificate_subject[:1_000]}] does not match API Key "
            f"certificate identity pattern [{pattern}]"
        )


def _principal_of_key(key: StoredApiKey) -> Principal:
    role_sets = (key.limited_by,) if not key.role_descriptors else (key.role_descriptors, key.limited_by)
    return Principal(
        username=key.owner_username,
        role_names=(),
        role_sets=role_sets,
        realm_name=API_KEY_REALM,
        realm_type=API_KEY_REALM,
        authentication_type="api_key",
        api_key_id=key.id,
        api_key_name=key.name,
        api_key_owner=key.owner_username,
        api_key_owner_realm=key.owner_realm,
        api_key_owner_realm_type=key.owner_realm_type,
    )


def _rest_key_refused(detail: str, log_note: str) -> Failure:
    failure = unauthenticated(
        "unable to authenticate with provided credentials and anonymous access is not allowed for this "
        "request",
        log_note=log_note,
    )
    failure.metadata = {"additional_unsuccessful_credentials": f"API key: {detail}"}
    return failure
