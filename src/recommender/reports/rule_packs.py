"""The part of ``docs/guardrails.md`` that is written from the packs, and its Spanish."""

from __future__ import annotations

from recommender.reports.words import Words
from recommender.rules import Cap, Pack, SpeaksOf, Window, load_pack, pack_ids, speaks_names

__all__ = ["GENERATED_FROM_HERE", "describe_pack", "describe_packs"]

GENERATED_FROM_HERE = "<!-- Generated from the packs by `python -m pipelines packs docs`; do not edit below. -->"


def describe_packs(*, language: str = "en") -> str:
    """Markdown of all packs, the same for the same packs.

    Parameters
    ----------
    language : str, default "en"
        ``"en"`` or ``"es"``; every text of the packs needs its line in ``rule_packs.es.toml``.
    """
    t = Words(language, "rule_packs")
    chosen = [load_pack(pack) for pack in pack_ids()]
    heads = ("id", "what", "kind", "extends", "version", "in force from", "reviewed")
    lines = [
        f"## {t('Packs')}",
        "",
        t("Draft, not legal advice: local counsel signs each pack off before it is used."),
        "",
        f"| {t.all(heads, ' | ')} |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {pack.id} | {t(pack.title)} | {t(pack.kind)} | {pack.extends or ''} | {pack.pack_version} "
        f"| {pack.valid_from} | {pack.reviewed_on} |"
        for pack in chosen
    ]
    return "\n".join(lines) + "\n\n" + "\n".join(_describe(pack, t) for pack in chosen)


def describe_pack(pack: Pack) -> str:
    """Markdown of one pack: its rules with citations, sources, open questions."""
    return _describe(pack, Words("en"))


def _describe(pack: Pack, t: Words) -> str:
    lines = [f"### {pack.id}: {t(pack.title)}", ""]
    if pack.extends:
        lines.append(t("Brings `{pack}` along: both must allow.", pack=pack.extends))
    if pack.time.zones:
        lines.append(t("Zones when the debtor's is unknown: {zones}.", zones=", ".join(pack.time.zones)))
    if pack.time.holidays is not None:
        calendar = pack.time.holidays
        part = t(", subdivision {part}", part=t.name(calendar.subdivision)) if calendar.subdivision else ""
        where, kinds = t.name(calendar.country), t.all(calendar.categories)
        lines.append(t("Holidays: {country}{part}, categories {kinds}.", country=where, part=part, kinds=kinds))
    if len(lines) > 2:
        lines.append("")
    lines += [f"| {t.all(('rule', 'says', 'cite'), ' | ')} |", "|---|---|---|"]
    lines += [f"| `{rule}` | {says} | {cite} |" for rule, says, cite in _rows(pack, t)]
    if pack.sources:
        lines += ["", f"| {t.all(('source', 'law', 'article', 'grade', 'says'), ' | ')} |", "|---|---|---|---|---|"]
        lines += [
            f"| {source.id} | {t.name(source.law)} | {t.name(source.article)} | {source.grade} | {t(source.says)} |"
            for source in pack.sources
        ]
    if pack.open_questions:
        questions = [f"- {t(question)}" for question in pack.open_questions]
        lines += ["", t("Open questions and the reading taken:"), *questions]
    return "\n".join(lines) + "\n"


def _rows(pack: Pack, t: Words) -> list[tuple[str, str, str]]:
    return [*_who_and_when(pack, t), *_how_often(pack, t), *_what(pack, t)]


def _who_and_when(pack: Pack, t: Words) -> list[tuple[str, str, str]]:
    low = pack.id.lower()
    rows: list[tuple[str, str, str]] = []
    if pack.windows:
        rows.append((f"{low}-window", "; ".join(_window(window, t) for window in pack.windows), pack.windows[0].cite))
    if pack.holiday_policy is not None:
        mode, where = t(pack.holiday_policy.mode), _channels(pack.holiday_policy.channels, t)
        says = t("holidays: {mode}, {channels}", mode=mode, channels=where)
        rows.append((f"{low}-holiday", says, pack.holiday_policy.cite))
    if pack.consent is not None:
        says = t("consent for {channels}", channels=_channels(pack.consent.channels, t))
        rows.append((f"{low}-consent", says, pack.consent.cite))
    if pack.parties is not None:
        rows.append((f"{low}-party", t("only {these}", these=t.all(pack.parties.allowed)), pack.parties.cite))
    if pack.opt_out is not None:
        rows.append((f"{low}-opt-out", t("an opted-out channel stays closed"), pack.opt_out.cite))
    if pack.settled is not None:
        rows.append((f"{low}-settled", t("a balance of zero is not collected"), pack.settled.cite))
    for stop in pack.stops:
        says = t("`{flag}` stops {what}", flag=stop.flag, what=t(stop.effect))
        rows.append((f"{low}-stop-{stop.flag.replace('_', '-')}", says, stop.cite))
    rows += [(ban.id, t("never {these}", these=t.all(ban.channels)), ban.cite) for ban in pack.forbidden]
    if pack.workplace is not None:
        says = t("at work no {these}", these=t.all(pack.workplace.forbid))
        rows.append((f"{low}-workplace", says, pack.workplace.cite))
    return rows


