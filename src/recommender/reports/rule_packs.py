"""The part of ``docs/guardrails.md`` that is written from the packs."""

from __future__ import annotations

from recommender.rules import Cap, Pack, SpeaksOf, Window, load_pack, pack_ids, speaks_names

__all__ = ["GENERATED_FROM_HERE", "describe_pack", "describe_packs"]

GENERATED_FROM_HERE = "<!-- Generated from the packs by `python -m pipelines packs docs`; do not edit below. -->"


def describe_packs() -> str:
    """Markdown of all packs, the same for the same packs."""
    chosen = [load_pack(pack) for pack in pack_ids()]
    lines = [
        "## Packs",
        "",
        "Draft, not legal advice: local counsel signs each pack off before it is used.",
        "",
        "| id | what | kind | extends | version | in force from | reviewed |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {pack.id} | {pack.title} | {pack.kind} | {pack.extends or ''} | {pack.pack_version} "
        f"| {pack.valid_from} | {pack.reviewed_on} |"
        for pack in chosen
    ]
    return "\n".join(lines) + "\n\n" + "\n".join(describe_pack(pack) for pack in chosen)


def describe_pack(pack: Pack) -> str:
    """Markdown of one pack: its rules with citations, sources, open questions."""
    lines = [f"### {pack.id}: {pack.title}", ""]
    if pack.extends:
        lines.append(f"Brings `{pack.extends}` along: both must allow.")
    if pack.time.zones:
        lines.append(f"Zones when the debtor's is unknown: {', '.join(pack.time.zones)}.")
    if pack.time.holidays is not None:
        calendar = pack.time.holidays
        part = f", subdivision {calendar.subdivision}" if calendar.subdivision else ""
        lines.append(f"Holidays: {calendar.country}{part}, categories {', '.join(calendar.categories)}.")
    if len(lines) > 2:
        lines.append("")
    lines += ["| rule | says | cite |", "|---|---|---|"]
    lines += [f"| `{rule}` | {says} | {cite} |" for rule, says, cite in _rows(pack)]
    if pack.sources:
        lines += ["", "| source | law | article | grade | says |", "|---|---|---|---|---|"]
        lines += [f"| {s.id} | {s.law} | {s.article} | {s.grade} | {s.says} |" for s in pack.sources]
    if pack.open_questions:
        lines += ["", "Open questions and the reading taken:", *(f"- {question}" for question in pack.open_questions)]
    return "\n".join(lines) + "\n"


def _rows(pack: Pack) -> list[tuple[str, str, str]]:
    low = pack.id.lower()
    rows: list[tuple[str, str, str]] = []
    if pack.windows:
        rows.append((f"{low}-window", "; ".join(_window(window) for window in pack.windows), pack.windows[0].cite))
    if pack.holiday_policy is not None:
        where = _channels(pack.holiday_policy.channels)
        rows.append((f"{low}-holiday", f"holidays: {pack.holiday_policy.mode}, {where}", pack.holiday_policy.cite))
    if pack.consent is not None:
        rows.append((f"{low}-consent", f"consent for {_channels(pack.consent.channels)}", pack.consent.cite))
    if pack.parties is not None:
        rows.append((f"{low}-party", f"only {', '.join(pack.parties.allowed)}", pack.parties.cite))
    if pack.opt_out is not None:
        rows.append((f"{low}-opt-out", "an opted-out channel stays closed", pack.opt_out.cite))
    if pack.settled is not None:
        rows.append((f"{low}-settled", "a balance of zero is not collected", pack.settled.cite))
    rows += [
        (f"{low}-stop-{stop.flag.replace('_', '-')}", f"`{stop.flag}` stops {stop.effect}", stop.cite)
        for stop in pack.stops
    ]
    rows += [(ban.id, f"never {', '.join(ban.channels)}", ban.cite) for ban in pack.forbidden]
    if pack.workplace is not None:
        rows.append((f"{low}-workplace", f"at work no {', '.join(pack.workplace.forbid)}", pack.workplace.cite))
    rows += [(cap.id, _cap(pack, cap), cap.cite) for cap in pack.caps]
    rows += [
        (f"{cap.id}-gap", f"dates at least {cap.min_gap_days} apart", cap.cite) for cap in pack.caps if cap.min_gap_days
    ]
    rows += [
        (
            rule.id,
            (
                f"after a {rule.after} by {', '.join(rule.by)} no {', '.join(rule.blocks)} for {rule.days} days, "
                f"{rule.first_day.replace('_', ' ')} is day one; started by {rule.initiated_by}"
            ),
            rule.cite,
        )
        for rule in pack.cooldowns
    ]
    rows += [
        (rule.id, f"after a {rule.trigger} only its channel for the rest of the {rule.per.kind}", rule.cite)
        for rule in pack.exclusive_channel
    ]
    rows += [
        (f"{low}-tone", f"{_days(rule.from_days, rule.to_days)}: {', '.join(rule.tones)}", rule.cite)
        for rule in pack.tones
    ]
    rows += [
        (
            rule.id,
            (
                f"{', '.join(rule.channels)} only after {rule.attempts} sent by {', '.join(rule.after)}"
                f" within {rule.within_days} days"
            ),
            rule.cite,
        )
        for rule in pack.escalation
    ]
    rows += [
        (
            rule.id,
            "a person decides: "
            + ", ".join(
                [
                    *rule.parties,
                    *rule.flags,
                    *([] if rule.from_days is None else [f"from {rule.from_days} days past due"]),
                ]
            ),
            rule.cite,
        )
        for rule in pack.needs_human
    ]
    rows += [row for rule in pack.speaks_of for row in _spoken(rule)]
    if pack.incentive is not None:
        deal = pack.incentive
        says = f"offers of {deal.min_percent:g} to {deal.max_percent:g} % from {deal.from_days} days past due"
        rows.append((f"{low}-incentive", says, deal.cite))
    if pack.content is not None:
        rows.append((f"{low}-content", f"texts never: {', '.join(pack.content.forbid)}", pack.content.cite))
    rows += [
        (f"{low}-exempt", f"{', '.join(rule.purposes)}: outside {', '.join(rule.from_)}", rule.cite)
        for rule in pack.exempt
    ]
    return rows


