"""`tuneloop member`: people who work for the agency, and who is asked to."""

from types import NoneType
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Group
from rich.text import Text

from tuneloop.cli.access import asking_code
from tuneloop.cli.arguments import token_of_link
from tuneloop.cli.render import Facts, Rows, stack, text, whole
from tuneloop.cli.wiring import Terminal, command
from tuneloop.identity.schemas import MemberRead, SignedIn
from tuneloop.kit.principal import Role
from tuneloop.people.schemas import InvitationLink, InvitationRead, OfferRead, SecondFactorReset, SignInPolicy

app = typer.Typer()

Member = Annotated[UUID, typer.Argument(metavar="MEMBER", help="The person's id, as 'tuneloop member list' shows it.")]
Invitation = Annotated[
    UUID, typer.Argument(metavar="INVITATION", help="Its id, as 'tuneloop member invitations' shows it.")
]


@command(app, "invite")
def invite(
    terminal: Terminal,
    email: Annotated[str, typer.Argument(metavar="E-MAIL")],
    role: Annotated[Role, typer.Option(help="What the person may do.")] = Role.VIEWER,
    client: Annotated[str | None, typer.Option(help="For a client viewer: the client.")] = None,
) -> None:
    """Ask somebody to join your agency, by mail. They choose their own password."""
    body = {"email": email, "role": role, "client": client}
    terminal.show(terminal.api.post("/invitations", InvitationRead, body), INVITATIONS.one)


@command(app, "invitations")
def invitations(terminal: Terminal) -> None:
    """Who was asked to join, newest first."""
    terminal.show(terminal.api.get("/invitations", list[InvitationRead]), INVITATIONS)


@command(app, "resend")
def resend(terminal: Terminal, invitation: Invitation) -> None:
    """Send a new link, with new time; the one before stops working."""
    terminal.show(terminal.api.post(f"/invitations/{invitation}/resend", InvitationRead), INVITATIONS.one)


@command(app, "link")
def link(terminal: Terminal, invitation: Invitation) -> None:
    """Show the link of an invitation, where no mail arrives. The audit log says who saw it."""
    terminal.show(terminal.api.post(f"/invitations/{invitation}/link", InvitationLink), render_link)


@command(app, "withdraw")
def withdraw(terminal: Terminal, invitation: Invitation) -> None:
    """Take an invitation back; its link stops working."""
    taken_back = terminal.api.delete(f"/invitations/{invitation}", NoneType)
    terminal.show(taken_back, lambda _: f"invitation {invitation} is withdrawn")


@command(app, "join")
def join(
    terminal: Terminal,
    link: Annotated[str, typer.Argument(metavar="LINK", help="The link of the invitation, from the mail.")],
    name: Annotated[str | None, typer.Option(help="Your name; asked for when you are new.")] = None,
) -> None:
    """Accept an invitation: as a new person with a password of your own, or with the one you have."""
    token = token_of_link(link)
    offer = terminal.api.post("/invitations/offer", OfferRead, {"token": token}).value
    if not offer.known and name is None:
        name = typer.prompt("Your name", err=True)
    words = "Your password" if offer.known else "Choose a password, at least 12 characters"
    password = typer.prompt(words, hide_input=True, confirmation_prompt=not offer.known, err=True)
    body = {"token": token, "name": name, "password": password}
    reply = asking_code(lambda code: terminal.api.post("/invitations/accept", SignedIn, body | code))
    terminal.api.delete("/session", NoneType, headers={"X-CSRF-Token": reply.value.csrf_token})
    terminal.show(reply, lambda _: f"you have joined {offer.agency} as {offer.role}; sign in as {offer.email}")


@command(app, "list")
def index(terminal: Terminal) -> None:
    """Members of your agency."""
    terminal.show(terminal.api.get("/members", list[MemberRead]), MEMBERS)


@command(app, "role")
def role(terminal: Terminal, member: Member, role: Annotated[Role, typer.Argument(metavar="ROLE")]) -> None:
    """Give a member another role."""
    terminal.show(terminal.api.put(f"/members/{member}/role", MemberRead, {"role": role}), MEMBERS.one)


