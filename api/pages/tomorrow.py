"""Tomorrow: the plan under limited capacity, asked for, looked at, changed, approved and taken along."""

from __future__ import annotations

import io
import json
import os
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Form, UploadFile
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.pages.basis import of_plan
from api.pages.content import Content
from api.pages.exports import sheet_of, table_file
from api.pages.page_data import Portfolio
from api.pages.plan_desk import Busy, MadePlan, PlanDesk, PlanRequest
from api.pages.plan_release import Refusal
from api.pages.problem_words import problem_in_words
from api.pages.rendering import Page, PageDep, PortfolioDep, SessionsDep
from api.pages.section_pages import add_page
from api.pages.tomorrow_content import PlanText
from api.pages.tomorrow_form import Form as CapacityForm
from api.pages.tomorrow_form import (
    NotReadable,
    asked_capacity,
    default_capacity,
    form_of,
    moment_of,
    sources,
)
from api.pages.tomorrow_sections import contacts_table, sections
from recommender.errors import InvalidInput, RecommenderError
from recommender.planning import CapacityOrder, capacity_of, read_contact_points, write_campaigns

__all__ = ["build", "router"]

router = APIRouter()

_ENDINGS = (".csv", ".xlsx", ".parquet", ".tsv")


def _desk(request: Request) -> PlanDesk:
    desk: PlanDesk = request.app.state.plan_desk
    return desk


DeskDep = Annotated[PlanDesk, Depends(_desk)]


@dataclass(frozen=True)
class TomorrowContent(Content):
    """The page: a plan, what is being made, and the form for the next one.

    Attributes
    ----------
    plan : MadePlan or None
    form : CapacityForm or None
    working : str
        PlanText while a plan is made.
    problem : str
        Why the last one was not made.
    technical : str
        The same as it was written down, where that is another language than the reader's.
    refused : str
        Why it was not approved.
    has_log : bool
        Whether an approved plan is written to a decision log.
    """

    plan: MadePlan | None = None
    form: CapacityForm | None = None
    working: str = ""
    problem: str = ""
    technical: str = ""
    query: dict[str, str] | None = None
    refused: str = ""
    has_log: bool = False


def build(page: Page, portfolio: Portfolio, query: dict[str, str]) -> TomorrowContent:
    """Build the page."""
    question = page.text("Whom do we contact tomorrow, how and when?")
    desk = None if page.request is None else _desk(page.request)
    if desk is None or desk.folder is None:
        return TomorrowContent("tomorrow", question, page.text("There is no portfolio folder to keep plans in."))
    asked = query.get("plan", "")
    status = desk.status(asked) if asked else None
    working, problem = _state(page, status)
    technical = ""
    if problem and status is not None and status.get("column") is not None and not page.is_source:
        technical = f"{status['problem']} {status['mend']}".strip()
    newest = desk.finished()
    plan = desk.read(asked) if asked and not (working or problem) else None
    if plan is None and newest:
        plan = desk.read(newest[0])

    form = _form(page, portfolio, plan, query)
    if plan is None:
        answer = page.text(
            "Nothing is planned yet. Choose a portfolio and what there is of agents and messages, then plan."
        )
        return TomorrowContent(
            "tomorrow", question, answer, form=form, working=working, problem=problem, technical=technical, query={}
        )
    words = PlanText(page, plan)
    return TomorrowContent(
        "tomorrow",
        question,
        words.answer(),
        "above" if len(plan.contacts) else "unclear",
        sections(words, query.get("queue", "")),
        words.tiles(),
        tiles_basis=of_plan(page, len(plan.arms), words.day),
        notices=words.notices(),
        plan=plan,
        form=form,
        working=working,
        problem=problem,
        technical=technical,
        query={"plan": plan.plan_id},
        refused=_refused(page, query.get("refused", "")) if plan.approval is None else "",
        has_log=portfolio.log is not None,
    )


def _state(page: Page, status: dict[str, Any] | None) -> tuple[str, str]:
    """What is being made, or why it was not."""
    if status is None or status["state"] == "done":
        return "", ""
    if status["state"] == "working":
        if not status["of"]:
            return page.text("Reading the portfolio."), ""
        done, of = (page.formats.count(status[name]) for name in ("done", "of"))
        return page.text("Judging accounts: {done} of {of}.", done=done, of=of), ""
    if status.get("column") is None or page.is_source:
        why = f"{status['problem']} {status['mend']}".strip() or page.text("Something broke; the log says what.")
        return "", why
    return "", problem_in_words(page, status)


