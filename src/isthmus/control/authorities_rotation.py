"""Changing the transport authority without a moment in which anybody is not trusted.

::

    step       transport-ca     transport-next-ca   transport-previous-ca   nodes' certificates
    (before)   A                                                            by A
    publish    A                B                                           by A   others add B
    activate   B                                    A (no key)              by B
    finish     B                                                            by B   others remove A

All that are there are published and trusted by this environment's own deployments. A crash in the middle
of a step is finished by whoever reads next.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Final

from isthmus.control.certificates import make_authority
from isthmus.control.layout import CertificateFiles, EnvironmentLayout
from isthmus.errors import Failure, FailureKind
from isthmus.security.private_files import write_private
from isthmus.settings import EnvironmentSettings

_ACTIVE: Final = "transport"
_NEXT: Final = "transport-next"
_PREVIOUS: Final = "transport-previous"


class RotationState(Enum):
    """Where a change of the transport authority stands."""

    NONE = "none"
    PUBLISHED = "published"
    ACTIVATED = "activated"


def rotation_state(layout: EnvironmentLayout) -> RotationState:
    """Answer what the files say."""
    settle_transport_authority(layout)
    if layout.authority(_NEXT).certificate.exists():
        return RotationState.PUBLISHED
    if layout.authority(_PREVIOUS).certificate.exists():
        return RotationState.ACTIVATED
    return RotationState.NONE


def transport_authority_files(layout: EnvironmentLayout) -> tuple[tuple[bool, Path], ...]:
    """Answer the places of the authorities' certificates; True for the one that signs."""
    return (
        (True, layout.authority(_ACTIVE).certificate),
        (False, layout.authority(_NEXT).certificate),
        (False, layout.authority(_PREVIOUS).certificate),
    )


def publish_next_authority(settings: EnvironmentSettings, now: datetime) -> None:
    """Make the next authority and have it trusted; nothing is signed with it yet.

    Raises a 400 failure while another change is under way.
    """
    layout = EnvironmentLayout(settings.directory)
    _require(layout, RotationState.NONE)
    organization = f"Isthmus {settings.kind.value} environment {settings.scope_id}"
    # The date tells two authorities of one environment apart where people look at them.
    name = f"Isthmus transport CA {settings.scope_id} {now:%Y-%m-%d}"
    made = make_authority(name, organization, now)
    files = layout.authority(_NEXT)
    # The certificate last: what it says is there, is there.
    write_private(files.key, made.key)
    _write_public(files.certificate, made.certificate)


def activate_next_authority(settings: EnvironmentSettings) -> None:
    """Sign with the next authority from now on; the one before stays trusted. Raises a 400 failure."""
    layout = EnvironmentLayout(settings.directory)
    _require(layout, RotationState.PUBLISHED)
    _write_public(layout.authority(_PREVIOUS).certificate, layout.authority(_ACTIVE).certificate.read_bytes())
    _write_public(layout.authority(_ACTIVE).certificate, layout.authority(_NEXT).certificate.read_bytes())
    settle_transport_authority(layout)


def finish_rotation(settings: EnvironmentSettings) -> None:
    """Trust and publish the previous authority no longer. Raises a 400 failure."""
    layout = EnvironmentLayout(settings.directory)
    _require(layout, RotationState.ACTIVATED)
    layout.authority(_PREVIOUS).certificate.unlink(missing_ok=True)


def settle_transport_authority(layout: EnvironmentLayout) -> None:
    """Finish an activation that was interrupted after the certificate was put into its place."""
    following, active = layout.authority(_NEXT), layout.authority(_ACTIVE)
    if not following.certificate.exists():
        return
    if following.certificate.read_bytes() != active.certificate.read_bytes():
        return
    if following.key.exists():
        write_private(active.key, following.key.read_bytes())
    _remove(following)


def _remove(files: CertificateFiles) -> None:
    files.certificate.unlink(missing_ok=True)
    files.key.unlink(missing_ok=True)


def _write_public(path: Path, content: bytes) -> None:
    write_private(path, content)
    path.chmod(0o644)


def _require(layout: EnvironmentLayout, wanted: RotationState) -> None:
    found = rotation_state(layout)
    if found is wanted:
        return
    advice = {
        RotationState.NONE: "no new authority has been published: begin with that",
        RotationState.PUBLISHED: "a new authority is published already: activate it once others trust it",
        RotationState.ACTIVATED: "the previous authority is still trusted: finish that rotation first",
    }
    raise Failure(FailureKind.INVALID_REQUEST, "platform.transport_ca_rotation", advice[found])
