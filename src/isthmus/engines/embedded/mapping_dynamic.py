"""What a field that is not mapped becomes, by its first value: Elasticsearch's dynamic mapping."""

from __future__ import annotations

from typing import Final

from isthmus.engines.embedded.field_types_dates import parse_date
from isthmus.engines.embedded.mapping import FieldMapping, Mapping
from isthmus.errors import Failure
from isthmus.exchange import Json

KEYWORD_LENGTH_LIMIT: Final = 256
"""``ignore_above`` of the ``.keyword`` that every dynamic text field gets."""

_SLASHED_DATE_DETECTION: Final = "yyyy/MM/dd HH:mm:ss||yyyy/MM/dd"
_SLASHED_DATE_FORMAT: Final = "yyyy/MM/dd HH:mm:ss||yyyy/MM/dd||epoch_millis"


def infer_field(mapping: Mapping, path: str, value: Json) -> FieldMapping:
    """Answer the leaf field that a scalar value (neither null nor object nor list) makes."""
    if isinstance(value, bool):
        return FieldMapping(path, "boolean")
    if isinstance(value, int):
        return FieldMapping(path, "long")
    if isinstance(value, float):
        return FieldMapping(path, "float")
    return _infer_text(mapping, path, str(value))


def _infer_text(mapping: Mapping, path: str, text: str) -> FieldMapping:
    if mapping.date_detection and _may_be_date(text):
        if _is_date(text, "strict_date_optional_time"):
            return FieldMapping(path, "date")
        if _is_date(text, _SLASHED_DATE_DETECTION):
            return FieldMapping(path, "date", {"format": _SLASHED_DATE_FORMAT})
    if mapping.numeric_detection:
        number_type = _number_type(text)
        if number_type is not None:
            return FieldMapping(path, number_type)
    keyword = FieldMapping(f"{path}.keyword", "keyword", {"ignore_above": KEYWORD_LENGTH_LIMIT}, parent=path)
    return FieldMapping(path, "text", subfields=(keyword,))


def _may_be_date(text: str) -> bool:
    # a pure number such as "2020" is more often not a year: Elasticsearch refuses it too
    return text[:4].isdecimal() and not text.isdecimal()


def _is_date(text: str, date_format: str) -> bool:
    try:
        parse_date(text, date_format)
    except Failure:
        return False
    return True


def _number_type(text: str) -> str | None:
    if "_" in text or not text.strip():
        return None
    for kind, name in ((int, "long"), (float, "float")):
        try:
            kind(text)
        except ValueError:
            continue
        return name
    return None
