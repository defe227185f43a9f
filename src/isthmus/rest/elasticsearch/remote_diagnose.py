"""``GET /_remote/diagnose``, which Elasticsearch lacks: why remote clusters cannot be used.

Contacts the remotes over connections of its own. What may be searched is told for the caller.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from isthmus.errors import illegal_argument
from isthmus.rest.elasticsearch.call import Call, ElasticsearchRouter
from isthmus.rest.http import Response, json_response
from isthmus.security.authorize import require_cluster_action
from isthmus.security.principal import Principal

#: granted by ``monitor`` and ``manage``, as ``_remote/info`` is
_ACTION: Final = "cluster:monitor/remote/diagnose"
_INDEX: Final = "index"
_MAXIMUM_EXPRESSIONS: Final = 100


class DiagnosesRemotes(Protocol):
    """Satisfied by :class:`isthmus.doctor.doctor.Doctor`."""

    async def diagnose(
        self, principal: Principal, alias: str, expressions: tuple[str, ...]
    ) -> dict[str, Any]:
        """Answer the diagnosis of one alias; raises 400 for one that no cluster can have."""
        ...

    async def diagnose_all(self, principal: Principal, expressions: tuple[str, ...]) -> dict[str, Any]:
        """Answer the diagnoses of all aliases."""
        ...


def register(router: ElasticsearchRouter, doctor: DiagnosesRemotes) -> None:
    """Serve the diagnosis of one remote cluster and of all."""

    async def one(call: Call) -> Response:
        require_cluster_action(call.principal, _ACTION)
        return json_response(await doctor.diagnose(call.principal, call.path["alias"], _expressions(call)))

    async def all_(call: Call) -> Response:
        require_cluster_action(call.principal, _ACTION)
        return json_response(await doctor.diagnose_all(call.principal, _expressions(call)))

    router.add("GET", "/_remote/diagnose", all_, (_INDEX,))
    router.add("GET", "/_remote/diagnose/{alias}", one, (_INDEX,))


def _expressions(call: Call) -> tuple[str, ...]:
    """Answer the indices asked about, as they are named on the remote; everything by default."""
    text = call.parameters.get(_INDEX, "")
    expressions = tuple(part for part in text.split(",") if part)
    if len(expressions) > _MAXIMUM_EXPRESSIONS:
        raise illegal_argument(f"[{_INDEX}] may hold at most [{_MAXIMUM_EXPRESSIONS}] names")
    for name in expressions:
        if ":" in name and not name.startswith("<"):  # date math may hold one
            raise illegal_argument(
                f"[{_INDEX}] holds [{name[:200]}]: give names as the remote cluster has them, without alias"
            )
    return expressions or ("*",)
