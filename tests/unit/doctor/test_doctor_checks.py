"""What each observation becomes: one finding a step, with cause and remedy."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from doctor_cases import (
    DAY_MILLISECONDS,
    NOW,
    NOW_MILLISECONDS,
    REMOTE,
    ended,
    facts,
    healthy,
    welcome,
)

from isthmus.doctor.checks import CHECKS, diagnose
from isthmus.doctor.findings import Finding, Outcome
from isthmus.doctor.observations import (
    AccessSeen,
    KeystoreSeen,
    Observations,
    Refusal,
    SearchSeen,
    ServerSeen,
    SettingsSeen,
    Trouble,
)
from isthmus.errors import FailureKind
from isthmus.remotes.causes import TROUBLESHOOTING, Cause
from isthmus.remotes.phases import Phase

PAGE = (Path(__file__).parents[3] / TROUBLESHOOTING).read_text()

FORBIDDEN = Refusal(FailureKind.FORBIDDEN, "security_exception", "action [x] is unauthorized")
MISSING = Refusal(FailureKind.NOT_FOUND, "index_not_found_exception", "no such index [logs]")
BROKEN = Refusal(FailureKind.INTERNAL, "exception", "it broke")
NODE = ServerSeen(facts(names=(), node_names=("x.node.y.cluster.z.account",)), "TLSv1.3")
BOTH = SettingsSeen(REMOTE, (), ("eu", "us"))
LOST = Trouble(Phase.CONNECT, "the connection did not last", "mend it", Cause.CONNECTION_BREAKS)


def _not_enabled(**seen: object) -> Observations:
    return healthy(settings=SettingsSeen(None, **seen), server=None, welcome=None)  # type: ignore[arg-type]


#: what is seen, the check that finds it, how bad it is, and the cause that it names
CASES: list[tuple[Observations, str, Outcome, Cause]] = [
    (_not_enabled(configured=("us",)), "settings", Outcome.ERROR, Cause.ALIAS_NOT_CONFIGURED),
    (_not_enabled(keys=("cluster.remote.eu.mode",)), "settings", Outcome.ERROR, Cause.ALIAS_NOT_ENABLED),
    (_not_enabled(problem="no such setting"), "settings", Outcome.ERROR, Cause.SETTINGS_NOT_VALID),
    (
        ended(Phase.AUTHENTICATE, Cause.NO_CREDENTIALS, keystore=KeystoreSeen(("us",)), settings=BOTH),
        "keystore",
        Outcome.ERROR,
        Cause.NO_CREDENTIALS,
    ),
    (
        ended(Phase.AUTHENTICATE, Cause.NO_CREDENTIALS, keystore=KeystoreSeen(("EU",))),
        "keystore",
        Outcome.ERROR,
        Cause.CREDENTIALS_UNDER_ANOTHER_ALIAS,
    ),
    (healthy(keystore=KeystoreSeen(("eu",))), "keystore", Outcome.ERROR, Cause.CREDENTIALS_MALFORMED),
    (
        healthy(keystore=KeystoreSeen(problem="damaged")),
        "keystore",
        Outcome.ERROR,
        Cause.KEYSTORE_UNREADABLE,
    ),
    (ended(Phase.RESOLVE, Cause.UNKNOWN_HOST), "resolve", Outcome.ERROR, Cause.UNKNOWN_HOST),
    (ended(Phase.CONNECT, Cause.CONNECTION_REFUSED), "connect", Outcome.ERROR, Cause.CONNECTION_REFUSED),
    (
        ended(Phase.CONNECT, Cause.CONNECTION_UNANSWERED),
        "connect",
        Outcome.ERROR,
        Cause.CONNECTION_UNANSWERED,
    ),
    (ended(Phase.CONNECT, None), "connect", Outcome.ERROR, Cause.UNREACHABLE),
    (ended(Phase.HANDSHAKE, Cause.IP_FILTER), "ip_filter", Outcome.ERROR, Cause.IP_FILTER),
    (
        ended(Phase.TLS, Cause.CLOSED_DURING_TLS, server=ServerSeen(tells_unknown_names_apart=True)),
        "ip_filter",
        Outcome.ERROR,
        Cause.IP_FILTER,
    ),
    (
        ended(Phase.TLS, Cause.CLOSED_DURING_TLS, server=ServerSeen(tells_unknown_names_apart=False)),
        "ip_filter",
        Outcome.ERROR,
        Cause.CLOSED_DURING_TLS,
    ),
    (ended(Phase.TLS, Cause.NOT_TLS), "tls", Outcome.ERROR, Cause.NOT_TLS),
    (ended(Phase.TLS, Cause.TLS_UNANSWERED), "tls", Outcome.ERROR, Cause.TLS_UNANSWERED),
    (ended(Phase.TLS, Cause.UNKNOWN_SERVER_NAME), "tls", Outcome.ERROR, Cause.UNKNOWN_SERVER_NAME),
    (ended(Phase.TLS, None), "tls", Outcome.ERROR, Cause.TLS_FAILED),
    (
        ended(Phase.TLS, Cause.ISSUER_NOT_TRUSTED, server=ServerSeen(facts())),
        "certificate_chain",
        Outcome.ERROR,
        Cause.ISSUER_NOT_TRUSTED,
    ),
    (
        ended(Phase.TLS, Cause.ISSUER_NOT_TRUSTED, server=ServerSeen(facts(names=("other.org",)))),
        "certificate_name",
        Outcome.ERROR,
        Cause.NAME_NOT_IN_CERTIFICATE,
    ),
    (
        ended(Phase.TLS, Cause.NAME_NOT_IN_CERTIFICATE, server=ServerSeen(facts())),
        "certificate_name",
        Outcome.ERROR,
        Cause.NAME_NOT_IN_CERTIFICATE,
    ),
    (
        ended(Phase.TLS, Cause.CERTIFICATE_NOT_VALID_NOW, server=ServerSeen(facts())),
        "certificate_dates",
        Outcome.ERROR,
        Cause.CERTIFICATE_NOT_VALID_NOW,
    ),
    (
        ended(Phase.TLS, Cause.ISSUER_NOT_TRUSTED, server=ServerSeen(facts(valid_until=NOW))),
        "certificate_chain",
        Outcome.ERROR,
        Cause.ISSUER_NOT_TRUSTED,
    ),
    (
        ended(
            Phase.TLS,
            Cause.ISSUER_NOT_TRUSTED,
            server=ServerSeen(facts(valid_until=NOW - timedelta(days=1))),
        ),
        "certificate_dates",
        Outcome.ERROR,
        Cause.CERTIFICATE_NOT_VALID_NOW,
    ),
    (
        healthy(server=ServerSeen(facts(valid_until=NOW + timedelta(days=3)))),
        "certificate_dates",
        Outcome.WARNING,
        Cause.CERTIFICATE_EXPIRES_SOON,
    ),
    (
        ended(Phase.TLS, Cause.CLIENT_CERTIFICATE_WANTED),
        "server",
        Outcome.ERROR,
        Cause.CLIENT_CERTIFICATE_WANTED,
    ),
    (
        ended(Phase.TLS, Cause.ISSUER_NOT_TRUSTED, server=ServerSeen(facts(node_names=("x.node.y",)))),
        "certificate_chain",
        Outcome.ERROR,
        Cause.CLIENT_CERTIFICATE_WANTED,
    ),
    (
        ended(Phase.TLS, Cause.NODE_NAME_NOT_TRUSTED, server=NODE, keystore=KeystoreSeen()),
        "certificate_name",
        Outcome.ERROR,
        Cause.NODE_NAME_NOT_TRUSTED,
    ),
    (
        ended(Phase.TLS, Cause.NODE_NOT_TRUSTED_THERE, server=NODE, keystore=KeystoreSeen()),
        "key",
        Outcome.ERROR,
        Cause.NODE_NOT_TRUSTED_THERE,
    ),
    (
        healthy(
            keystore=KeystoreSeen(),
            server=NODE,
            access=AccessSeen(("logs",), "ann", refusal=FORBIDDEN),
            search=None,
        ),
        "access",
        Outcome.ERROR,
        Cause.ROLE_LACKS_INDEX_THERE,
    ),
    (
        ended(Phase.AUTHENTICATE, Cause.SIGNATURE_NOT_ACCEPTED),
        "key",
        Outcome.ERROR,
        Cause.SIGNATURE_NOT_ACCEPTED,
    ),
    (ended(Phase.AUTHENTICATE, Cause.CANNOT_SIGN), "key", Outcome.ERROR, Cause.CANNOT_SIGN),
    (ended(Phase.HANDSHAKE, Cause.REST_API_PORT), "server", Outcome.ERROR, Cause.REST_API_PORT),
    (
        ended(Phase.HANDSHAKE, Cause.NOT_A_REMOTE_CLUSTER_SERVER),
        "server",
        Outcome.ERROR,
        Cause.NOT_A_REMOTE_CLUSTER_SERVER,
    ),
    (ended(Phase.HANDSHAKE, Cause.HANDSHAKE_UNANSWERED), "server", Outcome.ERROR, Cause.HANDSHAKE_UNANSWERED),
    (ended(Phase.HANDSHAKE, None), "server", Outcome.ERROR, Cause.HANDSHAKE_FAILED),
    (ended(Phase.HANDSHAKE, Cause.PROTOCOL_VERSIONS), "server", Outcome.ERROR, Cause.PROTOCOL_VERSIONS),
    (
        ended(Phase.HANDSHAKE, Cause.MORE_THAN_ONE_CLUSTER),
        "server",
        Outcome.ERROR,
        Cause.MORE_THAN_ONE_CLUSTER,
    ),
    (
        ended(Phase.AUTHENTICATE, Cause.KEY_OF_ANOTHER_TYPE),
        "key_type",
        Outcome.ERROR,
        Cause.KEY_OF_ANOTHER_TYPE,
    ),
    (ended(Phase.AUTHENTICATE, None), "key", Outcome.ERROR, Cause.KEY_NOT_ACCEPTED),
    (ended(Phase.AUTHENTICATE, Cause.KEY_EXPIRED), "key", Outcome.ERROR, Cause.KEY_EXPIRED),
    (ended(Phase.AUTHENTICATE, Cause.KEY_INVALIDATED), "key", Outcome.ERROR, Cause.KEY_INVALIDATED),
    (
        ended(Phase.AUTHENTICATE, Cause.KEY_NEEDS_CERTIFICATE),
        "key",
        Outcome.ERROR,
        Cause.KEY_NEEDS_CERTIFICATE,
    ),
    (
        healthy(welcome=welcome(key_expires_milliseconds=NOW_MILLISECONDS + 2 * DAY_MILLISECONDS)),
        "key",
        Outcome.WARNING,
        Cause.KEY_EXPIRES_SOON,
    ),
    (healthy(skew_seconds=-700.0), "clocks", Outcome.WARNING, Cause.CLOCKS_DIFFER),
    (
        healthy(access=AccessSeen(("logs",), "ann", denied_here="not there"), search=None),
        "access",
        Outcome.ERROR,
        Cause.NO_REMOTE_PRIVILEGES,
    ),
    (
        healthy(access=AccessSeen(("logs",), "ann", not_in_roles=("logs",), refusal=FORBIDDEN), search=None),
        "access",
        Outcome.ERROR,
        Cause.ROLE_LACKS_INDEX,
    ),
    (
        healthy(access=AccessSeen(("logs",), "ann", refusal=FORBIDDEN), search=None),
        "access",
        Outcome.ERROR,
        Cause.KEY_LACKS_INDEX,
    ),
    (
        healthy(access=AccessSeen(("logs",), "ann", refusal=MISSING), search=None),
        "indices",
        Outcome.ERROR,
        Cause.INDEX_MISSING,
    ),
    (
        healthy(access=AccessSeen(("logs",), "ann", refusal=BROKEN), search=None),
        "indices",
        Outcome.ERROR,
        Cause.SEARCH_FAILED,
    ),
    (
        healthy(access=AccessSeen(("*",), "ann", matching=0)),
        "indices",
        Outcome.WARNING,
        Cause.NO_INDEX_VISIBLE,
    ),
    (
        healthy(welcome=welcome(compatible_version="8.17.0")),
        "versions",
        Outcome.WARNING,
        Cause.VERSIONS_NOT_SUPPORTED,
    ),
    (
        healthy(round_trips_milliseconds=(500.0, 510.0)),
        "round_trip",
        Outcome.WARNING,
        Cause.SLOW_ROUND_TRIP,
    ),
    (
        healthy(round_trips_milliseconds=(), later_trouble=LOST, access=None, search=None),
        "round_trip",
        Outcome.ERROR,
        Cause.CONNECTION_BREAKS,
    ),
    (
        healthy(round_trips_milliseconds=(5.0,), later_trouble=LOST, access=None, search=None),
        "round_trip",
        Outcome.ERROR,
        Cause.CONNECTION_BREAKS,
    ),
    (healthy(later_trouble=LOST, search=None), "search", Outcome.ERROR, Cause.CONNECTION_BREAKS),
    (healthy(search=SearchSeen(3.0, refusal=BROKEN)), "search", Outcome.ERROR, Cause.SEARCH_FAILED),
]


def _finding(seen: Observations, check: str) -> Finding:
    return next(finding for finding in diagnose(seen).findings if finding.id == check)


@pytest.mark.parametrize(("seen", "check", "outcome", "cause"), CASES)
def test_the_cause_is_named(seen: Observations, check: str, outcome: Outcome, cause: Cause) -> None:
    """Each thing that can be wrong is found by its step, which names cause, remedy and paragraph."""
    finding = _finding(seen, check)
    assert (finding.verdict.outcome, finding.verdict.cause) == (outcome, cause)
    assert finding.verdict.remedy
    assert finding.documentation == f"docs/troubleshooting.md#{cause.value}"


@pytest.mark.parametrize(("seen", "check", "outcome", "cause"), CASES)
def test_one_finding_a_step_and_none_beyond_an_error(
    seen: Observations, check: str, outcome: Outcome, cause: Cause
) -> None:
    """Every step has one finding, in order; what needs a step that failed is skipped and says why."""
    del cause
    findings = {finding.id: finding for finding in diagnose(seen).findings}
    assert list(findings) == [each.id for each in CHECKS]
    for each in CHECKS:
        failed = [findings[need] for need in each.needs if findings[need].verdict.blocks]
        if failed:
            assert findings[each.id].verdict.outcome is Outcome.SKIPPED
            assert findings[each.id].verdict.found.startswith("not checked because of [")
    assert diagnose(seen).healthy is (outcome is Outcome.WARNING)
    assert check in findings


def test_nothing_is_wrong_where_nothing_is_wrong() -> None:
    """A remote that works has a good finding at every step."""
    diagnosis = diagnose(healthy())
    assert diagnosis.healthy
    assert {finding.verdict.outcome for finding in diagnosis.findings} == {Outcome.OK}


def test_nothing_is_wrong_in_the_certificate_model() -> None:
    """A remote that works by certificates needs no key, and no step says that one is missing."""
    diagnosis = diagnose(healthy(keystore=KeystoreSeen(), server=NODE))
    assert {finding.verdict.outcome for finding in diagnosis.findings} == {Outcome.OK}


def test_a_missing_key_is_a_warning_where_nobody_asks_for_one() -> None:
    """Where the address cannot be reached nobody knows yet whether a key was meant to be there."""
    finding = _finding(ended(Phase.CONNECT, None, keystore=KeystoreSeen()), "keystore")
    assert (finding.verdict.outcome, finding.verdict.cause) == (Outcome.WARNING, Cause.NO_CREDENTIALS)


def test_the_first_failure_is_named_by_all_that_it_blocks() -> None:
    """A step that is skipped names the step to mend first, not the skipped one before it."""
    finding = _finding(ended(Phase.CONNECT, Cause.CONNECTION_REFUSED), "search")
    assert finding.verdict.found == "not checked because of [connection]"


def test_a_server_is_examined_without_a_key() -> None:
    """Where the key is missing the way to the server is judged all the same."""
    seen = ended(Phase.AUTHENTICATE, Cause.NO_CREDENTIALS, keystore=KeystoreSeen())
    assert _finding(seen, "server").verdict.outcome is Outcome.OK
    assert _finding(seen, "key_type").verdict.outcome is Outcome.SKIPPED


def test_what_a_stranger_says_cannot_steer_a_terminal() -> None:
    """Control characters of a remote's name or message are shown as replacement characters."""
    seen = healthy(welcome=welcome(cluster_name="far\x1b[2J\n"))
    described = _finding(seen, "server").to_json()
    assert "\x1b" not in str(described)
    assert "far�[2J�" in described["found"]


