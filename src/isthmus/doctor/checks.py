"""The checks in their order, as data, and how what was seen becomes a diagnosis. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from isthmus.doctor import judging_access, judging_connection, judging_settings
from isthmus.doctor.findings import Diagnosis, Finding, Verdict, skipped
from isthmus.doctor.observations import Observations


@dataclass(frozen=True, slots=True)
class Check:
    """One step. ``title`` is also its heading in the documentation.

    ``needs`` are the checks without which this one would tell nothing: where one of them ended in an
    error or was skipped itself, this one is skipped.
    """

    id: str
    title: str
    judge: Callable[[Observations], Verdict]
    needs: tuple[str, ...] = ()


CHECKS: Final = (
    Check("settings", "alias and settings", judging_settings.judge_settings),
    Check("keystore", "key in the keystore", judging_settings.judge_keystore),
    Check("resolve", "name resolution", judging_connection.judge_resolve, ("settings",)),
    Check("connect", "connection", judging_connection.judge_connect, ("resolve",)),
    Check("ip_filter", "address filter", judging_connection.judge_ip_filter, ("connect",)),
    Check("tls", "tls", judging_connection.judge_tls, ("ip_filter",)),
    Check("certificate_chain", "certificate authority", judging_connection.judge_certificate_chain, ("tls",)),
    Check("certificate_name", "certificate name", judging_connection.judge_certificate_name, ("tls",)),
    Check("certificate_dates", "certificate dates", judging_connection.judge_certificate_dates, ("tls",)),
    Check(
        "server",
        "server and port",
        judging_connection.judge_server,
        ("certificate_chain", "certificate_name", "certificate_dates"),
    ),
    Check("key_type", "type of the key", judging_access.judge_key_type, ("keystore", "server")),
    Check("key", "key or certificate accepted", judging_access.judge_key, ("key_type",)),
    Check("clocks", "clocks", judging_access.judge_clocks, ("key",)),
    Check("versions", "versions", judging_access.judge_versions, ("key",)),
    Check("round_trip", "round trip", judging_access.judge_round_trip, ("key",)),
    Check("access", "access of the user", judging_access.judge_access, ("round_trip",)),
    Check("indices", "indices", judging_access.judge_indices, ("access",)),
    Check("search", "trial search", judging_access.judge_search, ("indices",)),
)


def diagnose(seen: Observations) -> Diagnosis:
    """Answer one finding for every check, in order."""
    findings: dict[str, Finding] = {}
    #: for each check that blocks others, the one that is to be mended first
    roots: dict[str, str] = {}
    for check in CHECKS:
        root = next((roots[need] for need in check.needs if need in roots), None)
        verdict = check.judge(seen) if root is None else skipped(f"not checked because of [{root}]")
        if verdict.blocks:
            roots[check.id] = root or check.title
        findings[check.id] = Finding(check.id, check.title, verdict)
    return Diagnosis(seen.alias, tuple(findings.values()))