def _refused(page: Page, why: str) -> str:
    """Why a plan was not approved, and what to do."""
    words: dict[Refusal, str] = {
        "changed": page.text(
            "Not approved: others have decided about people of this plan since it was made, and they could be "
            "contacted twice. Plan again and approve the new plan."
        ),
        "spent": page.text(
            "Not approved: the money for offers has been spent elsewhere since this plan was made. Plan again and "
            "approve the new plan."
        ),
        "terms": page.text(
            "Not approved: the list of offers has changed since this plan was made. Plan again and approve the new "
            "plan."
        ),
        "unlogged": page.text(
            "Not approved: this plan does not know what the decision log knows. Plan again and approve the new plan."
        ),
        "away": page.text(
            "Not approved: the decision log does not take it. Try once more; if it stays so, tell your team."
        ),
    }
    return next((text for one, text in words.items() if one == why), "")


def _form(page: Page, portfolio: Portfolio, plan: MadePlan | None, query: dict[str, str]) -> CapacityForm | None:
    known = sources(page, portfolio)
    if not known:
        return None
    source = query.get("source") or (str(plan.about["source"]) if plan is not None else "")
    source = source if source in dict(known) else known[0][0]
    try:
        capacity = _base(portfolio, plan, source)
        _, day = moment_of(page, portfolio, "", capacity.timezone)
    except InvalidInput:
        return None
    return form_of(page, portfolio, capacity, source, day)


def _base(portfolio: Portfolio, plan: MadePlan | None, source: str) -> CapacityOrder:
    """Capacities that a form begins with: those of the plan in sight, if it is for the same accounts."""
    if plan is not None and plan.about["source"] in (source, "upload"):
        return capacity_of(plan.about["capacity"], plan.plan_id)
    return default_capacity(portfolio, source)


def _show(request: Request, page: PageDep, portfolio: PortfolioDep) -> Response:
    content = build(page, portfolio, dict(request.query_params))
    answer = page.render("tomorrow.html", content=content)
    if content.working:
        answer.headers["Refresh"] = "1"  # works without scripts
    return answer


# the page is registered first, so that its own view wins over the general one
router.add_api_route("/{language}/tomorrow", _show, methods=["GET"], include_in_schema=False)
add_page(router, "tomorrow", "tomorrow", build, template="tomorrow.html")


@router.post("/{language}/tomorrow", include_in_schema=False)
async def ask(
    request: Request, page: PageDep, portfolio: PortfolioDep, sessions: SessionsDep, desk: DeskDep
) -> Response:
    """Begin a plan with the capacities of the form."""
    async with request.form(max_files=1, max_fields=400) as form:
        if page.session is None or not sessions.is_own_form(page.session, str(form.get("token", ""))):
            raise HTTPException(403, "This form is not of your session. Go back, reload and try again.")
        file = form.get("file")
        upload = None
        if file is not None and not isinstance(file, str) and file.filename:
            upload = await run_in_threadpool(_kept, desk, file.filename, await file.read())
        texts = {name: value for name, value in form.items() if isinstance(value, str)}
    manager = page.session.manager
    return await run_in_threadpool(_begin, page, portfolio, desk, texts, upload, manager)


def _begin(
    page: Page, portfolio: Portfolio, desk: PlanDesk, texts: dict[str, str], upload: Path | None, by: str
) -> Response:
    known = dict(sources(page, portfolio))
    source = texts.get("source", "")
    try:
        if source not in known:
            raise NotReadable(page.text("There is no portfolio {name}.", name=source), column="source")
        plan = desk.read(texts.get("plan", ""))
        capacity = asked_capacity(page, _base(portfolio, plan, source), texts)
        moment, _ = moment_of(page, portfolio, texts.get("day", ""), capacity.timezone)
        request = PlanRequest(
            "upload" if upload else source, capacity, moment, upload,
            texts.get("party") or None, texts.get("no_contacts_yet") == "1",
        )  # fmt: skip
        return RedirectResponse(page.url("tomorrow", {"plan": desk.ask(request, by)}), 303)
    except (InvalidInput, Busy) as error:
        if upload is not None:
            upload.unlink(missing_ok=True)
        busy = page.text("Another plan is being made. Wait until it is there.")
        if isinstance(error, Busy):
            plan_id = desk.refused(busy)
        else:
            plan_id = desk.refused(error.problem) if isinstance(error, NotReadable) else desk.refused_for(error)
        return RedirectResponse(page.url("tomorrow", {"plan": plan_id, "source": source}), 303)