def _how_often(pack: Pack, t: Words) -> list[tuple[str, str, str]]:
    rows = [(cap.id, _cap(pack, cap, t), cap.cite) for cap in pack.caps]
    rows += [
        (f"{cap.id}-gap", t("dates at least {days} apart", days=cap.min_gap_days), cap.cite)
        for cap in pack.caps
        if cap.min_gap_days
    ]
    for wait in pack.cooldowns:
        says = t(
            "after a {event} by {channels} no {blocked} for {days} days, {first} is day one; started by {whom}",
            event=t(wait.after),
            channels=t.all(wait.by),
            blocked=t.all(wait.blocks),
            days=wait.days,
            first=t(wait.first_day.replace("_", " ")),
            whom=t(wait.initiated_by),
        )
        rows.append((wait.id, says, wait.cite))
    for one in pack.exclusive_channel:
        says = t(
            "after an {event} only its channel for the rest of the {span}", event=t(one.trigger), span=t(one.per.kind)
        )
        rows.append((one.id, says, one.cite))
    return rows


def _what(pack: Pack, t: Words) -> list[tuple[str, str, str]]:
    low = pack.id.lower()
    rows = [
        (f"{low}-tone", f"{_days(rule.from_days, rule.to_days, t)}: {t.all(rule.tones)}", rule.cite)
        for rule in pack.tones
    ]
    for step in pack.escalation:
        says = t(
            "{dear} only after {attempts} sent by {cheap} within {days} days",
            dear=t.all(step.channels),
            attempts=step.attempts,
            cheap=t.all(step.after),
            days=step.within_days,
        )
        rows.append((step.id, says, step.cite))
    for rule in pack.needs_human:
        whom = [t(word) for word in (*rule.parties, *rule.flags)]
        whom += [] if rule.from_days is None else [_days(rule.from_days, None, t)]
        rows.append((rule.id, t("a person decides: {whom}", whom=", ".join(whom)), rule.cite))
    rows += [row for rule in pack.speaks_of for row in _spoken(rule, t)]
    if pack.incentive is not None:
        deal = pack.incentive
        says = t(
            "offers of {least} to {most} % {days}",
            least=f"{deal.min_percent:g}",
            most=f"{deal.max_percent:g}",
            days=_days(deal.from_days, None, t),
        )
        rows.append((f"{low}-incentive", says, deal.cite))
    if pack.content is not None:
        says = t("texts never: {these}", these=t.all(pack.content.forbid))
        rows.append((f"{low}-content", says, pack.content.cite))
    for free in pack.exempt:
        says = t("{purposes}: outside {these}", purposes=t.all(free.purposes), these=t.all(free.from_))
        rows.append((f"{low}-exempt", says, free.cite))
    return rows


def _spoken(rule: SpeaksOf, t: Words) -> list[tuple[str, str, str]]:
    """What a rule about a purpose says, a row a name that it denies by."""
    first, last = ("…" if day is None else day for day in (rule.from_days, rule.to_days))
    unknown = t("nobody knows `{fact}`", fact=rule.about)
    if rule.or_flag is not None:
        unknown = t("nobody knows `{fact}` and `{flag}` is not raised", fact=rule.about, flag=rule.or_flag)
    says = {
        rule.id: t(
            "{purpose}: only {first} to {last} days from `{fact}`, local dates",
            purpose=t(rule.purpose),
            first=first,
            last=last,
            fact=rule.about,
        ),
        f"{rule.id}-unknown": unknown,
        f"{rule.id}-overdue": t("the debt is overdue and not settled"),
        f"{rule.id}-said": t("a contact of this purpose about it went out, or is planned"),
        f"{rule.id}-habit": t(
            "less than {share} of earlier dues were paid late", share=f"{rule.least_late_share or 0:g}"
        ),
        f"{rule.id}-habit-unknown": t("nobody knows `{fact}`", fact="late_due_share"),
    }
    return [(name, says[name], rule.cite) for name, _ in speaks_names(rule)]


def _window(window: Window, t: Words) -> str:
    start, end = window.from_.strftime("%H:%M"), "24:00" if window.to.microsecond else window.to.strftime("%H:%M")
    span = f"({start}, {end})" if window.closed == "none" else f"[{start}, {end})"
    off = t(" (only with reading `{rule}`)", rule=window.id) if window.alternative else ""
    return f"{t.all(window.days, '/')} {span} {_channels(window.channels, t)}{off}"


def _cap(pack: Pack, cap: Cap, t: Words) -> str:
    week = pack.time.week
    span = {
        "calendar_day": lambda: t("local date"),
        "week": lambda: t("week ({kind}, from {day})", kind=t(week.kind), day=t(week.starts)),
        "rolling_days": lambda: t("{days} days in a row", days=cap.per.days),
        "rolling_hours": lambda: t("{hours} hours of elapsed time", hours=cap.per.hours),
    }[cap.per.kind]()
    says = t(
        "at most {most} per {span} over {scope}, counting each {event}, per {unit}",
        most=cap.max,
        span=span,
        scope=t(cap.scope.replace("_", " ")) if isinstance(cap.scope, str) else t.all(cap.scope),
        event=t(cap.counts),
        unit=t(pack.unit),
    )
    if cap.exclude:
        says += t(", leaving out {these}", these=t.all(cap.exclude))
    if cap.place == "elsewhere":
        says += t(", away from home or own number")
    if cap.alt is not None:
        says += t(" (looser reading `{rule}`: {basis})", rule=cap.id, basis=t(cap.alt.basis))
    return says


def _channels(channels: tuple[str, ...] | str, t: Words) -> str:
    return t("all channels") if channels == "*" else t.all(channels)


def _days(first: int | None, last: int | None, t: Words) -> str:
    if first is None:
        return t("up to {last} days past due", last=last)
    if last is None:
        return t("from {first} days past due", first=first)
    return t("{first} to {last} days past due", first=first, last=last)