def _spoken(rule: SpeaksOf) -> list[tuple[str, str, str]]:
    """What a rule about a purpose says, a row a name that it denies by."""
    first, last = rule.from_days, rule.to_days
    span = f"{'…' if first is None else first} to {'…' if last is None else last} days from `{rule.about}`"
    flag = "" if rule.or_flag is None else f" and `{rule.or_flag}` is not raised"
    says = {
        rule.id: f"{rule.purpose}: only {span}, local dates",
        f"{rule.id}-unknown": f"nobody knows `{rule.about}`{flag}",
        f"{rule.id}-overdue": "the debt is overdue and not settled",
        f"{rule.id}-said": "a contact of this purpose about it went out, or is planned",
        f"{rule.id}-habit": f"less than {rule.least_late_share or 0:g} of earlier dues were paid late",
        f"{rule.id}-habit-unknown": "nobody knows `late_due_share`",
    }
    return [(name, says[name], rule.cite) for name, _ in speaks_names(rule)]


def _window(window: Window) -> str:
    start, end = window.from_.strftime("%H:%M"), "24:00" if window.to.microsecond else window.to.strftime("%H:%M")
    span = f"({start}, {end})" if window.closed == "none" else f"[{start}, {end})"
    off = f" (only with reading `{window.id}`)" if window.alternative else ""
    return f"{'/'.join(window.days)} {span} {_channels(window.channels)}{off}"


def _cap(pack: Pack, cap: Cap) -> str:
    span = {
        "calendar_day": "local date",
        "week": f"week ({pack.time.week.kind}, from {pack.time.week.starts})",
        "rolling_days": f"{cap.per.days} days in a row",
        "rolling_hours": f"{cap.per.hours} hours of elapsed time",
    }[cap.per.kind]
    scope = cap.scope.replace("_", " ") if isinstance(cap.scope, str) else ", ".join(cap.scope)
    says = f"at most {cap.max} per {span} over {scope}, counting each {cap.counts}, per {pack.unit}"
    if cap.exclude:
        says += f", leaving out {', '.join(cap.exclude)}"
    if cap.place == "elsewhere":
        says += ", away from home or own number"
    if cap.alt is not None:
        says += f" (looser reading `{cap.id}`: {cap.alt.basis})"
    return says


def _channels(channels: tuple[str, ...] | str) -> str:
    return "all channels" if channels == "*" else ", ".join(channels)


def _days(first: int | None, last: int | None) -> str:
    if first is None:
        return f"up to {last} days past due"
    return f"from {first} days past due" if last is None else f"{first} to {last} days past due"
