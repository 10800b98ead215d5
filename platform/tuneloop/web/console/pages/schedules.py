"""What runs when, for every model, and how often."""

from datetime import UTC, datetime

from litestar import Controller, Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from tuneloop.identity.request import HttpRequest
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.monitoring.schedule_overview import calendar
from tuneloop.monitoring.schedules import change_schedule
from tuneloop.registry.service import find_model
from tuneloop.tables import Role, ScheduledTask
from tuneloop.web.console.flash import back_to
from tuneloop.web.console.forms import optional, required
from tuneloop.web.console.render import page

SAID = {
    "change": "The {task} comes {when}, every {days} days from then on.",
    "pause": "The {task} is paused.",
    "resume": "The {task} comes {when}, every {days} days from then on.",
    "suggested": "The {task} follows plan and field again: {when}, every {days} days.",
}


class SchedulePage(Controller):
    path = "/"
    include_in_schema = False

    @get("/schedules", role=Role.VIEWER, sync_to_thread=True)
    def index(self, request: HttpRequest, session: NamedDependency[TenantSession]) -> Response[str]:
        return page(request, "schedules.html", planned=calendar(session))

    @post("/models/{client:str}/{model:str}/schedules", role=Role.OPERATOR, sync_to_thread=True)
    def change(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        client: FromPath[str],
        model: FromPath[str],
    ) -> Redirect:
        found, task, do = (
            find_model(session, client=client, model=model),
            _task(form),
            required(form, "do", "the button"),
        )
        if do not in SAID:
            raise InvalidInput("choose to change, pause or resume it, or to follow the suggestion", field="do")
        row = change_schedule(
            session,
            principal=principal,
            model=found,
            task=task,
            every_days=_days(form) if do == "change" else None,
            next_at=_day(form) if do == "change" else None,
            paused={"pause": True, "resume": False}.get(do),
            suggested_again=do == "suggested",
        )
        message = SAID[do] if do == "pause" or not row.paused else "The {task} is paused, as plan and field suggest."
        when = f"{row.next_at:%-d %b %Y}"
        return back_to("/schedules", message.format(task=task.value, when=when, days=row.every_days))


def _task(form: FormMultiDict) -> ScheduledTask:
    name = required(form, "task", "the task")
    if name not in set(ScheduledTask):
        raise InvalidInput(f"there is no task {name!r}; it is one of {', '.join(ScheduledTask)}", field="task")
    return ScheduledTask(name)


def _days(form: FormMultiDict) -> int | None:
    text = optional(form, "every_days", longest=10)
    if text and not text.isdecimal():
        raise InvalidInput(f"{text!r} is not a number of days", field="every_days")
    return int(text) if text else None


def _day(form: FormMultiDict) -> datetime | None:
    """The start of the day; None where it is still the day that the page showed."""
    text = optional(form, "next", longest=10)
    if text == optional(form, "was", longest=10):
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC) if text else None
    except ValueError:
        raise InvalidInput(f"{text!r} is not a date; write it as 2026-03-31", field="next") from None
