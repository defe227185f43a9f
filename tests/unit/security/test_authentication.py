"""Who is calling: passwords, keys, run-as, and what is remembered of them."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from isthmus.errors import Failure, FailureKind
from isthmus.security.api_key_rules import KeyFilter
from isthmus.security.api_key_secrets import (
    encode_credentials,
    hash_key_secret,
    key_secret_matches,
    new_key_secret,
)
from isthmus.security.api_keys import KeyChange, NewKey
from isthmus.security.cross_cluster_access import parse_access
from isthmus.security.passwords import Passwords
from isthmus.security.principal import IndexPrivileges, Principal, RoleDescriptor
from isthmus.security.records import StoredUser
from isthmus.security.secret import Secret
from isthmus.security.service import Security, bootstrap_elastic, build_security
from isthmus.security.users import UserChange
from isthmus.store.database import Database, Line, sqlite_url
from isthmus.store.security_records import SqlSecurityRecords

PASSWORD = "correct horse"


class ManualClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.milliseconds = 1_700_000_000_000

    def now_milliseconds(self) -> int:
        """Answer the wall clock."""
        return self.milliseconds

    def monotonic_seconds(self) -> float:
        """Answer the same clock in seconds."""
        return self.milliseconds / 1000

    async def sleep(self, seconds: float) -> None:
        """Move the clock instead of waiting."""
        self.milliseconds += int(seconds * 1000)


class CountingPasswords(Passwords):
    """Real argon2id with little work, that counts how often it really verified."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_kibibytes=64)
        self.verified = 0

    def _verify(self, password: Secret, stored_hash: str | None) -> bool:
        self.verified += 1
        return super()._verify(password, stored_hash)


@pytest.fixture
def records(tmp_path: Path) -> Iterator[SqlSecurityRecords]:
    """Give the real store on a fresh database."""
    database = Database.open(sqlite_url(tmp_path / "node.sqlite"), Line.NODE)
    yield SqlSecurityRecords(database)
    database.close()


@pytest.fixture
def clock() -> ManualClock:
    """Give a clock that stands still."""
    return ManualClock()


@pytest.fixture
def passwords() -> CountingPasswords:
    """Give cheap passwords."""
    return CountingPasswords()


@pytest.fixture
def security(records: SqlSecurityRecords, clock: ManualClock, passwords: CountingPasswords) -> Security:
    """Give all of security on the real store."""
    return build_security(records, clock, passwords)


def basic(username: str, password: str = PASSWORD, run_as: str | None = None) -> dict[str, str]:
    """Build the headers of a user."""
    encoded = base64.b64encode(f"{username}:{password}".encode()).decode()
    headers = {"authorization": f"Basic {encoded}"}
    return headers if run_as is None else headers | {"es-security-runas-user": run_as}


async def add_user(security: Security, username: str = "ann", *roles: str) -> None:
    """Store a user with the usual password."""
    await security.users.put(UserChange(username=username, roles=roles, password=Secret(PASSWORD)))


async def refusal(security: Security, headers: dict[str, str]) -> Failure:
    """Answer why these headers are refused."""
    with pytest.raises(Failure) as caught:
        await security.authenticator.authenticate(headers, "/_search")
    return caught.value


async def test_a_user_is_who_their_password_says(security: Security) -> None:
    """Name, roles and realm come from the record; a role that does not exist is no effective one."""
    await security.roles.put(RoleDescriptor(name="reader", cluster=("monitor",)))
    await add_user(security, "ann", "reader", "gone")
    principal = await security.authenticator.authenticate(basic("ann"))
    assert (principal.username, principal.role_names) == ("ann", ("reader", "gone"))
    assert [[role.name for role in roles] for roles in principal.role_sets] == [["reader"]]
    assert (principal.realm_name, principal.realm_type) == ("default_native", "native")


