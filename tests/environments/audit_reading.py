"""Reading audit logs of environments that run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from environments_support import Side, until


def node_audit(side: Side) -> list[dict[str, Any]]:
    """Answer the lines of the audit log of a side's deployment."""
    return _read(Path(side.environment.directory) / "logs" / f"{side.deployment.id}.audit.json")


def platform_audit(side: Side) -> list[dict[str, Any]]:
    """Answer the lines of the audit log of a side's platform."""
    return _read(Path(side.environment.directory) / "logs" / "platform.audit.json")


def event(side: Side, action: str, telling: str = "", **members: Any) -> dict[str, Any]:
    """Answer the last line of this event with this text and these members (``__``: ``.``); waits for it."""
    wanted = {name.replace("__", "."): value for name, value in members.items()}

    def found() -> dict[str, Any] | None:
        lines = node_audit(side)
        return next(
            (
                line
                for line in reversed(lines)
                if line["event.action"] == action
                and wanted.items() <= line.items()
                and telling in json.dumps(line)
            ),
            None,
        )

    line: dict[str, Any] = until(found, f"an audit line {action} with {wanted}", timeout_seconds=15)
    return line


def _read(path: Path) -> list[dict[str, Any]]:
    text = path.read_text()
    whole = text[: text.rfind("\n") + 1]
    return [json.loads(line) for line in whole.splitlines()]
