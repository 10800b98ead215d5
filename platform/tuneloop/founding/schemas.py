"""What somebody says who sets up an agency."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, EmailStr, Field, SecretStr, StringConstraints

from tuneloop.clients.schemas import Slug
from tuneloop.kit.clean_text import CleanName
from tuneloop_reports.style import Language

Currency = Annotated[str, StringConstraints(pattern=r"^[a-z]{3}$")]


class AgencyWanted(BaseModel):
    """`code` is empty where none is needed; `second_factor` is a code of whoever has an account here already."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    code: str = Field(default="", max_length=100)
    name: CleanName = Field(min_length=1, max_length=120)
    slug: Slug
    currency: Currency = "usd"
    timezone: str = Field(default="UTC", max_length=64)
    language: Language = Language.ENGLISH
    owner: str = Field(min_length=1, max_length=120)
    email: EmailStr
    password: SecretStr
    second_factor: str = Field(default="", max_length=40)


class StepRead(BaseModel):
    """Of what is left to set up; `address` is a page."""

    model_config = ConfigDict(from_attributes=True)

    key: str
    title: str
    says: str
    address: str
    done: bool
    optional: bool