async def test_elastic_is_the_superuser_once_bootstrapped(
    security: Security, records: SqlSecurityRecords, passwords: CountingPasswords
) -> None:
    """The built-in user has no password until one is given, and then every privilege."""
    assert (await refusal(security, basic("elastic", ""))).kind is FailureKind.UNAUTHENTICATED
    await bootstrap_elastic(records, Secret(PASSWORD), passwords)
    principal = await security.authenticator.authenticate(basic("elastic"))
    assert principal.role_names == ("superuser",)
    assert principal.realm_type == "reserved"
    assert principal.metadata == {"_reserved": True}


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("", "missing authentication credentials for REST request [/_search]"),
        ("   ", "missing authentication credentials"),
        ("Bearer abc", "the scheme [Bearer] is not supported"),
        ("Basic", "invalid basic authentication header"),
        ("Basic !!!", "invalid basic authentication header encoding"),
        ("Basic " + base64.b64encode(b"nocolon").decode(), "invalid basic authentication header value"),
        ("Basic " + base64.b64encode(b"\xff\xfe:x").decode(), "invalid basic authentication header encoding"),
        ("ApiKey !!!", "invalid ApiKey value"),
        ("ApiKey " + base64.b64encode(b"idonly").decode(), "invalid ApiKey value"),
        ("Basic " + "A" * 20_000, "longer than"),
    ],
)
async def test_what_is_no_credential_is_refused(security: Security, header: str, text: str) -> None:
    """Whatever stands in the header, the answer is a 401 that says what is wrong with it."""
    failure = await refusal(security, {"authorization": header} if header else {})
    assert failure.kind is FailureKind.UNAUTHENTICATED
    assert text in failure.reason


async def test_wrong_password_and_unknown_user_look_alike(
    security: Security, passwords: CountingPasswords
) -> None:
    """The answer differs only in the name, and the work is the same."""
    await add_user(security)
    before = passwords.verified
    wrong = await refusal(security, basic("ann", "wrong password"))
    unknown = await refusal(security, basic("bob", "wrong password"))
    assert wrong.reason == "unable to authenticate user [ann] for REST request [/_search]"
    assert unknown.reason == wrong.reason.replace("ann", "bob")
    assert passwords.verified == before + 2
    assert "wrong password" not in str(wrong)


async def test_a_disabled_user_is_out_at_once(security: Security) -> None:
    """Being remembered does not help."""
    await add_user(security)
    admin = await security.authenticator.authenticate(basic("ann"))
    await add_user(security, "boss")
    boss = await security.authenticator.authenticate(basic("boss"))
    await security.users.set_enabled(boss, "ann", enabled=False)
    assert (await refusal(security, basic("ann"))).kind is FailureKind.UNAUTHENTICATED
    await security.users.set_enabled(boss, "ann", enabled=True)
    assert await security.authenticator.authenticate(basic("ann")) == admin


async def test_a_password_is_verified_once_while_it_is_remembered(
    security: Security, passwords: CountingPasswords, clock: ManualClock
) -> None:
    """A hundred requests at once, and more later, cost one verification."""
    await add_user(security)
    await asyncio.gather(*(security.authenticator.authenticate(basic("ann")) for _ in range(100)))
    clock.milliseconds += 60_000
    await security.authenticator.authenticate(basic("ann"))
    assert passwords.verified == 1


async def test_a_changed_password_counts_at_once(security: Security) -> None:
    """The old one is refused and the new one accepted by the very next request."""
    await add_user(security)
    await security.authenticator.authenticate(basic("ann"))
    await security.users.change_password("ann", Secret("another one"))
    assert (await refusal(security, basic("ann"))).kind is FailureKind.UNAUTHENTICATED
    assert (await security.authenticator.authenticate(basic("ann", "another one"))).username == "ann"


async def test_a_changed_role_counts_at_once(security: Security) -> None:
    """A privilege that is taken away is gone with the next request."""
    await security.roles.put(RoleDescriptor(name="reader", cluster=("monitor",)))
    await add_user(security, "ann", "reader")
    before = await security.authenticator.authenticate(basic("ann"))
    assert before.role_sets[0][0].cluster == ("monitor",)
    await security.roles.delete("reader")
    after = await security.authenticator.authenticate(basic("ann"))
    assert after.role_sets == ((),)