def _kept(desk: PlanDesk, name: str, content: bytes) -> Path:
    """The uploaded file under a name of ours, until it was read; nobody else may read it."""
    ending = next((one for one in _ENDINGS if name.lower().endswith(one)), None)
    if ending is None or desk.folder is None:
        raise HTTPException(415, "Give a CSV, XLSX or Parquet file.")
    desk.folder.mkdir(exist_ok=True)
    handle, path = tempfile.mkstemp(suffix=ending, prefix=".upload-", dir=desk.folder)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    return Path(path)


@router.post("/{language}/tomorrow/approve", name="tomorrow_approve", include_in_schema=False)
def approve(
    page: PageDep,
    sessions: SessionsDep,
    desk: DeskDep,
    plan: Annotated[str, Form(max_length=64)],
    token: Annotated[str, Form()] = "",
    note: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Let a plan go out, with the name of who is logged in."""
    if page.session is None or not sessions.is_own_form(page.session, token):
        raise HTTPException(403, "This form is not of your session. Go back, reload and try again.")
    if desk.read(plan) is None:
        raise HTTPException(404, page.text("There is no such plan."))
    refused = desk.approve(plan, page.session.manager, note.strip())
    query = {"plan": plan} if refused is None else {"plan": plan, "refused": refused}
    return RedirectResponse(page.url("tomorrow", query) + "#approval", 303)


@router.get("/{language}/tomorrow/contacts.xlsx", name="tomorrow_contacts", include_in_schema=False)
def contacts(page: PageDep, desk: DeskDep, plan: str = "") -> Response:
    """Every contact of a plan as a workbook."""
    made = desk.read(plan)
    if made is None:
        raise HTTPException(404, page.text("There is no such plan."))
    table = contacts_table(PlanText(page, made), made.contacts)
    return table_file(sheet_of(page, table), f"plan-{made.plan_id}", table.caption, "xlsx")


@router.post("/{language}/tomorrow/campaigns", name="tomorrow_campaigns", include_in_schema=False)
def campaigns(
    page: PageDep,
    sessions: SessionsDep,
    desk: DeskDep,
    plan: Annotated[str, Form(max_length=64)],
    token: Annotated[str, Form()] = "",
    list_id: Annotated[str, Form(max_length=32)] = "",
    points: Annotated[UploadFile | None, File()] = None,
) -> Response:
    """Campaign files of an approved plan as one archive; the file with contact points is read and forgotten."""
    if page.session is None or not sessions.is_own_form(page.session, token):
        raise HTTPException(403, "This form is not of your session. Go back, reload and try again.")
    made = desk.read_now(plan)
    if made is None:
        raise HTTPException(404, page.text("There is no such plan."))
    if made.approval is None:
        raise HTTPException(409, page.text("Only an approved plan goes out."))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        contact_points = None
        try:
            if points is not None and points.filename:
                path = folder / ("points.parquet" if points.filename.lower().endswith(".parquet") else "points.csv")
                path.write_bytes(points.file.read())
                contact_points = read_contact_points(path)
                path.unlink()
            written, lost = write_campaigns(
                made.contacts, folder / "files", contact_points, None, {"list_id": list_id}, desk.catalogue_of(made)
            )
        except (RecommenderError, ValueError) as error:
            raise HTTPException(422, str(error)) from error
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            for one in written:
                file.write(folder / "files" / one, one)
            summary = {"plan": made.plan_id, "approved": made.approval, "rows": written, "without_contact_point": lost}
            file.writestr("campaign-files.json", json.dumps(summary, indent=1))
    headers = {"Content-Disposition": f'attachment; filename="campaigns-{made.plan_id}.zip"'}
    return Response(archive.getvalue(), media_type="application/zip", headers=headers)
