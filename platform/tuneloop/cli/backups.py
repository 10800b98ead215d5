"""Commands that back an installation up, bring it back, and hold what it would send meanwhile."""

from pathlib import Path
from typing import Annotated, Literal

import orjson
import typer

from tuneloop.cli.here import across_agencies, process
from tuneloop.cli.output import Output
from tuneloop.cli.wiring import JSON, PROCESSES
from tuneloop.kit.settings import Settings

app = typer.Typer()
outgoing = typer.Typer(no_args_is_help=True, help="Mail, Slack and Stripe: held after a restoration, until you let go.")
app.add_typer(outgoing, name="outgoing", rich_help_panel=PROCESSES)

Json = Annotated[bool, JSON]
PASSPHRASE = "TUNELOOP_BACKUP_PASSPHRASE"  # noqa: S105  (the name of a variable)


@app.command(rich_help_panel=PROCESSES)
def backup(
    ctx: typer.Context,
    to: Annotated[
        Path, typer.Argument(metavar="FOLDER", file_okay=False, help="Backups; one more is put beside them.")
    ],
    check: Annotated[bool, typer.Option("--check", help="Make none: read the newest one through.")] = False,
    name: Annotated[str | None, typer.Option(help="With --check: another one than the newest.")] = None,
    keep: Annotated[int | None, typer.Option(min=1, help="Remove all but so many of the newest afterwards.")] = None,
    passphrase: Annotated[
        str | None, typer.Option(envvar=PASSPHRASE, help="Include the secret key, encrypted with this.", prompt=False)
    ] = None,
    json: Json = False,
) -> None:
    """Back up database and object store while everything runs. Objects that are there already aren't copied again."""
    from tuneloop_local.backup.contents import BackupFolder
    from tuneloop_local.backup.contents import check as read_through
    from tuneloop_local.backup.make import back_up, prune

    with process(ctx, json=json) as settings:
        out, folder = Output(json=json or ctx.obj.json), BackupFolder(to)
        if check:
            chosen = folder.newest(name)
            found = read_through(folder, chosen)
            said = f"backup {chosen.name} is whole: the database and {found.objects} objects can be restored"
            facts = {"name": chosen.name, "copied": 0, "removed": []}
        else:
            made = back_up(settings, folder, passphrase=passphrase)
            found = made.manifest
            removed = prune(folder, keep=keep) if keep else []
            said = (
                f"backup {made.name} is made: database and {found.objects} objects ({found.objects_bytes:,} bytes), "
                f"{made.copied} of them copied now. {_about_the_secret(settings, found.has_secrets)}"
            )
            facts = {"name": made.name, "copied": made.copied, "removed": removed}
        shown = facts | found.model_dump(mode="json", exclude={"files"})
        out.write(orjson.dumps(shown)) if out.json else out.say(said)


def _about_the_secret(settings: Settings, included: bool) -> str:
    if included:
        return "It holds the secret key, encrypted with your passphrase: keep the passphrase elsewhere."
    return (
        f"It does NOT hold the secret key ({settings.data_dir / 'secret.key'} or TUNELOOP_SECRET_KEY): keep that "
        f"elsewhere, or name a passphrase ({PASSPHRASE}). Without it, Slack, Stripe and mail senders have to be "
        "connected again."
    )


@app.command(rich_help_panel=PROCESSES)
def restore(
    ctx: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="FOLDER", file_okay=False, help="Where 'tuneloop backup' put it.")],
    name: Annotated[str | None, typer.Option(help="Another backup than the newest.")] = None,
    passphrase: Annotated[
        str | None, typer.Option(envvar=PASSPHRASE, help="What the secret key was encrypted with.")
    ] = None,
) -> None:
    """Bring an installation back, into an empty --data-dir. Mail, Slack and Stripe are held until you let them go."""
    from tuneloop_local.backup.contents import BackupFolder
    from tuneloop_local.backup.restore import restore as bring_back

    with process(ctx) as settings:
        done = bring_back(settings, BackupFolder(source), name=name, passphrase=passphrase)
        out = Output(json=ctx.obj.json)
        out.say(f"{settings.data_dir} is as it was at {done.manifest.made_at:%Y-%m-%d %H:%M} UTC.")
        if not done.with_secrets:
            out.say(
                f"The secret key was not restored. Put it into {settings.data_dir / 'secret.key'} before you start; "
                "otherwise a new one is made, and Slack, Stripe and mail senders have to be connected again."
            )
        out.say("Start it with 'tuneloop up'. Nothing goes out before 'tuneloop outgoing release'.")


@outgoing.command("show")
def show_outgoing(ctx: typer.Context, json: Json = False) -> None:
    """Whether mail, Slack and Stripe are held, and what waits."""
    from tuneloop_local.backup.outgoing import look_at_outgoing

    with process(ctx, json=json) as settings, across_agencies(settings) as session:
        held, out = look_at_outgoing(session), Output(json=json or ctx.obj.json)
        if out.json:
            out.write(orjson.dumps(held._asdict()))
        elif held.since is None:
            out.say("Nothing is held; mail, Slack and Stripe go out as usual.")
        else:
            jobs = ", ".join(f"{count} {name}" for name, count in sorted(held.jobs.items())) or "nothing"
            out.say(f"Held since {held.since:%Y-%m-%d %H:%M} UTC ({held.reason}). {jobs} waits; {held.mails} mails.")


@outgoing.command("hold")
def hold(
    ctx: typer.Context, reason: Annotated[str, typer.Option(help="Why, for whoever looks.")] = "held by the operator"
) -> None:
    """Send nothing more until it is released. For a database that was restored by its own means."""
    from tuneloop_local.backup.outgoing import hold_outgoing

    with process(ctx) as settings, across_agencies(settings) as session:
        hold_outgoing(session, reason=reason)
        Output(json=ctx.obj.json).say("held: let it go with 'tuneloop outgoing release'")


@outgoing.command("release")
def release(
    ctx: typer.Context,
    mails: Annotated[
        Literal["send", "drop"],
        typer.Option(
            help="Mails that waited: send them, or mark them as failed because they may have gone out before."
        ),
    ],
) -> None:
    """Let mail, Slack and Stripe go again. Slack and Stripe are asked for what is there already."""
    from tuneloop_local.backup.outgoing import Waiting, release_outgoing

    with process(ctx) as settings, across_agencies(settings) as session:
        waited = release_outgoing(session, mails=Waiting(mails))
        Output(json=ctx.obj.json).say(f"released; {waited} mails waited: {mails}")
