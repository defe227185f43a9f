"""Templates as Elasticsearch renders them."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.errors import Failure, FailureKind
from isthmus.search.mustache import MOST_BYTES, render

PARAMETERS: dict[str, Any] = {
    "word": 'say "hi"\n',
    "html": "<b>&</b>",
    "number": 7,
    "price": 2.5,
    "yes": True,
    "no": False,
    "nothing": None,
    "empty": "",
    "none": [],
    "list": ["a", "b"],
    "people": [{"name": "Ann", "tags": ["x"]}, {"name": "Bob", "tags": []}],
    "deep": {"er": {"still": "there"}},
    "dotted.name": "kept",
}

CASES: list[tuple[str, str]] = [
    ("plain {text}", "plain {text}"),
    ("{{word}}", 'say \\"hi\\"\\n'),
    ("{{{word}}}", 'say "hi"\n'),
    ("{{&word}}", 'say "hi"\n'),
    ("{{ word }}", 'say \\"hi\\"\\n'),
    ("{{html}}", "<b>&</b>"),
    ("{{number}}|{{price}}|{{yes}}|{{no}}", "7|2.5|true|false"),
    ("[{{missing}}{{nothing}}{{empty}}]", "[]"),
    ("{{deep.er.still}}{{deep.er.gone}}{{deep.gone.er}}", "there"),
    ("{{dotted.name}}", "kept"),
    ("{{list}}|{{deep}}", "[a, b]|{er={still=there}}"),
    ("{{list.1}}{{list.7}}{{list.size}}", "b2"),
    ("a{{! a comment }}b", "ab"),
    ("{{#yes}}yes{{/yes}}{{#no}}no{{/no}}", "yes"),
    ("{{^yes}}yes{{/yes}}{{^no}}no{{/no}}", "no"),
    ("{{^missing}}m{{/missing}}{{^nothing}}n{{/nothing}}{{^empty}}e{{/empty}}{{^none}}l{{/none}}", "mnel"),
    ("{{#list}}<{{.}}>{{/list}}", "<a><b>"),
    ("{{#people}}{{name}}:{{#tags}}{{.}}{{name}}{{/tags}};{{/people}}", "Ann:xAnn;Bob:;"),
    ("{{#deep}}{{#er}}{{still}}{{word}}{{/er}}{{/deep}}", 'theresay \\"hi\\"\\n'),
    ("{{#number}}{{.}}{{/number}}", "7"),
    ("{{size}}{{^size}}10{{/size}}", "10"),
    ("{{number}}{{^number}}10{{/number}}", "7"),
    ("{{#toJson}}people{{/toJson}}", '[{"name":"Ann","tags":["x"]},{"name":"Bob","tags":[]}]'),
    ("{{#toJson}}word{{/toJson}}{{#toJson}}missing{{/toJson}}", '"say \\"hi\\"\\n"'),
    ("{{#toJson}}deep.er{{/toJson}}{{#toJson}} none {{/toJson}}", '{"still":"there"}[]'),
    ("{{#join}}list{{/join}}", "a,b"),
    ("{{#join delimiter='||'}}list{{/join delimiter='||'}}", "a||b"),
    ("{{#join}}word{{/join}}{{#join}}missing{{/join}}", 'say "hi"\n'),
    ("{{#url}}a b&{{number}}{{/url}}", "a+b%267"),
    ("{{=<% %>=}}<%number%>{{number}}<%={{ }}=%>{{number}}", "7{{number}}7"),
]


@pytest.mark.parametrize(("template", "expected"), CASES)
def test_a_template_is_rendered(template: str, expected: str) -> None:
    """With values escaped for JSON text."""
    assert render(template, PARAMETERS) == expected


MALFORMED: list[tuple[str, str]] = [
    ("{{word", "Improperly closed variable"),
    ("{{{word}}", "Improperly closed variable"),
    ("{{#a}}", "Failed to close 'a' tag"),
    ("{{/a}}", "Mismatched start/end tags"),
    ("{{#a}}{{/b}}", "Mismatched start/end tags: a != b"),
    ("{{#}}{{/}}", "a section needs a name"),
    ("{{>partial}}", "Cannot expand 'partial' because partial templates are not supported"),
    ("{{=<% =}}", "Invalid delimiter string"),
    ("{{#toJson}}{{a}}{{/toJson}}", "Mustache function [toJson] must contain one and only one identifier"),
    ("{{#join}}{{/join}}", "Mustache function [join] must contain one and only one identifier"),
    ("{{#a}}" * 200, "sections are nested deeper"),
    ("{{" + "a." * 600 + "}}", "a name is longer than [1000] characters"),
]


@pytest.mark.parametrize(("template", "problem"), MALFORMED)
def test_a_malformed_template_is_a_400(template: str, problem: str) -> None:
    """That names what is wrong."""
    with pytest.raises(Failure) as refused:
        render(template, PARAMETERS)
    assert refused.value.kind is FailureKind.INVALID_REQUEST
    assert refused.value.error_type == "script_exception"
    assert problem in refused.value.reason


@pytest.mark.parametrize(
    ("template", "parameters"),
    [
        ("{{#a}}{{x}}{{x}}{{/a}}", {"a": [1] * 1000, "x": "x" * (MOST_BYTES // 1000)}),
        ("{{#a}}{{#a}}{{#a}}{{/a}}{{/a}}{{/a}}", {"a": [1] * 1000}),
        ("{{#a}}{{" + "x." * 499 + "}}{{/a}}", {"a": [1] * 50_000, "x": {}}),
        ("{{#a}}{{#join delimiter=''}}a{{/join delimiter=''}}{{/a}}", {"a": [""] * 50_000}),
    ],
)
def test_a_template_ends(template: str, parameters: dict[str, Any]) -> None:
    """One that writes too much, or takes too many steps without writing, is refused."""
    with pytest.raises(Failure, match="Error running TemplateScript") as refused:
        render(template, parameters)
    assert refused.value.caused_by is not None
    assert "size limit exceeded" in refused.value.caused_by.reason


@pytest.mark.parametrize("template", ["{{deep}}", "{{#toJson}}deep{{/toJson}}", "{{#join}}deep{{/join}}"])
def test_parameters_that_nest_too_deep_to_be_written_are_refused(template: str) -> None:
    """They are read: JSON may nest deeper than it can be written."""
    deep: Any = []
    for _ in range(1_020):
        deep = [deep]
    with pytest.raises(Failure, match="Error running TemplateScript"):
        render(template, {"deep": deep})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(value=JSON, text=st.text(max_size=20))
def test_what_is_put_into_json_stays_json(value: Any, text: str) -> None:
    """No text breaks out of its quotation marks, and ``toJson`` writes any value whole."""
    template = '{"text": "{{text}}", "value": {{#toJson}}value{{/toJson}}}'
    rendered = render(template, {"text": text, "value": value})
    if value is None:
        assert rendered.endswith('"value": }')
    else:
        assert json.loads(rendered) == {"text": text, "value": value}


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="{}#^/&!=> ab.'", max_size=30))
def test_no_template_is_a_bug(template: str) -> None:
    """Any text renders or is refused."""
    with contextlib.suppress(Failure):
        assert isinstance(render(template, PARAMETERS), str)