def test_the_json_has_the_promised_members() -> None:
    """Every finding has what is promised; cause and remedy are there where something is wrong."""
    for finding in diagnose(ended(Phase.CONNECT, None)).to_json()["checks"]:
        assert {"id", "title", "outcome", "found", "documentation"} <= set(finding)
        assert ("remedy" in finding) is ("cause" in finding) is (finding["outcome"] in ("warning", "error"))


def _anchors() -> list[str]:
    """Answer the anchors of all headings, as the usual renderers of Markdown make them."""
    headings = re.findall(r"^#{2,3} (.+)$", PAGE, flags=re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings]


def test_every_finding_links_to_a_paragraph() -> None:
    """Every cause and every check has a heading of its own, once."""
    anchors = _anchors()
    wanted = {cause.value for cause in Cause} | {check.title.replace(" ", "-") for check in CHECKS}
    assert wanted <= set(anchors)
    assert len(anchors) == len(set(anchors))


def test_every_paragraph_is_reached_by_a_finding() -> None:
    """Every paragraph about a cause is linked from a finding in the table above."""
    causes = set(re.findall(r"^### (.+)$", PAGE, flags=re.MULTILINE))
    slugs = {re.sub(r"[^\w\- ]", "", cause).lower().replace(" ", "-") for cause in causes}
    assert slugs == {finding.documentation.partition("#")[2] for finding in _problems()}


def test_every_cause_is_in_the_table() -> None:
    """There is no cause that no step ever names."""
    assert {finding.verdict.cause for finding in _problems()} == set(Cause)


def _problems() -> list[Finding]:
    return [_finding(seen, check) for seen, check, _, _ in CASES]
