"""Queries as one caller may ask them: of the documents they may see, without the fields they may not.

An engine is reached with one identity that may do everything, so a query is looked through before it goes
there. What could read past a caller's limits is refused by name; a field that is hidden is asked for by a
name that no index has, which is how it is for that caller.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from isthmus.engines.attached.field_types import FieldType
from isthmus.engines.embedded.source_filter import METADATA_FIELDS, VisibleFields
from isthmus.errors import Failure, illegal_argument, parsing_failure
from isthmus.exchange import IndexSelection, Json, JsonObject

#: What stands before the name of a hidden field: no index has such a field.
HIDDEN: Final = "isthmus-hidden."
_MATCH_ALL: Final[JsonObject] = {"match_all": {}}
#: As deep as queries may be: what is nested deeper is no question that somebody has.
_MAXIMUM_DEPTH: Final = 30

#: The field is the name of the only member, besides these.
_OF_ONE_FIELD: Final[Mapping[str, frozenset[str]]] = {
    **dict.fromkeys(
        (
            "fuzzy",
            "intervals",
            "match",
            "match_bool_prefix",
            "match_phrase",
            "match_phrase_prefix",
            "prefix",
            "range",
            "regexp",
            "span_term",
            "term",
            "terms_set",
            "wildcard",
        ),
        frozenset[str](),
    ),
    "terms": frozenset({"boost", "_name"}),
    "geo_bounding_box": frozenset({"validation_method", "type", "boost", "_name", "ignore_unmapped"}),
    "geo_distance": frozenset(
        {"distance", "distance_type", "validation_method", "boost", "_name", "ignore_unmapped"}
    ),
    "geo_polygon": frozenset({"validation_method", "boost", "_name", "ignore_unmapped"}),
    "geo_shape": frozenset({"boost", "_name", "ignore_unmapped"}),
}
#: The field is a member of its own.
_WITH_FIELD: Final = frozenset({"distance_feature", "exists", "rank_feature"})
#: Several fields: in ``fields``, or all there are.
_OF_MANY_FIELDS: Final = frozenset({"combined_fields", "multi_match", "query_string", "simple_query_string"})
_OF_NO_FIELD: Final = frozenset({"ids", "match_all", "match_none"})
#: What an engine has and what is not passed on: it reads other documents, runs programs, or hides queries.
_NOT_SUPPORTED: Final = frozenset(
    {
        "geo_grid",
        "has_child",
        "has_parent",
        "hybrid",
        "knn",
        "more_like_this",
        "neural",
        "parent_id",
        "percolate",
        "pinned",
        "rule",
        "script",
        "script_score",
        "semantic",
        "shape",
        "sparse_vector",
        "template",
        "text_expansion",
        "weighted_tokens",
        "wrapper",
        "xy_shape",
    }
)
#: Queries inside of others: the members that hold one or a list of them.
_COMPOUND: Final[Mapping[str, tuple[str, ...]]] = {
    "bool": ("must", "filter", "should", "must_not"),
    "boosting": ("positive", "negative"),
    "constant_score": ("filter",),
    "dis_max": ("queries",),
    "nested": ("query",),
    "span_containing": ("little", "big"),
    "span_first": ("match",),
    "span_multi": ("match",),
    "span_near": ("clauses",),
    "span_not": ("include", "exclude"),
    "span_or": ("clauses",),
    "span_within": ("little", "big"),
}
#: Members that read other documents or run a program, and those that name a further field.
_LOOKUPS: Final = frozenset({"indexed_shape", "minimum_should_match_script", "script"})
_FURTHER_FIELDS: Final = frozenset({"minimum_should_match_field", "use_field"})
#: Fields of a document itself, which tell nothing of what is in it.
_OF_THE_DOCUMENT: Final = METADATA_FIELDS | {"_routing", "_score", "_shard_doc", "_tier", "_ignored"}
_NAMES_A_FIELD: Final = re.compile(r"(?<!\\):")


class Limits:
    """What one caller may see of some indices that are searched together."""

    def __init__(self, selection: IndexSelection, types: Mapping[str, FieldType]) -> None:
        """``types`` are the fields of those indices."""
        self._types = types
        self.filters: Final = selection.document_filters
        self.visible: Final = VisibleFields(selection.field_access)

    @property
    def hides_documents(self) -> bool:
        """Tell whether some documents may be hidden."""
        return bool(self.filters)

    @property
    def hides_fields(self) -> bool:
        """Tell whether some fields may be hidden."""
        return not self.visible.are_all

    @property
    def hides_anything(self) -> bool:
        """Tell whether anything may be hidden."""
        return self.hides_documents or self.hides_fields

    def query(self, query: Json) -> JsonObject:
        """Answer a caller's query as the engine is asked. Raises a 400 failure for what cannot be allowed."""
        return narrowed(self.checked(query), self.filters)

    def checked(self, query: Json) -> Json:
        """Answer a query without the documents' limits: one of several of a request."""
        if query is None:
            return None
        rename = self.field if self.hides_fields else None
        return _Checked(rename).query(query, 0)

    def field(self, path: str) -> str:
        """Answer the name of a field as this caller has it."""
        if path in _OF_THE_DOCUMENT:
            return path
        meant = self._types[path].path if path in self._types else path
        return path if self.visible(path) and self.visible(meant) else HIDDEN + path


