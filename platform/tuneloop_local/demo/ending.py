"""What the demo leaves: a summary, and the way on."""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

from tuneloop.kit.settings import Settings
from tuneloop_local.demo.office import Office
from tuneloop_local.demo.show import Show


def versions_of(office: Office) -> list[dict[str, Any]]:
    """Each version with its proofs, and where its files are."""
    return [
        {
            **{key: version[key] for key in ("name", "digest", "parent", "parity")},
            "files": [{**file, "path": str(_stored(office.settings, file["sha256"]))} for file in version["files"]],
            "metrics": version["training"]["metrics"],
        }
        for version in office.operator.get(f"{office.path}/versions")
    ]


def addresses(settings: Settings) -> dict[str, str]:
    """Pages of the installation and of its stand-ins."""
    return {
        "console": f"{settings.site_url}/",
        "api": f"{settings.site_url}/schema",
        "slack": settings.slack_emulator_url,
        "mail": f"http://127.0.0.1:{settings.mailbox_port}",
        "stripe": settings.stripe_emulator_url,
    }


def keep_summary(settings: Settings, scenario: str, summary: dict[str, Any]) -> Path:
    path = settings.data_dir.resolve() / f"demo-{scenario}.json"
    path.write_text(json.dumps(summary, indent=2))
    return path


def say_how_to_go_on(office: Office, show: Show, summary: Path) -> None:
    """Where everything is. The password is shown here and kept nowhere."""
    settings, owner = office.settings, office.owner
    where = addresses(settings)
    print_ = show.console.print
    print_("\n[bold]Go on[/]: everything stays in the data folder, and comes up again on the same ports:")
    print_(f"   [bold]{up_command(settings.data_dir)}[/]", highlight=False, soft_wrap=True)
    for title, address in (
        ("Console", f"{where['console']}  sign in as {owner.email}, password {owner.password} (shown only here)"),
        ("Slack", where["slack"]),
        ("Mail", where["mail"]),
        ("Stripe", f"{where['stripe']}  (emulated, like Slack and mail: no money moves)"),
        ("API", where["api"]),
        ("Files", f"{settings.data_dir.resolve() / 'reports'} (PDF), {settings.data_dir.resolve() / 'logs'}"),
        ("Summary", str(summary)),
    ):
        print_(f"   {title:<8} {address}", highlight=False, soft_wrap=True)


def up_command(data_dir: Path) -> str:
    """The command line that starts this installation again, from the present folder."""
    program = Path(sys.argv[0])
    name = str(program) if program.name == "tuneloop" else f"{sys.executable} -m tuneloop.cli.main"
    return f"{name} --data-dir {shlex.quote(str(data_dir))} up"


def _stored(settings: Settings, digest: str) -> Path:
    return settings.data_dir.resolve() / "objects" / "sha256" / digest[:2] / digest