async def test_a_change_by_another_process_counts_within_seconds(
    security: Security, records: SqlSecurityRecords, clock: ManualClock, passwords: CountingPasswords
) -> None:
    """What a command writes into the same database is noticed without a restart."""
    await add_user(security)
    await security.authenticator.authenticate(basic("ann"))
    await records.put_user(
        StoredUser(username="ann", password_hash=await passwords.hash(Secret("set by a command")))
    )
    clock.milliseconds += 10_000
    assert (await refusal(security, basic("ann"))).kind is FailureKind.UNAUTHENTICATED


async def test_nothing_that_is_remembered_holds_the_password(
    security: Security, passwords: CountingPasswords
) -> None:
    """Neither cache has the password or the header in it."""
    await add_user(security)
    await security.authenticator.authenticate(basic("ann"))
    encoded = basic("ann")["authorization"].removeprefix("Basic ")
    remembered = f"{vars(security.authenticator)} {vars(security.authenticator._callers)} {vars(passwords)}"
    assert PASSWORD not in remembered
    assert encoded not in remembered


async def test_an_abandoned_request_does_not_fail_the_others(security: Security) -> None:
    """One caller goes away while a password is verified for two."""
    await add_user(security)
    first = asyncio.create_task(security.authenticator.authenticate(basic("ann")))
    second = asyncio.create_task(security.authenticator.authenticate(basic("ann")))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).username == "ann"


async def test_the_default_cost_is_that_of_a_password_hash() -> None:
    """A stored hash is argon2id with the memory that OWASP asks for."""
    stored = await Passwords().hash(Secret(PASSWORD))
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await Passwords().matches(Secret(PASSWORD), stored)
    assert not await Passwords().matches(Secret("wrong"), stored)
    assert not await Passwords().matches(Secret(PASSWORD), "not a hash")


async def run_as_users(security: Security) -> None:
    """Store one who may act for ``b*`` and some to act for."""
    await security.roles.put(RoleDescriptor(name="actor", run_as=("b*",)))
    await add_user(security, "ann", "actor")
    await add_user(security, "bob", "viewer")
    await add_user(security, "carl")


async def test_run_as_takes_the_others_roles(security: Security) -> None:
    """The principal is the other one, and remembers who it really was."""
    await run_as_users(security)
    principal = await security.authenticator.authenticate(basic("ann", run_as="bob"))
    assert (principal.username, principal.role_names) == ("bob", ("viewer",))
    assert principal.run_by is not None
    assert principal.run_by.username == "ann"
    assert (await security.authenticator.authenticate(basic("ann"))).username == "ann"


@pytest.mark.parametrize("target", ["carl", "bert", ""])
async def test_run_as_is_denied_without_the_privilege_or_the_user(security: Security, target: str) -> None:
    """A forbidden target, one that does not exist and an empty one are the same 403."""
    await run_as_users(security)
    failure = await refusal(security, basic("ann", run_as=target))
    assert failure.kind is FailureKind.FORBIDDEN
    assert failure.reason.endswith(
        f"is unauthorized for user [ann] with effective roles [actor], because user [ann] is unauthorized to "
        f"run as [{target}]"
    )


async def owner(security: Security) -> Principal:
    """Give a user who owns keys."""
    await security.roles.put(
        RoleDescriptor(
            name="owner", cluster=("all",), indices=(IndexPrivileges(names=("a*",), privileges=("all",)),)
        )
    )
    await add_user(security, "ann", "owner")
    return await security.authenticator.authenticate(basic("ann"))


