"""Members that the parameters of many pipelines have, and how they show a number."""

from __future__ import annotations

from isthmus.errors import parsing_failure
from isthmus.exchange import Json, JsonObject
from isthmus.search.aggregations.fields import Parameters
from isthmus.search.aggregations.number_format import NumberFormat
from isthmus.search.aggregations.numbers import write_number


def one_path(parameters: Parameters) -> str:
    """Take ``buckets_path``, which must be one path: a string, or a list of one."""
    value = _path_member(parameters)
    if isinstance(value, list):
        if len(value) != 1:
            raise parameters.refuse(
                "buckets_path",
                f"buckets_path must contain a single entry for aggregation [{parameters.name}]",
            )
        value = value[0]
    if not isinstance(value, str):
        raise parameters.wrong_type("buckets_path", value)
    return value


def named_paths(parameters: Parameters) -> dict[str, str]:
    """Take ``buckets_path`` of a script: paths by name.

    Those of a list are called ``_value0`` and so on, a single one ``_value``.
    """
    value = _path_member(parameters)
    if isinstance(value, str):
        return {"_value": value}
    if isinstance(value, list):
        value = {f"_value{place}": each for place, each in enumerate(value)}
    if not isinstance(value, dict) or not all(isinstance(path, str) for path in value.values()):
        raise parameters.wrong_type("buckets_path", value)
    return value


def number_format(parameters: Parameters) -> NumberFormat | None:
    """Take ``format``."""
    written = parameters.text("format")
    return None if written is None else NumberFormat.parse(written)


def shown_number(number: float | None, chosen: NumberFormat | None) -> JsonObject:
    """Answer the members of an answer that is one number; what is no number is null."""
    written = write_number(number)
    if not isinstance(written, float):
        return {"value": None}
    return {"value": written, **({} if chosen is None else {"value_as_string": chosen.render(written)})}


def _path_member(parameters: Parameters) -> Json:
    value = parameters.take("buckets_path")
    if value is None:
        raise parsing_failure(
            f"Missing required field [buckets_path] for {parameters.kind} aggregation [{parameters.name}]"
        )
    return value
