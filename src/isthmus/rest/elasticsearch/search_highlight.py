"""``highlight`` of a search: options for all fields, and for each field its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from isthmus.errors import illegal_argument, parsing_failure
from isthmus.exchange import HighlightField
from isthmus.rest.elasticsearch.search_values import boolean, integer, json_object, token_of

_MOST_FIELDS: Final = 1_000
#: what the ``styled`` schema puts before and after; only the first of ten is ever used
_STYLED: Final = {"opening": '<em class="hlt1">', "closing": "</em>"}
#: Elasticsearch has them and this deployment has not; refused by name
_UNSUPPORTED: Final = frozenset(
    {
        "boundary_chars",
        "boundary_max_scan",
        "fragment_offset",
        "highlight_filter",
        "matched_fields",
        "options",
        "phrase_limit",
    }
)
WITHOUT_EFFECT: Final = frozenset({"boundary_scanner_locale", "force_source"})
"""Options that change nothing: boundaries follow one set of rules, and values are always the source's."""

_Reader = Callable[[str, Any], dict[str, Any]]


def highlight_of_body(_name: str, value: Any) -> tuple[HighlightField, ...]:
    """Read ``highlight``; raises 400 failures that name what is not known, not supported or no value."""
    given = json_object("highlight", value)
    shared = _options({name: each for name, each in given.items() if name != "fields"}, of_field=False)
    fields = given.get("fields", {})
    listed = fields if isinstance(fields, list) else [fields]
    read: list[HighlightField] = []
    for each in listed:
        if not isinstance(each, dict):
            raise parsing_failure(f"[highlight] [fields] must be an object, found {token_of(each)}")
        if isinstance(fields, list) and len(each) != 1:
            raise parsing_failure(
                "[fields] can be a single object with any number of fields or an array where each entry is "
                "an object with a single field"
            )
        for pattern, options in each.items():
            own = _options(json_object(pattern, options), of_field=True)
            read.append(_field(pattern, shared | own))
    if len(read) > _MOST_FIELDS:
        raise illegal_argument(f"[highlight] may list [{_MOST_FIELDS}] fields at most, found [{len(read)}]")
    return tuple(read)


def _options(given: Mapping[str, Any], *, of_field: bool) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name, value in given.items():
        if name in WITHOUT_EFFECT:
            continue
        if name in _UNSUPPORTED:
            raise illegal_argument(f"[highlight.{name}] is not supported by this deployment")
        reader = _READERS.get(name)
        if reader is None or (of_field and name in _SHARED_ONLY):
            where = "highlight_field" if of_field else "highlight"
            raise parsing_failure(f"[{where}] unknown field [{name[:200]}]")
        options |= reader(name, value)
    return options


def _field(pattern: str, options: dict[str, Any]) -> HighlightField:
    kind = options.get("kind", "unified")
    if kind == "fvh":
        raise illegal_argument("[highlight.type] [fvh] is not supported by this deployment: use [unified]")
    if kind not in ("unified", "plain"):
        raise illegal_argument(f"unknown highlighter type [{kind[:100]}] for the field [{pattern[:200]}]")
    if kind == "unified" and options.get("boundary") == "chars":
        raise illegal_argument("Invalid boundary scanner type: CHARS")
    if kind == "plain" and options.get("fragmenter", "span") not in ("span", "simple"):
        raise illegal_argument(
            f"unknown fragmenter option [{options['fragmenter'][:100]}] for the field [{pattern[:200]}]"
        )
    return HighlightField(pattern=pattern, **options)


def _one_of(member: str, allowed: tuple[str, ...]) -> _Reader:
    def read(name: str, value: Any) -> dict[str, Any]:
        text = _text(name, value).lower()
        if text not in allowed:
            raise illegal_argument(f"[{name}] must be one of {list(allowed)}, found [{str(value)[:100]}]")
        return {member: text}

    return read


def _word(member: str) -> _Reader:
    return lambda name, value: {member: _text(name, value)}


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise parsing_failure(f"[{name}] must be text, found {token_of(value)}")
    return value


def _size(member: str, lowest: int) -> _Reader:
    def read(name: str, value: Any) -> dict[str, Any]:
        number = integer(name, value)
        if number < lowest:
            raise illegal_argument(f"[{name}] must be at least [{lowest}], found [{number}]")
        return {member: number}

    return read


def _flag(member: str) -> _Reader:
    return lambda name, value: {member: boolean(name, value)}


def _tag(member: str) -> _Reader:
    def read(name: str, value: Any) -> dict[str, Any]:
        tags = [value] if isinstance(value, str) else value
        if not isinstance(tags, list) or not tags or not all(isinstance(each, str) for each in tags):
            raise parsing_failure(f"[{name}] must be text or a list of texts")
        return {member: tags[0]}

    return read


def _tags_schema(name: str, value: Any) -> dict[str, Any]:
    schema = _text(name, value)
    if schema == "styled":
        return dict(_STYLED)
    if schema == "default":
        return {"opening": "<em>", "closing": "</em>"}
    raise illegal_argument(f"Unknown tag schema [{schema[:100]}]")


def _encoder(name: str, value: Any) -> dict[str, Any]:
    encoder = _text(name, value)
    if encoder not in ("default", "html"):
        raise illegal_argument(f"[{name}] must be [default] or [html], found [{encoder[:100]}]")
    return {"escape_html": encoder == "html"}


def _order(name: str, value: Any) -> dict[str, Any]:
    return {"by_score": _text(name, value).lower() == "score"}


def _analyzed_offset(name: str, value: Any) -> dict[str, Any]:
    number = integer(name, value)
    if number <= 0 and number != -1:
        raise illegal_argument(f"[{name}] must be a positive integer, or -1")
    return {"max_analyzed_offset": None if number == -1 else number}


#: option -> how its value is read, as members of a :class:`HighlightField`
_READERS: Final[Mapping[str, _Reader]] = {
    "boundary_scanner": _one_of("boundary", ("sentence", "word", "chars")),
    "encoder": _encoder,
    "fragment_size": _size("fragment_size", 0),
    "fragmenter": _word("fragmenter"),
    "highlight_query": lambda name, value: {"query": json_object(name, value)},
    "max_analyzed_offset": _analyzed_offset,
    "no_match_size": _size("no_match_size", 0),
    "number_of_fragments": _size("fragments", 0),
    "order": _order,
    "post_tags": _tag("closing"),
    "pre_tags": _tag("opening"),
    "require_field_match": _flag("require_field_match"),
    "tags_schema": _tags_schema,
    "type": _word("kind"),
}
_SHARED_ONLY: Final = frozenset({"encoder", "tags_schema"})