async def test_a_key_has_its_own_and_its_owners_privileges(security: Security) -> None:
    """Two sets where the key has privileges of its own, the owner's alone where it has none."""
    ann = await owner(security)
    narrow = RoleDescriptor(name="narrow", cluster=("monitor",))
    key, secret = await security.api_keys.create(ann, NewKey(name="k", role_descriptors=(narrow,)))
    headers = {"authorization": f"ApiKey {encode_credentials(key.id, secret)}"}
    principal = await security.authenticator.authenticate(headers)
    assert principal.role_sets == ((narrow,), ann.role_sets[0])
    assert (principal.username, principal.api_key_id) == ("ann", key.id)
    plain, secret = await security.api_keys.create(ann, NewKey(name="k"))
    headers = {"authorization": f"apikey {encode_credentials(plain.id, secret)}"}
    assert (await security.authenticator.authenticate(headers)).role_sets == (ann.role_sets[0],)


async def test_a_key_keeps_what_its_owner_could_do(security: Security) -> None:
    """Neither taking roles from the owner nor deleting them changes a key that was made before."""
    ann = await owner(security)
    key, secret = await security.api_keys.create(ann, NewKey(name="k"))
    await security.roles.delete("owner")
    await security.users.delete("ann")
    headers = {"authorization": f"ApiKey {encode_credentials(key.id, secret)}"}
    assert (await security.authenticator.authenticate(headers)).role_sets == (ann.role_sets[0],)


async def test_a_key_ends_when_it_expires_or_is_invalidated(security: Security, clock: ManualClock) -> None:
    """Both end it at once, remembered or not, with the same words as a wrong secret."""
    ann = await owner(security)
    expiring, secret = await security.api_keys.create(ann, NewKey(name="k", expiration="2s"))
    headers = {"authorization": f"ApiKey {encode_credentials(expiring.id, secret)}"}
    await security.authenticator.authenticate(headers)
    clock.milliseconds += 2_000
    expired = await refusal(security, headers)
    key, secret = await security.api_keys.create(ann, NewKey(name="k"))
    headers = {"authorization": f"ApiKey {encode_credentials(key.id, secret)}"}
    await security.authenticator.authenticate(headers)
    await security.api_keys.invalidate(ann, KeyFilter(ids=(key.id,)))
    invalidated = await refusal(security, headers)
    wrong = {"authorization": f"ApiKey {encode_credentials(key.id, Secret('wrong'))}"}
    failures = [expired, invalidated, await refusal(security, wrong)]
    assert {failure.kind for failure in failures} == {FailureKind.UNAUTHENTICATED}
    assert len({failure.reason for failure in failures}) == 1
    assert str(invalidated.metadata["additional_unsuccessful_credentials"]).endswith(f"[{key.id}]")


ACCESS = parse_access({"search": [{"names": ["logs-*"]}]})


async def test_a_cross_cluster_key_is_for_remote_clusters_only(security: Security) -> None:
    """It opens the remote cluster's door, and on REST is refused with the reason."""
    ann = await owner(security)
    key, secret = await security.api_keys.create_cross_cluster(ann, NewKey(name="k", access=ACCESS))
    encoded = encode_credentials(key.id, secret)
    verified = await security.authenticator.authenticate_cross_cluster(f"ApiKey {encoded}")
    assert (verified.id, verified.owner_username, verified.role) == (key.id, "ann", ACCESS)
    assert await security.authenticator.authenticate_cross_cluster(encoded) == verified
    failure = await refusal(security, {"authorization": f"ApiKey {encoded}"})
    assert failure.kind is FailureKind.UNAUTHENTICATED
    assert f"API key [{key.id}] has type [cross_cluster]" in failure.reason


async def cross_cluster_refusal(security: Security, credentials: str) -> str:
    """Answer why these credentials are refused at the remote cluster's door."""
    with pytest.raises(Failure) as caught:
        await security.authenticator.authenticate_cross_cluster(credentials)
    assert caught.value.kind is FailureKind.UNAUTHENTICATED
    return caught.value.reason


