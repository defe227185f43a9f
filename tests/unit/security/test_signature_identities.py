"""Identity patterns of cross-cluster keys: they match whole names, as in Java, and never take long."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signature_makers import (
    failure_or_none,
)

from isthmus.errors import Failure, FailureKind
from isthmus.security.signatures_identity import check_identity_pattern, identity_matches

CLUSTER = "cf659f7fe6164d9691b284ae36811be1"
NODE = f"CN=abcdefg.node.{CLUSTER}.cluster.1053523734"
MATCHES = [
    ("CN=instance", "CN=instance"),
    ("^CN=instance$", "CN=instance"),
    ("(?i)^CN=instance$", "CN=instance"),
    ("(?i)cn=INST[A-C]NCE", "CN=instance"),
    ("(?i)cn=in[r-t]tance", "CN=INSTANCE"),
    ("^CN=[A-Za-z0-9_]+$", "CN=instance"),
    ("CN=instance|CN=other", "CN=other"),
    ("^CN=instance$|^CN=other$", "CN=other"),
    ("CN=(?:in|out)stance", "CN=instance"),
    ("CN=i.*?e", "CN=instance"),
    ("CN=\\w{8}", "CN=instance"),
    ("CN=a\\.b,O=x\\\\, y", "CN=a.b,O=x\\, y"),
    ('CN="#<~&>@', 'CN="#<~&>@'),
    ("CN=[\\d\\-a-c]+", "CN=1-c"),
    (f"CN=.*.node.{CLUSTER}.cluster.*", NODE),
    ("CN=.*.node.*.cluster.1053523734", NODE),
]
DIFFERENCES = [
    ("", "CN=instance"),
    ("", ""),
    ("no-match", "CN=instance"),
    ("^CN= instance$", "CN=instance"),
    ("^CN=instance.$", "CN=instance"),
    ("^cn=instance$", "CN=instance"),
    ("CN=inst", "CN=instance"),
    ("instance", "CN=instance"),
    ("CN=instance", "CN=instance,O=other"),
    ("CN=.*", "CN=a\nCN=b"),
    ("CN=a.b", "CN=a..b"),
    ("CN=[^a]", "CN=a"),
    (f"CN=.*.node.{CLUSTER}.cluster.*", NODE.replace("cf659", "df659")),
]


@pytest.mark.parametrize(("pattern", "subject"), MATCHES)
def test_an_identity_pattern_matches_the_whole_name(pattern: str, subject: str) -> None:
    """Patterns mean what they mean in Java's whole match."""
    check_identity_pattern(pattern)
    assert identity_matches(pattern, subject)


@pytest.mark.parametrize(("pattern", "subject"), DIFFERENCES)
def test_an_identity_pattern_matches_nothing_else(pattern: str, subject: str) -> None:
    """Parts, other cases, other names and the empty pattern do not match."""
    assert not identity_matches(pattern, subject)


@pytest.mark.parametrize(
    "pattern",
    [
        *(
            "(",
            ")",
            "a)",
            "[",
            "[]",
            "[a",
            "*",
            "a**",
            "a*+",
            "a{",
            "a{x}",
            "(?=a)",
            "(?<n>a)",
            "(?s)a",
            "\\1",
        ),
        *("\\bx", "\\", "x^", "$x", "(^a)", "a(b$)", "[a&&b]", "[a[b]]", "[b-a]", "\\p{L}"),
    ],
)
def test_what_a_pattern_cannot_be_is_refused(pattern: str) -> None:
    """What is no regular expression, and what is not supported of Java's, is a 400 with the pattern in it."""
    with pytest.raises(Failure) as caught:
        check_identity_pattern(pattern)
    assert caught.value.kind is FailureKind.INVALID_REQUEST
    assert caught.value.reason.startswith(
        f"Invalid certificate_identity format: [{pattern}]. Must be a valid regex."
    )
    assert not identity_matches(pattern, "a")


def test_no_pattern_takes_long() -> None:
    """The patterns that make backtracking matchers run for years take no time."""
    started = time.monotonic()
    assert not identity_matches("(a+)+b", "a" * 2_000)
    assert not identity_matches("(a|a)*(a|aa)*c", "a" * 2_000)
    assert time.monotonic() - started < 5


@given(
    pattern=st.text(alphabet="ab(|)*+?{2,}[^]$.\\-&CN=", max_size=12), subject=st.text("abCN=", max_size=6)
)
@settings(max_examples=150, deadline=None)
def test_any_text_is_a_pattern_or_refused(pattern: str, subject: str) -> None:
    """No pattern makes anything but an answer or a 400, and a refused one matches nobody."""
    refused = failure_or_none(lambda: check_identity_pattern(pattern))
    matches = identity_matches(pattern, subject)
    assert refused is None or (refused.kind is FailureKind.INVALID_REQUEST and not matches)
