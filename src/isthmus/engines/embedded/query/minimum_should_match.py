"""``minimum_should_match``: how many optional clauses have to match."""

from __future__ import annotations

from isthmus.errors import Failure, FailureKind, Fault
from isthmus.exchange import Json


def required_matches(specification: Json, optional: int) -> int:
    """Answer how many of so many optional clauses must match; it may be more than there are.

    Accepted are Elasticsearch's forms: ``3``, ``-2``, ``75%``, ``-25%`` and conditions such as
    ``2<-25% 9<-3``. Raises a 400 for any other.
    """
    if isinstance(specification, bool) or not isinstance(specification, (str, int)):
        raise _malformed(specification)
    text = str(specification).strip()
    if "<" not in text:
        return max(0, _required(text, specification, optional))
    result = optional
    if text.endswith("<"):
        raise _malformed(specification)
    for condition in text.replace(" <", "<").replace("< ", "<").split():
        bound, _, wanted = condition.partition("<")
        if optional <= _whole(bound, specification):
            return result
        result = required_matches(wanted, optional)
    return result


def _required(text: str, specification: Json, optional: int) -> int:
    if text.endswith("%"):
        share = _whole(text[:-1], specification)
        # cut towards zero, as upstream does, for what must match and for what may be missing alike
        part = int(optional * share / 100)
        return optional + part if share < 0 else part
    wanted = _whole(text, specification)
    return optional + wanted if wanted < 0 else wanted


def _whole(text: str, specification: Json) -> int:
    try:
        return int(text)
    except ValueError:
        raise _malformed(specification) from None


def _malformed(specification: Json) -> Failure:
    return Failure(
        FailureKind.INVALID_REQUEST,
        "number_format_exception",
        f'For input string: "{str(specification)[:100]}"',
        fault=Fault.CALLER,
    )
