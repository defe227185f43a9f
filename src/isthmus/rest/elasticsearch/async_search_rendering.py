"""Submitted searches as Elasticsearch shows them."""

from __future__ import annotations

from typing import Any

import orjson

from isthmus.exchange import FailureReport
from isthmus.remotes.failure_reports import failure_of
from isthmus.rest.elasticsearch.errors import failure_object
from isthmus.rest.elasticsearch.search_warnings import warnings_of
from isthmus.rest.http import Response, json_response
from isthmus.rest.statuses import STATUS_OF_KIND
from isthmus.search.async_search import AsyncSearch
from isthmus.search.clusters import shards_object

_OK = 200


def search_response(search: AsyncSearch, *, is_kept: bool, typed_keys: bool) -> Response:
    """Answer a search as submitting and getting it show it; without an id where it is not kept.

    The status is that of the failure that ended it, if one did.
    """
    described: dict[str, Any] = {"id": search.id} if is_kept else {}
    described |= _times_of(search, partial_first=True)
    response = search.response
    if typed_keys and search.typed_response is not None:
        response = search.typed_response
    if response is not None:
        described["response"] = orjson.Fragment(response)
    if search.error is not None:
        described["error"] = failure_object(failure_of(search.error))
    headers = _headers(search, is_kept=is_kept)
    if search.is_partial and not search.is_running:
        headers += warnings_of({"_clusters": search.clusters, "_shards": shards_object(search.shards)})
    return json_response(described, completion_status(search.error), headers)


def status_response(search: AsyncSearch) -> Response:
    """Answer how a search stands, without what it found; the status is 200 however it ended."""
    described: dict[str, Any] = {"id": search.id, **_times_of(search, partial_first=False)}
    described["_shards"] = shards_object(search.shards)
    if search.clusters is not None:
        described["_clusters"] = search.clusters
    if not search.is_running:
        described["completion_status"] = completion_status(search.error)
    return json_response(described, headers=_headers(search, is_kept=True))


def completion_status(error: FailureReport | None) -> int:
    """Answer the HTTP status that says how a search ended."""
    return _OK if error is None else STATUS_OF_KIND[failure_of(error).kind]


def _times_of(search: AsyncSearch, *, partial_first: bool) -> dict[str, Any]:
    flags = {"is_partial": search.is_partial, "is_running": search.is_running}
    if not partial_first:
        flags = dict(reversed(flags.items()))
    described: dict[str, Any] = {
        **flags,
        "start_time_in_millis": search.started_milliseconds,
        "expiration_time_in_millis": search.expires_milliseconds,
    }
    if search.completed_milliseconds is not None:
        described["completion_time_in_millis"] = search.completed_milliseconds
    return described


def _headers(search: AsyncSearch, *, is_kept: bool) -> tuple[tuple[str, str], ...]:
    """Answer what tells a client how it stands without reading the body."""
    running = ("X-ElasticSearch-Async-Is-Running", "?1" if search.is_running else "?0")
    return (("X-ElasticSearch-Async-Id", search.id), running) if is_kept else (running,)
