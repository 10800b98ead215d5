"""The command line: `tuneloop …`. Most commands speak to the API; some run a process of an installation here."""

import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from tuneloop.cli import backups, processes
from tuneloop.cli.failure import MEANING, ExitCode, Failure
from tuneloop.cli.lazy import Entry, Lazy
from tuneloop.cli.output import Output
from tuneloop.cli.wiring import ACCESS, JSON, OBJECTS, Options, World
from tuneloop.kit.settings import Settings

EPILOG = "Exit codes: " + "; ".join(f"{code.value} {meaning}" for code, meaning in MEANING.items()) + "."

ENTRIES = {
    "train": Entry(
        "training", "Train, export, evaluate and compare a new version now. It is promoted only when you say so."
    ),
    "retrain": Entry("training", "Propose a retrain, show its plan, ask for your approval, and watch it."),
    "eval": Entry("evals", "Evaluations of a model, newest first, and the newest one by category."),
    "compare": Entry(
        "comparison", "Production and candidate on the same items; exit code 6 unless the verdict is 'promote'."
    ),
    "try": Entry("comparison", "One message, answered by two versions at once. It is not logged."),
    "approve": Entry("decisions", "Approve a retrain that was proposed, and watch it."),
    "promote": Entry(
        "decisions",
        "Put a cycle's candidate into production. Against the gate's verdict this takes an admin and a --note.",
    ),
    "reject": Entry("decisions", "Turn down the retrain or the candidate, whichever is being asked about."),
    "rollback": Entry("decisions", "Swap production and previous at once; once more rolls forward."),
    "portfolio": Entry("monitoring", "Every model at a glance, the most urgent first."),
    "checklist": Entry("checklist", "What is left until a model is in production and connected, and what may follow."),
    "ask": Entry("gateway", "Ask a model that is served, as an application would."),
    "client": Entry("clients", "The clients of your agency.", OBJECTS),
    "model": Entry("models", "Registered models: contract, policy, aliases.", OBJECTS),
    "version": Entry("versions", "Versions of a model: lineage, proofs, files.", OBJECTS),
    "migration": Entry("migration", "From a model that a service hosts to one of your own, step by step.", OBJECTS),
    "base": Entry("bases", "Base models that models are built on.", OBJECTS, more=processes.base),
    "dataset": Entry("datasets", "Examples: training, golden and rolling sets.", OBJECTS),
    "review": Entry("review", "The review queue: what people are asked to label, and what they said.", OBJECTS),
    "cycle": Entry("cycles", "Retraining cycles: proposal, training, comparison, decision.", OBJECTS),
    "abtest": Entry("ab_tests", "A/B tests: a candidate answers a share of production's people.", OBJECTS),
    "shadow": Entry("shadow_tests", "Shadow tests: a candidate answers some questions too, seen by nobody.", OBJECTS),
    "job": Entry("jobs", "Work in the background: watch it, stop it.", OBJECTS),
    "alert": Entry("alerts", "Alerts of the monitor.", OBJECTS),
    "feedback": Entry("feedback", "Ratings, error reports and corrections of answers.", OBJECTS),
    "prediction": Entry("predictions", "The production log.", OBJECTS),
    "plan": Entry("plans", "Maintenance plans, and the plan of a client.", OBJECTS),
    "billing": Entry("billing", "Stripe, invoices, month ends, economics.", OBJECTS),
    "work": Entry("time_entries", "Time spent for clients.", OBJECTS),
    "mail": Entry("mail", "Mail that went out.", OBJECTS, more=processes.mail),
    "report": Entry("reports", "Monthly reports to clients.", OBJECTS),
    "monitor": Entry(
        "monitoring", "Readings of production: labels judge, confidence warns, users report.", OBJECTS, app="monitor"
    ),
    "finding": Entry(
        "quality", "What is suspicious about training examples; open ones do not train.", OBJECTS, app="finding"
    ),
    "document": Entry("quality", "Documentation and SOPs from which examples are proposed.", OBJECTS, app="document"),
    "link": Entry("quality", "Links with which clients correct answers, without an account.", OBJECTS, app="link"),
    "erase": Entry("erasures", "Take people's text away for good: by text, answer, end user or client.", OBJECTS),
    "takeout": Entry(
        "erasures", "Export a client's or a person's data as a ZIP of JSON lines.", OBJECTS, app="takeout"
    ),
    "login": Entry("access", "Check an API key and keep it for the next commands, readable by you alone.", ACCESS),
    "whoami": Entry("access", "Who you are to the server, and what you may do.", ACCESS),
    "key": Entry("keys", "API keys, for the agency or confined to one client.", ACCESS),
    "password": Entry("passwords", "Your own password: change it, or get a new one by mail.", ACCESS),
    "account": Entry("account", "Your account: where you are signed in, and your keys.", ACCESS),
    "identity-provider": Entry("identity_provider", "Signing in through your agency's own OpenID provider.", ACCESS),
    "member": Entry("members", "People who work for your agency, who is invited, and their roles.", ACCESS),
    "audit": Entry("audit", "The audit log: only ever added to.", ACCESS),
    "slack": Entry("slack", "Slack workspaces, channels, and who is linked.", ACCESS),
}


class Root(TyperGroup):
    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands = {name: Lazy(name, entry) for name, entry in ENTRIES.items()} | dict(self.commands)

    def main(self, args: Sequence[str] | None = None, *rest: Any, **named: Any) -> Any:
        """With --json, a wrong command line is reported as JSON too."""
        words = list(sys.argv[1:] if args is None else args)
        if "--json" not in words:
            return super().main(words, *rest, **named)
        try:
            code = super().main(words, *rest, **{**named, "standalone_mode": False})
        except typer.TyperException as error:
            usage = Failure("usage", error.format_message(), exit_code=ExitCode.USAGE)
            Output(json=True).fail(usage)
            sys.exit(usage.exit_code)
        except typer.Abort:
            sys.exit(ExitCode.FAILED)
        sys.exit(code if isinstance(code, int) else ExitCode.OK)


app = typer.Typer(
    cls=Root, no_args_is_help=True, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]}
)
app.add_typer(processes.app)
app.add_typer(backups.app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tuneloop {version('tuneloop')}")
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    url: Annotated[str | None, typer.Option(envvar="TUNELOOP_URL", help="Server to speak to.")] = None,
    key: Annotated[str | None, typer.Option(envvar="TUNELOOP_API_KEY", help="API key.")] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(envvar="TUNELOOP_DATA_DIR", file_okay=False, help="Folder of credentials and local data."),
    ] = None,
    json: Annotated[bool, JSON] = False,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Keeps fine-tuned models accurate: monitor, collect, retrain, compare, deploy.

    Server and key come from --url and --key, from the environment, or from what 'tuneloop login' kept.
    """
    world = ctx.obj if isinstance(ctx.obj, World) else World()
    folder = data_dir or Path(Settings.model_fields["data_dir"].default)
    ctx.obj = Options(world=world, data_dir=folder, url=url, key=key, json=json)


def main() -> None:
    app(prog_name="tuneloop")


if __name__ == "__main__":
    main()
