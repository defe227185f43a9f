"""A search as an engine is asked for it: the request's members in Elasticsearch's words."""

from __future__ import annotations

from collections.abc import Mapping

from isthmus.engines.attached.dialect import Dialect
from isthmus.engines.attached.field_types import FieldType
from isthmus.engines.attached.limits import Limits
from isthmus.engines.attached.sorting import search_after_of, sort_of
from isthmus.errors import Failure, illegal_argument
from isthmus.exchange import (
    CompletionSuggester,
    FetchRequest,
    FieldRequest,
    HighlightField,
    JsonObject,
    Rescore,
    SearchRequest,
    TermSuggester,
)


def search_body(
    request: SearchRequest,
    limits: Limits,
    types: Mapping[str, FieldType],
    dialect: Dialect,
) -> JsonObject:
    """Answer the body of a search, without aggregations, for indices whose fields are ``types``.

    Raises a 400 failure that names what this engine, or a caller with such limits, cannot be answered.
    """
    _require_possible(request, limits, dialect)
    body: JsonObject = {
        "query": limits.query(request.query),
        "size": request.size,
        "track_total_hits": request.track_total_hits,
        "_source": True if request.source is None else request.source,
    }
    if request.fetch is not None and request.fetch.hide_id:
        body["_source"] = False  # an engine does not show the one without the other
    body |= _given(
        {
            "from": request.offset,
            "post_filter": limits.checked(request.post_filter),
            "sort": sort_of(request, limits, types),
            "search_after": search_after_of(request, types, dialect.sorted_small),
            "track_scores": request.track_scores,
            "min_score": request.min_score,
            "timeout": None
            if request.timeout_milliseconds is None
            else f"{max(request.timeout_milliseconds, 1)}ms",
            "terminate_after": request.terminate_after,
            "version": request.version,
            "seq_no_primary_term": request.seq_no_primary_term,
            "profile": request.profile,
            "rescore": [_rescore(each, limits) for each in request.rescore],
            "suggest": _suggest(request),
        }
    )
    if request.collapse is not None:
        body["collapse"] = {"field": limits.field(request.collapse.field)}
    if request.fetch is not None:
        body |= _fetch(request.fetch, limits)
    return body


def _given(members: JsonObject) -> JsonObject:
    return {
        name: value for name, value in members.items() if value or (name == "min_score" and value is not None)
    }


def _require_possible(request: SearchRequest, limits: Limits, dialect: Dialect) -> None:
    if request.statistics is not None:
        raise statistics_refused(dialect)
    if request.phrases:
        raise illegal_argument(
            f"[phrase] suggester is not supported over the attached engine [{dialect.name}]"
        )
    if limits.hides_anything and request.suggests:
        raise illegal_argument("Suggest isn't supported if document level security is enabled")
    if limits.hides_anything and request.profile:
        raise illegal_argument("A search request cannot be profiled if document level security is enabled")
    if request.fetch is not None:
        _require_showable(request.fetch, limits, dialect)


def _require_showable(fetch: FetchRequest, limits: Limits, dialect: Dialect) -> None:
    if fetch.explain and limits.hides_anything:
        raise illegal_argument(
            "[explain] is not supported where an attached engine hides documents or fields"
        )
    if fetch.fields and not dialect.fields:
        raise illegal_argument(f"[fields] is not supported over the attached engine [{dialect.name}]")
    if not limits.hides_fields:
        return
    shown = [each.pattern for each in (*fetch.fields, *fetch.docvalue_fields)]
    for pattern in (*shown, *(each.pattern for each in fetch.highlight), *fetch.stored_fields):
        if "*" in pattern:
            raise illegal_argument(
                f"the pattern [{pattern}] is not supported where an attached engine hides fields"
            )


def statistics_refused(dialect: Dialect) -> Failure:
    """Answer the failure of a search that is to be scored by statistics of other indices (400)."""
    return illegal_argument(
        f"[search_type=dfs_query_then_fetch] is not supported over the attached engine [{dialect.name}]: it "
        "cannot be given the statistics of other clusters"
    )


