"""Certificate chains of signatures: which lead to a trusted authority."""

from __future__ import annotations

import time

import pytest
from signature_makers import (
    AUTHORITY,
    DEEP_SIGNER,
    EC_SIGNER,
    RSA_SIGNER,
    STRANGER,
    Signer,
    anchors,
    issue,
    new_key,
    signer_of,
)

from isthmus.security.signatures_chain import chain_problem


def test_chains_lead_to_a_trusted_authority_or_nowhere() -> None:
    """A direct, a deeper and a pinned leaf are trusted; a stranger's, a cut one and nobody's are not."""
    now = int(time.time() * 1000)
    trusted = anchors(AUTHORITY)
    assert chain_problem(EC_SIGNER.chain, trusted, now) is None
    assert chain_problem(RSA_SIGNER.chain, trusted, now) is None
    assert chain_problem(DEEP_SIGNER.chain, trusted, now) is None
    assert chain_problem(EC_SIGNER.chain, anchors(STRANGER, AUTHORITY), now) is None
    assert chain_problem(EC_SIGNER.chain, [EC_SIGNER.chain[0]], now) is None
    assert chain_problem(EC_SIGNER.chain, anchors(STRANGER), now)
    assert chain_problem(EC_SIGNER.chain, [], now)
    assert chain_problem(DEEP_SIGNER.chain[:1], trusted, now)


@pytest.mark.parametrize(
    ("signer", "expected"),
    [
        (issue(EC_SIGNER, "forged", new_key()), "no valid path"),
        (
            issue(signer_of(AUTHORITY.issue_cert(common_name="n")), "f", new_key(), authority=True),
            "no valid path",
        ),
    ],
)
def test_a_leaf_is_no_authority(signer: Signer, expected: str) -> None:
    """Who has a certificate cannot issue others with it."""
    problem = chain_problem(signer.chain, anchors(AUTHORITY), int(time.time() * 1000))
    assert problem is not None
    assert expected in problem


def test_dates_and_usage_of_the_leaf_count() -> None:
    """Expired, early, and not for signatures are told apart, also where the leaf itself is trusted."""
    key = new_key()
    root = issue(Signer((anchors(AUTHORITY)[0],), key), "root", key, authority=True)  # only its name is used
    for leaf, expected in (
        (issue(root, "old", new_key(), days=(-3, -1)), "expired on"),
        (issue(root, "early", new_key(), days=(1, 3)), "not valid before"),
        (issue(root, "agreement", new_key(), signs=False), "not for digital signatures"),
    ):
        problem = chain_problem(leaf.chain[:1], leaf.chain[:1], int(time.time() * 1000))
        assert problem is not None
        assert expected in problem
