"""What a search may ask of a peer only if the peer said in its handshake that it knows it.

A peer ignores members of a request that it does not know. So a search that would come back without what
was asked for is refused instead, by name.
"""

from __future__ import annotations

from collections.abc import Collection

from isthmus.errors import Failure, FailureKind, Fault
from isthmus.exchange import SearchRequest
from isthmus.remotes.protocol import HITS, SUGGESTERS, Welcome


def needed_features(request: SearchRequest) -> Collection[str]:
    """Answer the features without which a peer would misunderstand this request; nearly always none."""
    if (
        request.fetch is None
        and request.collapse is None
        and not request.rescore
        and not request.profile
        and request.statistics is None
        and not request.indices_boost
        and not request.suggests
        and not (request.sort and any(key.numeric_type for key in request.sort))
    ):
        return ()
    return (HITS, SUGGESTERS) if request.completions or request.phrases else (HITS,)


def require_features(needed: Collection[str], alias: str, welcome: Welcome | None) -> None:
    """Return if the peer has these features or is not known yet; raises a 400 failure that names it."""
    if welcome is None:
        return
    for feature in needed:
        if feature not in welcome.features:
            raise Failure(
                FailureKind.INVALID_REQUEST,
                "illegal_argument_exception",
                f"remote cluster [{alias}] of version [{welcome.software_version[:50]}] does not know all "
                f"that this search asks for (feature [{feature}]): upgrade it",
                fault=Fault.REMOTE,
            )
