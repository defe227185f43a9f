"""The demonstration itself: every step is a call that its reader can repeat."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from isthmus.demo.airports import INDEX_NAME, MAPPINGS, Airport, bulk_bodies, load_airports
from isthmus.demo.questions import Question, Rows, questions
from isthmus.sandbox import Environment, Sandbox, SandboxOptions, SecurityModel, trust

_DOCUMENTS_A_REQUEST: Final = 1000
_CONNECT_TIMEOUT_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class DemoResult:
    """How the demonstration went. ``wrong`` holds the titles of questions that were answered wrongly."""

    documents: int
    clusters: int
    seconds: float
    wrong: tuple[str, ...]

    @property
    def exit_status(self) -> int:
        """0 only if every answer was right."""
        return 1 if self.wrong else 0

    def closing_line(self) -> str:
        """Answer the last line that is printed."""
        if self.wrong:
            return f"demo: failed ({len(self.wrong)} wrong answers: {'; '.join(self.wrong)})"
        return f"demo: ok ({self.documents} documents, {self.clusters} clusters, {self.seconds:.1f} s)"


class Demo:
    """Two environments in a sandbox, and the story told with them."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started = time.monotonic()
        self._step = 0

    def run(self, sandbox: Sandbox) -> DemoResult:
        """Load, connect, search and check; the sandbox must run and have no connection yet."""
        local, remote = sandbox.fabric.environments
        self._describe(local, remote)
        airports = load_airports()
        self._load(sandbox, local, [airport for airport in airports if airport.is_american])
        self._load(sandbox, remote, [airport for airport in airports if not airport.is_american])
        alias = remote.deployments[0].alias_for_others
        self._connect(sandbox, local, remote, alias)
        wrong = [
            question.title
            for question in questions(alias)
            if not self._ask(sandbox, local, alias, question, airports)
        ]
        return DemoResult(
            documents=len(airports),
            clusters=len(sandbox.fabric.environments),
            seconds=time.monotonic() - self._started,
            wrong=tuple(wrong),
        )

    def announce(self, title: str) -> None:
        """Print the heading of the next step."""
        self._step += 1
        self._console.print(f"\n[bold]{self._step}. {title}[/bold]")

    def _describe(self, local: Environment, remote: Environment) -> None:
        for environment in (local, remote):
            deployment = environment.deployments[0]
            self._console.print(
                f"   {environment.kind} environment {environment.scope_id}: "
                f"deployment [cyan]{deployment.name}[/cyan] at {deployment.url}"
            )

    def _load(self, sandbox: Sandbox, environment: Environment, airports: Sequence[Airport]) -> None:
        deployment = environment.deployments[0]
        if deployment is sandbox.fabric.environments[0].deployments[0]:
            self.announce("Load the world's airports, half of the world into each deployment")
        client = sandbox.client(deployment)
        client.call("PUT", f"/{INDEX_NAME}", {"mappings": MAPPINGS})
        columns = (
            TextColumn("   {task.description:<12}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("documents"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._console) as progress:
            task = progress.add_task(deployment.name, total=len(airports))
            for count, body in bulk_bodies(airports, _DOCUMENTS_A_REQUEST):
                answer = client.call("POST", f"/{INDEX_NAME}/_bulk", content=body)
                if answer["errors"]:
                    raise RuntimeError(f"a document was refused: {_first_error(answer)}")
                progress.advance(task, count)
        client.call("POST", f"/{INDEX_NAME}/_refresh")

    def _connect(self, sandbox: Sandbox, local: Environment, remote: Environment, alias: str) -> None:
        here, there = local.deployments[0], remote.deployments[0]
        access = {"search": [{"names": [INDEX_NAME]}]}
        self.announce(f"On the {remote.kind} side: make a cross-cluster API key for the index '{INDEX_NAME}'")
        body = {"name": f"from-{here.name}", "access": access}
        self._show_curl("POST", f"{there.url}/_security/cross_cluster/api_key", there.ca, body)
        key = trust.create_cross_cluster_key(sandbox.client(there), f"from-{here.name}", access)
        self._console.print("   the key is shown once, here it is not shown at all")

        self.announce(f"On the {local.kind} side: put the key and the private authority in")
        platform = sandbox.platform_client(local)
        setting = f"cluster.remote.{alias}.credentials"
        self._show_shell(f"isthmus keystore add {local.directory} {here.name} {setting}")
        trust.put_key(platform, here.id, alias, key)
        self._show_shell(
            f"isthmus deployment trust {local.directory} {here.name}"
            f" --certificate-authority {remote.proxy_ca} --label {there.name}"
        )
        trust.trust_authorities(platform, here.id, {there.name: remote.proxy_ca_pem})

        self.announce("Connect, in proxy mode")
        settings = {"mode": "proxy", "proxy_address": there.proxy_address, "server_name": there.server_name}
        body = {"persistent": {"cluster": {"remote": {alias: settings}}}}
        self._show_curl("PUT", f"{here.url}/_cluster/settings", here.ca, body)
        client = sandbox.client(here)
        trust.connect(client, alias, there.proxy_address, there.server_name)
        trust.wait_until_connected(client, (alias,), _CONNECT_TIMEOUT_SECONDS)
        self._show_json({alias: _main_members(client.call("GET", "/_remote/info")[alias])})

    def _ask(
        self,
        sandbox: Sandbox,
        local: Environment,
        alias: str,
        question: Question,
        airports: Sequence[Airport],
    ) -> bool:
        here = local.deployments[0]
        path = f"/{INDEX_NAME},{alias}:{INDEX_NAME}/_search"
        self.announce(question.title)
        self._show_curl("GET", f"{here.url}{path}", here.ca, question.body)
        answer = sandbox.client(here).call("POST", path, question.body)
        right = question.is_answered_right(answer, airports, len(sandbox.fabric.environments))
        self._show_table(question.columns, question.rows(answer))
        verdict = "[green]as computed from the data[/green]" if right else "[red]not what the data says[/red]"
        self._console.print(f"   {_clusters_in_words(answer)}; {verdict}")
        return right

    def _show_curl(self, method: str, url: str, authority: str, body: dict[str, Any]) -> None:
        text = orjson.dumps(body).decode()
        self._show_shell(
            f"curl -X {method} --cacert {authority} -u elastic:$PASSWORD \\\n"
            f"     -H 'Content-Type: application/json' {shlex.quote(url)} \\\n     -d {shlex.quote(text)}"
        )

    def _show_shell(self, command: str) -> None:
        indented = "\n".join(f"   {line}" for line in command.splitlines())
        self._console.print(indented, style="dim", highlight=False, soft_wrap=True, markup=False)

    def _show_json(self, value: Any) -> None:
        self._show_shell(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())

    def _show_table(self, columns: Sequence[str], rows: Rows) -> None:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 1))
        for column in columns:
            numeric = bool(rows) and isinstance(rows[0][columns.index(column)], int)
            table.add_column(column, justify="right" if numeric else "left")
        for row in rows:
            table.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in row))
        self._console.print(Padding(table, (0, 0, 0, 2)))


