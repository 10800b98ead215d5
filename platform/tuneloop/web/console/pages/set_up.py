"""The first visit: an agency and its owner, in one form."""

from functools import cache
from typing import Any, Final
from zoneinfo import available_timezones

from anyio.to_thread import run_sync
from litestar import Controller, Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.params import FromQuery
from pydantic import SecretStr, ValidationError

from tuneloop.founding.schemas import AgencyWanted
from tuneloop.founding.service import Founded, found_agency, settle_agency
from tuneloop.founding.setup_codes import door
from tuneloop.identity.request import HttpRequest, at_password_desk, database_of, seen_of, session_cookie, settings_of
from tuneloop.identity.second_factor import SecondFactorNeeded
from tuneloop.kit.errors import Conflict, InvalidInput, NotAuthenticated, TooManyAttempts, TuneloopError
from tuneloop.kit.http import waiting
from tuneloop.kit.slugs import slug_of
from tuneloop.web.console.flash import back_to
from tuneloop.web.console.forms import optional, required
from tuneloop.web.console.pages.joining import require_own_form, twice
from tuneloop.web.console.render import page
from tuneloop_reports.style import Language

CURRENCIES: Final = (
    *("usd", "eur", "gbp", "aud", "brl", "cad", "chf", "czk", "dkk", "hkd", "huf", "ils", "inr", "jpy", "krw", "mxn"),
    *("nok", "nzd", "pln", "ron", "sek", "sgd", "thb", "try", "twd", "zar"),
)
LANGUAGES: Final = {Language.ENGLISH: "English", Language.GERMAN: "Deutsch"}
KEPT: Final = ("code", "name", "slug", "currency", "timezone", "language", "owner", "email")
"""What a refused form shows again: all but the passwords."""


class SetUpPage(Controller):
    path = "/setup"
    include_in_schema = False

    @get(public=True, sync_to_thread=True)
    def ask(self, request: HttpRequest, code: FromQuery[str] = "") -> Response[str]:
        return _form(request, {"code": code})

    @post(public=True)
    async def found(self, request: HttpRequest, form: NamedDependency[FormMultiDict]) -> Response[Any]:
        require_own_form(request)
        settings, database, seen = settings_of(request), database_of(request), seen_of(request)

        def work() -> Founded:
            with database.all_agencies() as session:
                founded = found_agency(session, settings=settings, wanted=wanted, origin="web", seen=seen)
            with database.unit(founded.agency.id) as session:
                settle_agency(session, principal=founded.owner, wanted=wanted)
            return founded

        try:
            wanted = _wanted(form)
            founded = await at_password_desk(request, wanted.email, work)
        except (InvalidInput, Conflict, NotAuthenticated, SecondFactorNeeded, TooManyAttempts) as refused:
            kept = {name: optional(form, name) for name in KEPT}
            answer = await run_sync(_form, request, kept, refused)
            answer.headers.update(waiting(refused))
            return answer
        entered = back_to("/", f"{founded.agency.name} is set up, and you are signed in. Below is what comes next.")
        entered.set_cookie(session_cookie(request, founded.browser))
        return entered


def _wanted(form: FormMultiDict) -> AgencyWanted:
    """Raises InvalidInput, saying which field is missing or wrong."""
    name = required(form, "name", "the agency's name", longest=120)
    try:
        return AgencyWanted(
            code=optional(form, "code", longest=100),
            name=name,
            slug=optional(form, "slug") or slug_of(name, otherwise="agency"),
            currency=required(form, "currency", "the currency"),
            timezone=required(form, "timezone", "the time zone"),
            language=Language(required(form, "language", "the language")),
            owner=required(form, "owner", "your name", longest=120),
            email=required(form, "email", "your e-mail address", longest=320),
            password=SecretStr(twice(form)),
            second_factor=optional(form, "second_factor", longest=40),
        )
    except ValidationError as error:
        field = str(error.errors()[0]["loc"][0])
        wrong = {
            "slug": "the short name has lower-case letters, digits and hyphens only",
            "email": "that is not an e-mail address; write it like you@agency.example",
        }
        raise InvalidInput(wrong.get(field, f"{field} is not as it should be; choose it again"), field=field) from error
    except ValueError as error:
        raise InvalidInput("choose a language of the list", field="language") from error


def _form(request: HttpRequest, typed: dict[str, str], refused: TuneloopError | None = None) -> Response[str]:
    with database_of(request).all_agencies() as session:
        found = door(session, settings_of(request))
    return page(
        request,
        "people/set_up.html",
        status=refused.status if refused else 200,
        door=found,
        problem=refused.message if refused else "",
        has_second_factor=isinstance(refused, SecondFactorNeeded),
        typed={name: typed.get(name, "") for name in KEPT},
        currencies=CURRENCIES,
        zones=_zones(),
        languages=LANGUAGES,
    )


@cache
def _zones() -> list[str]:
    """Those that people know: a place, and UTC."""
    places = [name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "posix", "right"))]
    return ["UTC", *sorted(places)]
