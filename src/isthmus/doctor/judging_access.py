"""The key, the caller and what they find: functions of what was seen."""

from __future__ import annotations

from statistics import median
from typing import Final

from isthmus.doctor.findings import Verdict, error, fine, skipped, warning
from isthmus.doctor.observations import AccessSeen, Observations, Refusal
from isthmus.doctor.versions import OLDEST_WITH_KEYS, may_search, parse_minor
from isthmus.errors import FailureKind
from isthmus.remotes.causes import Cause
from isthmus.remotes.phases import Phase
from isthmus.remotes.settings import credentials_name

_MILLISECONDS_PER_DAY: Final = 86_400_000
_KEY_EXPIRES_SOON_DAYS: Final = 7
#: certificates are backdated and keys live for days: less than this matters to neither
_CLOCKS_DIFFER_SECONDS: Final = 60
#: between continents it is 300; a search needs one round trip, so this is what users feel
_SLOW_MILLISECONDS: Final = 400


def judge_key_type(seen: Observations) -> Verdict:
    """Judge whether the key is one for clusters and not one for the REST API."""
    if seen.by_certificate:
        return fine("no key is used")
    trouble = seen.ended_in(Phase.AUTHENTICATE)
    if trouble is not None and trouble.cause is Cause.KEY_OF_ANOTHER_TYPE:
        return error(
            Cause.KEY_OF_ANOTHER_TYPE,
            trouble.reason,
            "create a cross-cluster API key on the remote (POST /_security/cross_cluster/api_key) and store"
            f" its [encoded] under [{credentials_name(seen.alias)}]",
        )
    return fine("nothing speaks against the type of the key" if trouble else "a cross-cluster API key")


def judge_key(seen: Observations) -> Verdict:
    """Judge whether the remote takes the key, and for how long, or this node's certificate."""
    if seen.by_certificate:
        return _judge_own_certificate(seen)
    trouble = seen.ended_in(Phase.AUTHENTICATE)
    entry = credentials_name(seen.alias)
    renew = f"create a new cross-cluster API key on the remote and store its [encoded] under [{entry}]"
    if trouble is not None:
        cause = trouble.cause or Cause.KEY_NOT_ACCEPTED
        if cause is Cause.KEY_EXPIRED:
            return error(cause, f"{trouble.reason}: the key has expired, by the remote's clock", renew)
        if cause is Cause.KEY_INVALIDATED:
            return error(cause, f"{trouble.reason}: the key was invalidated over there", renew)
        if cause is Cause.KEY_NOT_ACCEPTED:
            return error(
                cause,
                f"{trouble.reason}: no such key exists over there, or its secret is another one",
                f"{renew}; check that the key was made in the deployment that this address leads to",
            )
        return error(cause, trouble.reason, trouble.remedy or renew)
    welcome = seen.welcome
    if welcome is None:
        return skipped("no answer told about the key")
    named = f"key [{welcome.key_name}] (id [{welcome.key_id}]) is taken"
    expires = welcome.key_expires_milliseconds
    if expires is None:
        return fine(f"{named} and never expires")
    left_days = (expires - (welcome.now_milliseconds or seen.now_milliseconds)) / _MILLISECONDS_PER_DAY
    if left_days < _KEY_EXPIRES_SOON_DAYS:
        return warning(
            Cause.KEY_EXPIRES_SOON, f"{named} and expires in {left_days:.1f} days", renew, expiration=expires
        )
    return fine(f"{named} and expires in {left_days:.0f} days", expiration=expires)


def _judge_own_certificate(seen: Observations) -> Verdict:
    trouble = seen.trouble
    if trouble is not None:
        cause = trouble.cause or Cause.NODE_NOT_TRUSTED_THERE
        return error(cause, trouble.reason, trouble.remedy or "check the trust settings on both sides")
    return fine("the remote trusts this node's certificate")


def judge_clocks(seen: Observations) -> Verdict:
    """Judge whether both sides agree what time it is: keys and certificates expire by it."""
    skew = seen.skew_seconds
    if skew is None:
        return skipped("the remote does not tell its time")
    if abs(skew) < _CLOCKS_DIFFER_SECONDS:
        return fine("both clocks agree within a minute")
    direction = "ahead of" if skew > 0 else "behind"
    return warning(
        Cause.CLOCKS_DIFFER,
        f"the remote's clock is {abs(skew):.0f} s {direction} this node's",
        "set both clocks by NTP",
        skew_seconds=round(skew, 1),
    )


def judge_access(seen: Observations) -> Verdict:
    """Judge whether the key's access and the asking user's roles have something in common."""
    access = seen.access
    if access is None:
        return skipped("the remote was not asked")
    if access.denied_here:
        return error(
            Cause.NO_REMOTE_PRIVILEGES,
            access.denied_here,
            f"give a role of [{access.username}] an entry in [remote_indices] whose [clusters] match"
            f" [{seen.alias}], with the privileges [read, read_cross_cluster]",
        )
    refusal = access.refusal
    if refusal is not None and refusal.kind is FailureKind.FORBIDDEN:
        return _denied_there(seen, access, refusal)
    return fine(f"[{access.username}] may search there, as far as key and roles both allow")


