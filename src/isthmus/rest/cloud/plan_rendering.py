"""Plans as the platform API tells them: pending, current, history, each with its log. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from isthmus.control.plans import PlanAttempt
from isthmus.exchange import JsonObject
from isthmus.rest.cloud.moments import rfc3339

_STARTING: Final = "plan-starting"
#: clients look at the last step: with this name and an error the plan has failed
_COMPLETED: Final = "plan-completed"


@dataclass(frozen=True, slots=True)
class PlanView:
    """What of the plans a caller asked for."""

    plans: bool = True
    logs: bool = False
    history: bool = False
    clear_transient: bool = False


def plan_info(attempts: Sequence[PlanAttempt], view: PlanView, *, healthy: bool) -> dict[str, Any]:
    """Answer ``plan_info``: always there, empty where plans were not asked for.

    ``current`` is the attempt that ended last, well or not: its log is where clients look.
    """
    if not view.plans:
        return {"healthy": healthy, "history": []}
    ended = [attempt for attempt in attempts if attempt.ended_milliseconds is not None]
    pending = [attempt for attempt in attempts if attempt.ended_milliseconds is None]
    told: dict[str, Any] = {"healthy": healthy}
    if ended:
        told["current"] = attempt_details(ended[-1], view)
    if pending:
        told["pending"] = attempt_details(pending[-1], view)
    told["history"] = [attempt_details(attempt, view) for attempt in ended] if view.history else []
    return told


def attempt_details(attempt: PlanAttempt, view: PlanView) -> dict[str, Any]:
    """Answer one attempt."""
    details: dict[str, Any] = {
        "plan_attempt_id": attempt.id,
        "healthy": attempt.error is None,
        "attempt_start_time": rfc3339(attempt.started_milliseconds),
        "plan": told_plan(attempt.plan, attempt.version, clear_transient=view.clear_transient),
        "plan_attempt_log": _log(attempt) if view.logs else [],
        "source": {
            "facilitator": "adminconsole",
            "action": attempt.action.value,
            "date": rfc3339(attempt.started_milliseconds),
        },
        "warnings": [],
    }
    if attempt.ended_milliseconds is not None:
        details["attempt_end_time"] = rfc3339(attempt.ended_milliseconds)
        if attempt.error is not None:
            details["error"] = {
                "timestamp": rfc3339(attempt.ended_milliseconds),
                "message": attempt.error,
                "details": {},
            }
    return details


def told_plan(plan: JsonObject, version: str, *, clear_transient: bool) -> dict[str, Any]:
    """Answer the plan as it was sent, with what clients need of any plan."""
    elasticsearch = {**(plan.get("elasticsearch") or {}), "version": version}
    told = {"cluster_topology": [], **plan, "elasticsearch": elasticsearch}
    if clear_transient:
        told.pop("transient", None)
    return told


def _log(attempt: PlanAttempt) -> list[dict[str, Any]]:
    started, ended = attempt.started_milliseconds, attempt.ended_milliseconds
    if ended is None:
        return [_step(_STARTING, "pending", "in_progress", started, None, "the plan was started")]
    status = "success" if attempt.error is None else "error"
    message = attempt.error or "the plan is complete"
    return [
        _step(_STARTING, "success", "completed", started, started, "the plan was started"),
        _step(_COMPLETED, status, "completed", started, ended, message),
    ]


def _step(
    step_id: str,
    status: str,
    stage: str,
    started_milliseconds: int,
    completed_milliseconds: int | None,
    message: str,
) -> dict[str, Any]:
    told_at = started_milliseconds if completed_milliseconds is None else completed_milliseconds
    step: dict[str, Any] = {
        "step_id": step_id,
        "started": rfc3339(started_milliseconds),
        "status": status,
        "stage": stage,
        # Clients read the last message of a step that failed: a log is never empty.
        "info_log": [{"timestamp": rfc3339(told_at), "message": message, "stage": stage, "details": {}}],
    }
    if completed_milliseconds is not None:
        step["completed"] = rfc3339(completed_milliseconds)
        step["duration_in_millis"] = completed_milliseconds - started_milliseconds
    return step
