"""The platform's audit log, opened."""

from __future__ import annotations

from isthmus.app.audit_log import AuditLog
from isthmus.clock import Clock
from isthmus.control.layout import EnvironmentLayout
from isthmus.security.audit import Audit
from isthmus.settings import EnvironmentSettings


def open_platform_audit(settings: EnvironmentSettings, clock: Clock) -> tuple[Audit, AuditLog]:
    """Answer the platform's audit and the file behind it, which the caller closes."""
    log = AuditLog(EnvironmentLayout(settings.directory).platform_audit_log)
    place = {
        "environment.kind": settings.kind.value,
        "environment.id": settings.scope_id,
        "environment.domain": settings.domain,
    }
    return Audit(log, place, clock), log