def judge_indices(seen: Observations) -> Verdict:
    """Judge whether there is something to search under the names asked about."""
    access = seen.access
    if access is None:
        return skipped("the remote was not asked")
    asked = ",".join(access.expressions)
    refusal = access.refusal
    if refusal is not None:
        if refusal.kind is FailureKind.NOT_FOUND:
            return error(
                Cause.INDEX_MISSING,
                f"{refusal.reason} on the remote",
                "check the name, or create the index there; wildcards are not refused when nothing matches",
            )
        return error(
            Cause.SEARCH_FAILED, f"{refusal.error_type}: {refusal.reason}", "mend what the remote says"
        )
    if not access.matching:
        return warning(
            Cause.NO_INDEX_VISIBLE,
            f"[{asked}] matches no index that key and roles both let [{access.username}] see",
            "compare the indices on the remote with [access] of the key there and with [remote_indices] of"
            " the roles here",
        )
    return fine(f"[{asked}] matches {access.matching} {'index' if access.matching == 1 else 'indices'}")


def judge_versions(seen: Observations) -> Verdict:
    """Judge whether searching that version from this one is supported."""
    welcome = seen.welcome
    if welcome is None:
        return skipped("the remote does not tell its version")
    local, remote = parse_minor(seen.compatible_version), parse_minor(welcome.compatible_version)
    if local is None or remote is None:
        return skipped(f"the remote's version [{welcome.compatible_version[:50]}] is not a version")
    pair = f"this cluster is compatible with Elasticsearch {local}, the remote with {remote}"
    oldest = parse_minor(OLDEST_WITH_KEYS)
    if may_search(local, remote) and (oldest is None or min(local, remote) >= oldest):
        return fine(pair)
    return warning(
        Cause.VERSIONS_NOT_SUPPORTED,
        f"{pair}: searching across these two is not supported and may fail",
        "upgrade the older side; the supported pairs are listed in the documentation",
    )


def judge_round_trip(seen: Observations) -> Verdict:
    """Judge the way there and back."""
    # Once the remote has answered about access, what came later is told by the search.
    trips, trouble = seen.round_trips_milliseconds, seen.later_trouble if seen.access is None else None
    if not trips:
        if trouble is None:
            return skipped("no ping was sent")
        return error(Cause.CONNECTION_BREAKS, trouble.reason, trouble.remedy or _KEEP_OPEN)
    middle = median(trips)
    described = f"{middle:.1f} ms (median of {len(trips)}; {min(trips):.1f} to {max(trips):.1f} ms)"
    details = {"median_milliseconds": round(middle, 3)}
    if trouble is not None:
        return error(
            Cause.CONNECTION_BREAKS,
            f"after {len(trips)} pings of {middle:.1f} ms: {trouble.reason}",
            trouble.remedy or _KEEP_OPEN,
            **details,
        )
    if middle >= _SLOW_MILLISECONDS:
        return warning(
            Cause.SLOW_ROUND_TRIP,
            described,
            "look for a detour on the way; a search takes at least one such round trip",
            **details,
        )
    return fine(described, **details)


def judge_search(seen: Observations) -> Verdict:
    """Judge whether a search comes back."""
    search = seen.search
    if search is None:
        trouble = seen.later_trouble
        if trouble is None:
            return skipped("no search was sent")
        return error(Cause.CONNECTION_BREAKS, trouble.reason, trouble.remedy or _KEEP_OPEN)
    if search.refusal is not None:
        refusal = search.refusal
        return error(
            Cause.SEARCH_FAILED,
            f"{refusal.error_type}: {refusal.reason}",
            "mend what the remote says; its own log may have more",
        )
    least = "" if search.total_is_exact else "at least "
    return fine(f"found {least}{search.total} documents in {search.milliseconds:.0f} ms")


_KEEP_OPEN: Final = "check the remote node, and that nothing on the way cuts connections"


def _denied_there(seen: Observations, access: AccessSeen, refusal: Refusal) -> Verdict:
    if seen.by_certificate:
        return error(
            Cause.ROLE_LACKS_INDEX_THERE,
            f"{refusal.reason} (without an API key the remote's own roles count, by their names)",
            "give a role of the same name on the remote the index privileges [read, read_cross_cluster]",
        )
    if access.not_in_roles:
        return error(
            Cause.ROLE_LACKS_INDEX,
            f"{refusal.reason} (no role of [{access.username}] here reaches"
            f" [{', '.join(access.not_in_roles)}] on [{seen.alias}])",
            "add the name to [remote_indices] of a role here, with the privileges [read, read_cross_cluster]",
        )
    return error(
        Cause.KEY_LACKS_INDEX,
        f"{refusal.reason} (the roles of [{access.username}] here reach it: it is the key that does not)",
        "add the name to [access.search] of the key on the remote: PUT /_security/cross_cluster/api_key/<id>",
    )