async def test_the_refusals_at_the_remote_clusters_door(security: Security, clock: ManualClock) -> None:
    """No key, a REST key, a wrong, unknown, expired or invalidated one: the words of Elasticsearch."""
    ann = await owner(security)
    for nothing in ("", "  ", "Basic abc"):
        assert (await cross_cluster_refusal(security, nothing)).startswith(
            "Cross cluster requests through the dedicated remote cluster server port require transport "
            "header [_cross_cluster_access_credentials] but none found."
        )
    rest, secret = await security.api_keys.create(ann, NewKey(name="k"))
    assert await cross_cluster_refusal(security, encode_credentials(rest.id, secret)) == (
        f"authentication expected API key type of [cross_cluster], but API key [{rest.id}] has type [rest]"
    )
    key, secret = await security.api_keys.create_cross_cluster(
        ann, NewKey(name="k", access=ACCESS, expiration="1h")
    )
    unable = f"unable to authenticate user [{key.id}] for action [cluster:internal/remote_cluster/handshake]"
    assert await cross_cluster_refusal(security, encode_credentials(key.id, Secret("wrong"))) == unable
    assert "[nobody]" in await cross_cluster_refusal(security, encode_credentials("nobody", secret))
    clock.milliseconds += 3_600_000
    assert await cross_cluster_refusal(security, encode_credentials(key.id, secret)) == unable
    other, secret = await security.api_keys.create_cross_cluster(ann, NewKey(name="k", access=ACCESS))
    await security.api_keys.invalidate(ann, KeyFilter(ids=(other.id,)))
    assert other.id in await cross_cluster_refusal(security, encode_credentials(other.id, secret))


async def test_a_cross_cluster_key_ends_at_once(security: Security, clock: ManualClock) -> None:
    """A key that has just been used is refused when it expires, is narrowed or is invalidated."""
    ann = await owner(security)
    wanted = NewKey(name="k", access=ACCESS, expiration="2s")
    expiring, secret = await security.api_keys.create_cross_cluster(ann, wanted)
    credentials = encode_credentials(expiring.id, secret)
    await security.authenticator.authenticate_cross_cluster(credentials)
    clock.milliseconds += 2_000
    await cross_cluster_refusal(security, credentials)
    key, secret = await security.api_keys.create_cross_cluster(ann, NewKey(name="k", access=ACCESS))
    credentials = encode_credentials(key.id, secret)
    await security.authenticator.authenticate_cross_cluster(credentials)
    narrower = parse_access({"search": [{"names": ["logs-1"]}]})
    await security.api_keys.update_cross_cluster(ann, key.id, KeyChange(access=narrower))
    assert (await security.authenticator.authenticate_cross_cluster(credentials)).role == narrower
    await security.api_keys.invalidate(ann, KeyFilter(ids=(key.id,)))
    await cross_cluster_refusal(security, credentials)


async def test_a_key_bound_to_a_certificate_is_refused_without_one(security: Security) -> None:
    """The binding is never ignored."""
    ann = await owner(security)
    pattern = "CN=.*.node.abc.cluster.*"
    wanted = NewKey(name="k", access=ACCESS, certificate_identity=pattern)
    key, secret = await security.api_keys.create_cross_cluster(ann, wanted)
    assert await cross_cluster_refusal(security, encode_credentials(key.id, secret)) == (
        f"API key (type:[cross_cluster], id:[{key.id}]) requires certificate identity matching [{pattern}], "
        "but no certificate was provided"
    )


async def test_refused_keys_are_logged_once_a_minute(
    security: Security, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names the key and why, never its secret, and is not filled by a peer that tries again."""
    for _ in range(5):
        await cross_cluster_refusal(security, encode_credentials("nobody", Secret("the-secret")))
    clock.milliseconds += 61_000
    await cross_cluster_refusal(security, encode_credentials("nobody", Secret("the-secret")))
    assert [vars(record)["api_key_id"] for record in caplog.records] == ["nobody", "nobody"]
    assert "the-secret" not in str([vars(record) for record in caplog.records])


def test_key_secrets_are_random_salted_and_comparable() -> None:
    """Two hashes of one secret differ and both verify it."""
    secret = new_key_secret()
    first, second = hash_key_secret(secret), hash_key_secret(secret)
    assert first != second
    assert secret.reveal() not in first
    assert key_secret_matches(secret, first)
    assert key_secret_matches(secret, second)
    assert not key_secret_matches(new_key_secret(), first)