def _rescore(rescore: Rescore, limits: Limits) -> JsonObject:
    return {
        "window_size": rescore.window_size,
        "query": {
            "rescore_query": limits.checked(rescore.query),
            "query_weight": rescore.query_weight,
            "rescore_query_weight": rescore.rescore_query_weight,
            "score_mode": rescore.score_mode,
        },
    }


def _fetch(fetch: FetchRequest, limits: Limits) -> JsonObject:
    asked: JsonObject = {}
    if fetch.fields:
        asked["fields"] = [_field(each, limits) for each in fetch.fields]
    if fetch.docvalue_fields:
        asked["docvalue_fields"] = [_field(each, limits) for each in fetch.docvalue_fields]
    if fetch.hide_id:
        asked["stored_fields"] = "_none_"
    elif fetch.stored_fields:
        asked["stored_fields"] = [limits.field(each) for each in fetch.stored_fields]
    if fetch.highlight:
        asked["highlight"] = {
            "fields": [{limits.field(each.pattern): _highlight(each, limits)} for each in fetch.highlight]
        }
        if fetch.highlight[0].escape_html:
            asked["highlight"]["encoder"] = "html"
    if fetch.explain:
        asked["explain"] = True
    return asked


def _field(field: FieldRequest, limits: Limits) -> JsonObject:
    asked: JsonObject = {"field": limits.field(field.pattern)}
    if field.format is not None:
        asked["format"] = field.format
    if field.include_unmapped:
        asked["include_unmapped"] = True
    return asked


def _highlight(field: HighlightField, limits: Limits) -> JsonObject:
    asked: JsonObject = {
        "type": field.kind,
        "pre_tags": [field.opening],
        "post_tags": [field.closing],
        "fragment_size": field.fragment_size,
        "number_of_fragments": field.fragments,
        "no_match_size": field.no_match_size,
        "require_field_match": field.require_field_match,
    }
    if field.by_score:
        asked["order"] = "score"
    if field.kind == "unified":
        asked["boundary_scanner"] = field.boundary
    if field.kind == "plain":
        asked["fragmenter"] = field.fragmenter
    if field.max_analyzed_offset is not None:
        asked["max_analyzer_offset"] = field.max_analyzed_offset
    if field.query is not None:
        asked["highlight_query"] = limits.checked(field.query)
    return asked


def _suggest(request: SearchRequest) -> JsonObject:
    asked: JsonObject = {each.name: _term(each) for each in request.suggest}
    asked |= {each.name: _completion(each) for each in request.completions}
    return asked


def _term(suggester: TermSuggester) -> JsonObject:
    kept = max(suggester.size, suggester.shard_size)
    term: JsonObject = {
        "field": suggester.field,
        "size": kept,
        "shard_size": kept,
        "sort": "frequency" if suggester.by_frequency else "score",
        "suggest_mode": suggester.mode,
        "max_edits": suggester.max_edits,
        "prefix_length": suggester.prefix_length,
        "min_word_length": suggester.min_word_length,
        "min_doc_freq": suggester.min_document_frequency,
        "max_term_freq": suggester.max_term_frequency,
        "string_distance": suggester.distance,
    }
    if suggester.analyzer is not None:
        term["analyzer"] = suggester.analyzer
    return {"text": suggester.text, "term": term}


def _completion(suggester: CompletionSuggester) -> JsonObject:
    completion: JsonObject = {
        "field": suggester.field,
        "size": suggester.size,
        "skip_duplicates": suggester.skip_duplicates,
    }
    if suggester.analyzer is not None:
        completion["analyzer"] = suggester.analyzer
    if suggester.fuzzy is not None:
        fuzzy = suggester.fuzzy
        completion["fuzzy"] = {
            "fuzziness": fuzzy.edits,
            "transpositions": fuzzy.transpositions,
            "min_length": fuzzy.min_length,
            "prefix_length": fuzzy.prefix_length,
            "unicode_aware": fuzzy.unicode_aware,
        }
    return {"prefix": suggester.prefix, "completion": completion}
