"""``_search/template``, ``_msearch/template`` and ``_render/template``: searches made of templates.

A template is rendered here, whichever clusters the search is of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from isthmus.errors import parsing_failure, validation_failure
from isthmus.rest.elasticsearch.call import Call, ElasticsearchRouter, json_object
from isthmus.rest.elasticsearch.scroll import begin_scroll
from isthmus.rest.elasticsearch.search_multi import MULTI_SEARCH_PARAMETERS, MultiSearch
from isthmus.rest.elasticsearch.search_order import Searcher, search_question
from isthmus.rest.elasticsearch.search_parameters import SEARCH_PARAMETERS, expressions_of
from isthmus.rest.elasticsearch.search_values import boolean, token_of
from isthmus.rest.elasticsearch.search_values import json_object as read_object
from isthmus.rest.elasticsearch.search_warnings import warnings_of
from isthmus.rest.http import Response, json_response, json_text, parse_json
from isthmus.search.mustache import render
from isthmus.search.progress import is_partial
from isthmus.search.running import RunningTasks
from isthmus.search.scroll import Scrolls
from isthmus.search.stored_scripts import StoredScripts, require_inline_size
from isthmus.security.authorize import require_index_action

#: whoever may search by templates somewhere may see what becomes of one
_TEMPLATE_ACTION: Final = "indices:data/read/search/template"
_MEMBERS: Final = frozenset({"explain", "id", "params", "profile", "source"})


@dataclass(frozen=True, slots=True)
class Templates:
    """Makes bodies of searches out of templates, sent along or stored."""

    scripts: StoredScripts

    def body(self, sent: Any, script_id: str | None = None) -> Any:
        """Answer the body that ``{"source" or "id": ..., "params": {...}}`` stands for.

        Raises 400 failures for a template that is malformed or does not render to JSON, 404 for an id that
        is not stored.
        """
        members = _members(sent)
        named = script_id or members.get("id")
        if named is None and members.get("source") is None:
            raise validation_failure("template is missing")
        if named is None:
            source = _source(members["source"])
            require_inline_size(source)
        elif not isinstance(named, str):
            raise parsing_failure(f"[id] must be a string, found {token_of(named)}")
        else:
            source = self.scripts.get(named).source
        parameters = members.get("params")
        text = render(source, {} if parameters is None else read_object("params", parameters))
        body = parse_json(text.encode("utf-8", "surrogatepass"))
        for flag in ("explain", "profile"):
            if flag in members and isinstance(body, dict):
                body.setdefault(flag, boolean(flag, members[flag]))
        return body


def register(
    router: ElasticsearchRouter,
    searcher: Searcher,
    scripts: StoredScripts,
    running: RunningTasks,
    scrolls: Scrolls,
) -> None:
    """Serve searches by template."""
    templates = Templates(scripts)

    async def search(call: Call) -> Response:
        body = templates.body(json_object(call))
        question = search_question(expressions_of(call.path.get("index")), call.parameters, body)
        if "scroll" in call.parameters:
            return await begin_scroll(scrolls, call.principal, call.parameters, question)
        answer = await searcher.search(call.principal, question.order)
        rendered = question.rendered(answer)
        return json_response(rendered, headers=warnings_of(rendered) if is_partial(answer) else ())

    async def show(call: Call) -> Response:
        require_index_action(call.principal, _TEMPLATE_ACTION, ())
        return json_response({"template_output": templates.body(json_object(call), call.path.get("id"))})

    multi_search = MultiSearch(searcher, running, templates.body).handle
    for prefix in ("", "/{index}"):
        router.add("GET POST", f"{prefix}/_search/template", search, SEARCH_PARAMETERS)
        router.add("GET POST", f"{prefix}/_msearch/template", multi_search, MULTI_SEARCH_PARAMETERS)
    for suffix in ("", "/{id}"):
        router.add("GET POST", f"/_render/template{suffix}", show, ())


def _members(sent: Any) -> Mapping[str, Any]:
    if not isinstance(sent, dict):
        raise parsing_failure(f"Expected [START_OBJECT] but found [{token_of(sent)}]")
    for name in sent:
        if name not in _MEMBERS:
            raise parsing_failure(f"[search_template] unknown field [{name[:200]}]")
    return sent


def _source(value: Any) -> str:
    """Answer the text of a template, which may be sent as the object that it makes."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return json_text(value).decode()
    raise parsing_failure(f"[source] must be a string or an object, found {token_of(value)}")