@command(app, "remove")
def remove(terminal: Terminal, member: Member) -> None:
    """Remove a member; ends their sessions."""
    terminal.show(terminal.api.delete(f"/members/{member}", NoneType), lambda _: f"member {member} is removed")


@command(app, "deactivate")
def deactivate(terminal: Terminal, member: Member) -> None:
    """Take a member out: sessions end; keys, Slack user and mailed links do nothing until they are back."""
    terminal.show(terminal.api.post(f"/members/{member}/deactivate", MemberRead), MEMBERS.one)


@command(app, "reactivate")
def reactivate(terminal: Terminal, member: Member) -> None:
    """Put a member back, with the role they had; keys that were not revoked work again."""
    terminal.show(terminal.api.post(f"/members/{member}/reactivate", MemberRead), MEMBERS.one)


@command(app, "sign-out")
def sign_out(terminal: Terminal, member: Member) -> None:
    """Sign a member out of your agency, everywhere."""
    done = terminal.api.delete(f"/members/{member}/sessions", NoneType)
    terminal.show(done, lambda _: f"member {member} is signed out")


@command(app, "reset-password")
def reset_password(terminal: Terminal, member: Member) -> None:
    """Have a member choose a new password, by a link that goes to them. They are signed out of your agency."""
    sent = terminal.api.post(f"/members/{member}/password-reset", NoneType)
    terminal.show(sent, lambda _: f"member {member} is signed out and gets a link to choose a new password")


@command(app, "reset-second-factor")
def reset_second_factor(terminal: Terminal, member: Member) -> None:
    """A member has lost telephone and recovery codes: turn their second factor off. They hear of it by mail."""
    reply = terminal.api.post(f"/members/{member}/second-factor-reset", SecondFactorReset)
    waits = "it stays until an admin of each other agency of theirs says so too"
    terminal.show(reply, lambda it: f"member {member}: {'the second factor is off' if it.gone else waits}")


@command(app, "sign-in-policy")
def sign_in_policy(
    terminal: Terminal,
    second_factor: Annotated[bool | None, typer.Option(help="Ask everybody for one; owners only.")] = None,
) -> None:
    """What your agency asks when people sign in. With --second-factor, whoever has none can only set one up."""
    if second_factor is None:
        terminal.show(terminal.api.get("/sign-in-policy", SignInPolicy), POLICY)
    else:
        wanted = {"second_factor_required": second_factor}
        terminal.show(terminal.api.patch("/sign-in-policy", SignInPolicy, wanted), POLICY)


def render_link(link: InvitationLink) -> Group:
    return stack(
        Text(link.url, "bold"),
        Text("Give it to the invited person alone: whoever opens it can join in their place. It works once.", "dim"),
    )


POLICY = Facts[SignInPolicy](("Second factor", lambda it: "asked for" if it.second_factor_required else "left to each"))
MEMBERS = Rows[MemberRead](
    whole("Member", lambda it: it.user_id),
    text("E-mail", lambda it: it.email),
    text("Name", lambda it: it.name),
    whole("Role", lambda it: it.role),
    whole("Client", lambda it: it.client),
    whole("Signed in", lambda it: it.last_sign_in_at if it.active else "deactivated"),
    whole("Second factor", lambda it: "yes" if it.second_factor else "no"),
    whole("Browsers", lambda it: it.sessions),
    whole("Keys", lambda it: it.keys),
    whole("Key used", lambda it: it.key_used_at),
)
INVITATIONS = Rows[InvitationRead](
    whole("Invitation", lambda it: it.id),
    text("E-mail", lambda it: it.email),
    whole("Role", lambda it: it.role),
    whole("Client", lambda it: it.client),
    whole("State", lambda it: it.state),
    whole("Until", lambda it: it.expires_at),
    text("Mail", lambda it: it.mail_failure or it.mail),
)
