"""What the endpoints about people read and write."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, EmailStr, Field

from tuneloop.people.invitations import InvitationState
from tuneloop.tables import AlertMail, MailState, Role

PROOF = "of your second factor, if you have one and did not show it within the last ten minutes"


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class InvitationCreate(Strict):
    email: EmailStr
    role: Role = Role.VIEWER
    client: str | None = Field(default=None, description="slug of the client, for a client viewer")


class InvitationRead(BaseModel):
    id: UUID
    email: str
    role: Role
    client: str | None
    invited_by: str
    state: InvitationState
    created_at: datetime
    expires_at: datetime
    mail: MailState | None = Field(description="how far the mail with the link is")
    mail_failure: str | None


class InvitationLink(BaseModel):
    url: str = Field(description="whoever has it can accept; pass it on to the invited person alone")
    expires_at: datetime


class Token(Strict):
    token: str = Field(min_length=1, max_length=200, description="what the link ends with")


class OfferRead(BaseModel):
    agency: str
    email: str
    role: Role
    client: str | None
    invited_by: str
    expires_at: datetime
    known: bool = Field(description="there is an account with this address: its password confirms")


class Acceptance(Token):
    password: str = Field(min_length=1, max_length=200, description="a new one; of a known person, the one they have")
    name: str | None = Field(default=None, max_length=120, description="of a new person")
    code: str | None = Field(default=None, max_length=40, description="of a known person's second factor")


class Forgotten(Strict):
    email: EmailStr


class NewPassword(Token):
    password: str = Field(min_length=1, max_length=200)


class PasswordChange(Strict):
    old: str = Field(min_length=1, max_length=200)
    new: str = Field(min_length=1, max_length=200)
    code: str | None = Field(default=None, max_length=40, description=PROOF)


class OwnProof(Strict):
    """That it is really you."""

    password: str = Field(min_length=1, max_length=200, description="the one you have")
    code: str | None = Field(default=None, max_length=40, description=PROOF)


class Code(Strict):
    code: str = Field(min_length=6, max_length=40, description="what the authenticator app shows")


class SecondFactorBegun(BaseModel):
    secret: str = Field(description="for the authenticator app")
    address: str = Field(description="the same as otpauth://…, for a QR code")


class RecoveryCodes(BaseModel):
    codes: list[str] = Field(description="each takes the place of one code of the app; shown once")


class SecondFactorReset(BaseModel):
    gone: bool = Field(description="False: an admin of another agency of the person has to say so too")


class AlertMailChoice(Strict):
    when: AlertMail = Field(description="without_slack: while the agency is connected to no workspace")


class SignInPolicy(Strict):
    second_factor_required: bool = Field(description="whoever has no second factor can only set one up")