def narrowed(query: Json, filters: Sequence[Json]) -> JsonObject:
    """Answer a query of only those documents that match all filters; its scores stay what they are."""
    asked: JsonObject = _MATCH_ALL if query is None else query
    if not filters:
        return asked
    return {"bool": {"must": [asked], "filter": list(filters)}}


def unhidden(text: str) -> str:
    """Answer a message of the engine with the fields as the caller named them."""
    return text.replace(HIDDEN, "")


class _Checked:
    """Walks through a query. ``rename`` is None where every field may be seen."""

    def __init__(self, rename: Callable[[str], str] | None) -> None:
        self._rename = rename

    def query(self, query: Json, depth: int) -> JsonObject:
        if depth > _MAXIMUM_DEPTH:
            raise illegal_argument(
                f"The nested depth of the query exceeds the maximum nested depth for queries set in "
                f"[indices.query.bool.max_nested_depth]: [{_MAXIMUM_DEPTH}]"
            )
        if not isinstance(query, dict) or len(query) != 1:
            raise parsing_failure("query malformed, it must be an object with one name: that of the query")
        ((kind, body),) = query.items()
        if kind in _OF_NO_FIELD:
            return {kind: body}
        if kind in _NOT_SUPPORTED:
            raise parsing_failure(f"[{kind}] query is not supported over an attached engine")
        if not isinstance(body, dict):
            raise parsing_failure(f"[{kind}] query malformed, no start_object after query name")
        return self._of_kind(kind, body, depth)

    def _of_kind(self, kind: str, body: JsonObject, depth: int) -> JsonObject:
        if kind in _OF_ONE_FIELD:
            return {kind: self._of_one_field(kind, body)}
        if kind in _WITH_FIELD:
            return self._with_field(kind, body)
        if kind in _OF_MANY_FIELDS:
            return {kind: self._of_many_fields(kind, body)}
        if kind in _COMPOUND:
            return {kind: self._compound(kind, body, depth)}
        if kind == "function_score":
            return {kind: self._function_score(body, depth)}
        raise parsing_failure(f"unknown query [{kind}]")

    def _name(self, path: str) -> str:
        return path if self._rename is None else self._rename(path)

    def _of_one_field(self, kind: str, body: JsonObject) -> JsonObject:
        others = _OF_ONE_FIELD[kind]
        checked: JsonObject = {}
        for name, value in body.items():
            if name in others:
                checked[name] = value
                continue
            if kind == "terms" and isinstance(value, dict):
                raise parsing_failure("[terms] lookup is not supported over an attached engine")
            self._require_plain(kind, value, 0)
            checked[self._name(name)] = value
        return checked

    def _require_plain(self, kind: str, value: Json, depth: int) -> None:
        """Refuse what reads other documents, runs programs or names further fields."""
        if depth > _MAXIMUM_DEPTH:
            raise parsing_failure(f"[{kind}] is nested too deeply")
        if isinstance(value, list):
            for each in value:
                self._require_plain(kind, each, depth + 1)
        elif isinstance(value, dict):
            for name, inner in value.items():
                if name in _LOOKUPS or (self._rename is not None and name in _FURTHER_FIELDS):
                    raise parsing_failure(f"[{kind}] with [{name}] is not supported over an attached engine")
                self._require_plain(kind, inner, depth + 1)

    def _with_field(self, kind: str, body: JsonObject) -> JsonObject:
        path = body.get("field")
        if not isinstance(path, str) or self._rename is None:
            return {kind: body}
        if "*" in path:
            raise self._refused(kind, "a pattern of fields")
        return {kind: {**body, "field": self._name(path)}}

    def _of_many_fields(self, kind: str, body: JsonObject) -> JsonObject:
        if self._rename is None:
            return body
        fields = body.get("fields")
        default = body.get("default_field")
        if fields is None and isinstance(default, str):
            fields = [default]
        if not isinstance(fields, list) or not all(isinstance(each, str) for each in fields):
            raise self._refused(kind, "all fields")
        text = body.get("query")
        if kind == "query_string" and isinstance(text, str) and _NAMES_A_FIELD.search(text):
            raise self._refused(kind, "fields named in the text")
        renamed = []
        for each in fields:
            path, caret, boost = each.partition("^")
            if "*" in path:
                raise self._refused(kind, "a pattern of fields")
            renamed.append(self._name(path) + caret + boost)
        kept = {name: value for name, value in body.items() if name != "default_field"}
        return {**kept, "fields": renamed}

    def _compound(self, kind: str, body: JsonObject, depth: int) -> JsonObject:
        checked = dict(body)
        for member in _COMPOUND[kind]:
            if member not in body:
                continue
            inner = body[member]
            if isinstance(inner, list):
                checked[member] = [self.query(each, depth + 1) for each in inner]
            else:
                checked[member] = self.query(inner, depth + 1)
        if kind == "nested" and "inner_hits" in body:
            raise parsing_failure("[nested] with [inner_hits] is not supported over an attached engine")
        return checked

    def _function_score(self, body: JsonObject, depth: int) -> JsonObject:
        checked = dict(body)
        if "query" in body:
            checked["query"] = self.query(body["query"], depth + 1)
        functions = body.get("functions")
        checked = self._function(checked, depth)
        if isinstance(functions, list):
            checked["functions"] = [
                self._function(each, depth) if isinstance(each, dict) else each for each in functions
            ]
        return checked

    def _function(self, function: JsonObject, depth: int) -> JsonObject:
        checked = dict(function)
        if "script_score" in checked:
            raise parsing_failure("[script_score] is not supported over an attached engine")
        if "filter" in checked:
            checked["filter"] = self.query(checked["filter"], depth + 1)
        for kind in ("field_value_factor", "random_score"):
            inner = checked.get(kind)
            if isinstance(inner, dict) and isinstance(inner.get("field"), str):
                checked[kind] = {**inner, "field": self._name(inner["field"])}
        for kind in ("gauss", "linear", "exp"):
            inner = checked.get(kind)
            if isinstance(inner, dict):
                checked[kind] = {
                    name if name == "multi_value_mode" else self._name(name): value
                    for name, value in inner.items()
                }
        return checked

    def _refused(self, kind: str, what: str) -> Failure:
        return illegal_argument(
            f"[{kind}] over {what} is not supported where field level security hides fields of an attached "
            "engine"
        )