def run_demo(console: Console, *, once: bool) -> int:
    """Run the whole demonstration; answer the exit status: 0 only if every answer was right.

    Unless ``once``, stays up afterwards until interrupted and prints how to get in.
    """
    demo = Demo(console)
    demo.announce("Start a hosted and an enterprise environment, with a deployment in each")
    with Sandbox(SandboxOptions(model=SecurityModel.NONE)) as sandbox:
        result = demo.run(sandbox)
        if not once:
            _stay(console, sandbox)
    console.print(f"\n{result.closing_line()}", highlight=False, soft_wrap=True)
    return result.exit_status


def _stay(console: Console, sandbox: Sandbox) -> None:
    console.print("\n[bold]It stays up. Get in:[/bold]")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 1))
    for column in ("what", "address", "user", "password", "authority"):
        table.add_column(column, overflow="fold")
    for environment in sandbox.fabric.environments:
        admin = environment.admin
        platform = f"{environment.platform_url}/api/v1"
        table.add_row(
            f"platform ({environment.kind})", platform, admin.user, admin.password, environment.proxy_ca
        )
        for deployment in environment.deployments:
            table.add_row(
                f"deployment {deployment.name}",
                deployment.url,
                deployment.username,
                deployment.password,
                deployment.ca,
            )
    console.print(table, soft_wrap=True)
    try:
        console.print("\nCtrl-C stops and removes everything.")
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        console.print("stopping")


def _main_members(information: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is for diagnosis: the phases of the link and the like."""
    return {name: value for name, value in information.items() if name != "isthmus"}


def _first_error(answer: dict[str, Any]) -> Any:
    return next(
        error
        for item in answer["items"]
        for action in item.values()
        if (error := action.get("error")) is not None
    )


def _clusters_in_words(answer: dict[str, Any]) -> str:
    details = answer["_clusters"]["details"]
    each = ", ".join(
        f"{name} {cluster['status']} in {cluster.get('took', '?')} ms" for name, cluster in details.items()
    )
    return f"took {answer['took']} ms: {each}"
