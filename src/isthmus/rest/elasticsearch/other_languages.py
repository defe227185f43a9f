"""Query languages that Elasticsearch has beside its own: none of them is here, and each says so."""

from __future__ import annotations

from typing import Final

from isthmus.rest.elasticsearch.call import Call, ElasticsearchRouter, Handler
from isthmus.rest.elasticsearch.search_values import unsupported
from isthmus.rest.http import Response

#: first segment of a path, and what is below it
_PATHS: Final = {
    "_query": ("", "/async", "/async/{id}", "/async/{id}/stop", "/queries", "/queries/{id}"),
    "_esql": ("", "/query"),
    "_sql": ("", "/async/delete/{id}", "/async/{id}", "/async/status/{id}", "/close", "/translate"),
    "_eql": ("", "/search/{id}", "/search/status/{id}"),
}
_METHODS: Final = "GET POST PUT DELETE"


def register(router: ElasticsearchRouter) -> None:
    """Serve a refusal by name."""
    for name, suffixes in _PATHS.items():
        refuse = _refusal(name)
        for suffix in suffixes:
            router.add(_METHODS, f"/{name}{suffix}", refuse)
    router.add("GET POST", "/{index}/_eql/search", _refusal("_eql"))
    router.add("GET POST", "/{index}/_mvt/{field}/{zoom}/{x}/{y}", _refusal("_mvt"))


def _refusal(name: str) -> Handler:
    async def refuse(_call: Call) -> Response:
        raise unsupported(name)

    return refuse
