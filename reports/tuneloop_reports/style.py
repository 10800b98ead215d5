"""How an agency's reports look, what language they speak and who gets them."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, EmailStr, Field, StringConstraints

Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Language(StrEnum):
    ENGLISH = "en"
    GERMAN = "de"


class PageSize(StrEnum):
    A4 = "A4"
    LETTER = "Letter"


class Font(StrEnum):
    """Families that lie in fonts/."""

    SANS = "sans"
    SERIF = "serif"


class Recipient(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=120)
    email: EmailStr


class Style(BaseModel):
    """`logo` names a PNG of the object store; it was decoded and written anew when it came in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    language: Language = Language.ENGLISH
    page_size: PageSize = PageSize.A4
    brand: str = Field(default="", max_length=120, description="name on the report; the agency's when empty")
    accent: Colour = "#2457c5"
    font: Font = Font.SANS
    logo: Sha256 | None = None
    footer: str = Field(default="", max_length=300, description="address line or imprint at the end of each page")
    website: str = Field(default="", max_length=200)
    show_examples: bool = True
    approve_by_itself: bool = Field(default=False, description="send at month's end without somebody's approval")
    further_recipients: tuple[Recipient, ...] = Field(default=(), max_length=20)
    link_days: int = Field(default=90, ge=1, le=366, description="how long the link in the mail works")
