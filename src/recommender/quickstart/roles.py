"""Which column of an unknown file plays which role: a guess that says itself, and what it cannot know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from recommender.errors import InvalidInput, shorten
from recommender.intake import canonical_channel, column_synonyms, plain_word
from recommender.quickstart import column_names as names
from recommender.quickstart.account_column import account_of
from recommender.quickstart.known_before import known_before
from recommender.quickstart.no_contacts import refuse_events, refuse_totals
from recommender.quickstart.outcome_words import column_holding, tells_outcomes
from recommender.quickstart.reward_values import reward_of
from recommender.quickstart.reward_words import is_money_received
from recommender.quickstart.typed_cells import TypedFrame

__all__ = ["UNKNOWN_LEVEL", "Roles", "guess_roles", "left_alone"]

Ask = Callable[[str, Sequence[str]], str | None]

UNKNOWN_LEVEL = "(?)"  # the same in every language: a strategy is saved with it
_MOST_LEVELS = 100
_MOST_ACTIONS = 2_000
_SLOTS = 24
_CHOSEN = frozenset((*names.ACTION, *names.MARKED_ACTION, *names.CHANNEL, *names.HOUR, *names.TONE))


@dataclass(frozen=True)
class Roles:
    """Columns by role, and in words what was taken for what.

    Attributes
    ----------
    reward : str
    success : tuple of str
        Words of a text reward that count as success; empty for a number.
    factors : tuple of str
        Columns of the action.
    hour_from : str or None
        Column of instants whose hour is a further factor ``hour``.
    context : tuple of str
    propensity, account, cluster, time : str or None
    left_out : dict of str to str
        Column -> why it is neither.
    sentences : tuple of str
        Sentences for the reader.
    """

    reward: str
    factors: tuple[str, ...]
    success: tuple[str, ...] = ()
    hour_from: str | None = None
    context: tuple[str, ...] = ()
    propensity: str | None = None
    account: str | None = None
    cluster: str | None = None
    time: str | None = None
    left_out: dict[str, str] = field(default_factory=dict)
    sentences: tuple[str, ...] = ()


def guess_roles(
    typed: TypedFrame,
    *,
    reward: str | None = None,
    success: Sequence[str] = (),
    action: Sequence[str] = (),
    account: str | None = None,
    time: str | None = None,
    propensity: str | None = None,
    leave_out: Sequence[str] = (),
    ask: Ask | None = None,
) -> Roles:
    """Guess every role that is not given.

    Parameters
    ----------
    typed : TypedFrame
    reward, success, action, account, time, propensity, leave_out
        What the user states; nothing of it is guessed over.
    ask : callable of (question, columns) giving a column, or None
        Asked where a guess would be one of several; None = the error says what to state.

    Raises
    ------
    InvalidInput
        When a stated column is not there, or reward or action cannot be recognised.
    """
    typed.speak(success)
    frame = typed.frame
    for stated in (reward, account, time, propensity, *action, *leave_out):
        if stated is not None and stated not in frame.columns:
            raise InvalidInput.missing_columns([stated], frame.columns.tolist(), role="the file")
    merged = _merged(typed, {name for name in (reward, account, time, propensity, *action) if name is not None})
    free = [name for name in frame.columns if name not in leave_out and name not in merged]
    if reward is None:
        refuse_events(frame)
        candidates = [name for name in free if name not in action]
        reward = column_holding(frame, candidates, success) or _reward(typed, candidates, ask, tell_action=not action)
        refuse_totals(frame, reward)
    sentences = [f"reward: {reward}"]
    at = time or _time(typed, [name for name in free if name not in (reward, *action)])
    rest = [name for name in free if name not in (reward, at)]
    chance = propensity or _propensity(frame, rest)
    rest = [name for name in rest if name != chance]
    by_hour = at if at is not None and _hours_alone(typed, rest, at) else None
    factors = tuple(action) or (() if by_hour else _factors(typed, rest, ask))
    unit = account or account_of(frame, [name for name in rest if name not in factors])
    rest = [name for name in rest if name not in factors and name != unit]
    debtor = next(
        (name for name in rest if names.plain_name(name) in names.CLUSTER and frame[name].notna().all()), None
    )
    debtor = debtor if unit is not None else None
    rest = [name for name in rest if name != debtor]
    hour_from = None
    if not action and by_hour:
        hour_from = by_hour
    elif not action and chance is None and at in typed.timed and _chooses_hours(typed, factors, at):
        hour_from = at
    of_utc = ", in UTC" if hour_from in typed.utc else ""
    sentences.append("action: " + " x ".join((*factors, *([f"hour (of {hour_from}{of_utc})"] if hour_from else []))))
    sentences += [f"{role}: {name}" for role, name in _named(at, unit, debtor, chance)]
    if chance is None:
        sentences.append("propensities: not logged, so they are estimated")
    roles = Roles(
        reward=reward,
        factors=factors,
        success=tuple(success),
        hour_from=hour_from,
        propensity=chance,
        account=unit,
        time=at,
    )
    values, words = reward_of(frame[reward], success)
    if words:
        sentences[0] += f" (success: {shorten(words, 8)})"
    if unknown := int(np.isnan(values).sum()):
        sentences.insert(
            1, f"{unknown:,} of {len(values):,} contacts have no {reward}: what came of them teaches nothing"
        )
    sentences += _unsaid(frame, factors, hour_from)
    context, left_out = known_before(typed, rest, factors, values, at)
    return replace(
        roles,
        success=tuple(words),
        context=tuple(context),
        cluster=debtor,
        left_out=merged | left_out,
        sentences=(*typed.told, *sentences),
    )


def left_alone(frame: pd.DataFrame, factors: Sequence[str], hour_from: str | None) -> pd.Series | None:
    """Rows of accounts that nothing was done to: those without any of several factors, where they are not a slip."""
    nothing = frame[list(factors)].isna().all(axis=1)
    return nothing if nothing.mean() > 0.01 and hour_from is None and len(factors) > 1 else None


def _unsaid(frame: pd.DataFrame, factors: Sequence[str], hour_from: str | None) -> list[str]:
    """What becomes of rows that do not say what was done."""
    idle, told = left_alone(frame, factors, hour_from), []
    if idle is not None:
        told.append(f"{int(idle.sum()):,} of {len(frame):,} rows name no action: they count as left alone")
    for name in factors:
        missing = frame[name].isna() if idle is None else frame[name].isna() & ~idle
        if count := int(missing.sum()):
            told.append(
                f"{count:,} of {len(frame):,} contacts do not say their {name}: "
                f"they count as a level of its own, {UNKNOWN_LEVEL}"
            )
    return told


def _merged(typed: TypedFrame, stated: set[str]) -> dict[str, str]:
    """Columns that are not used because others say the same: parts of a whole, or the whole where a part is named."""
    merged = {}
    for part, whole in typed.parts.items():
        if stated & {other for other, of in typed.parts.items() if of == whole}:
            if whole in typed.joined:
                merged[whole] = "is made of columns that were named"
        else:
            merged[part] = f"is part of {whole}"
    return merged


def _named(time: str | None, account: str | None, debtor: str | None, propensity: str | None) -> list[tuple[str, str]]:
    roles = {"time": time, "account": account, "debtor": debtor, "propensity": propensity}
    return [(role, name) for role, name in roles.items() if name is not None]


def _reward(typed: TypedFrame, free: list[str], ask: Ask | None, *, tell_action: bool) -> str:
    frame = typed.frame
    usable = [name for name in free if name not in typed.instants and frame[name].nunique() >= 2]
    for wanted in names.REWARD:
        for name in usable:
            if wanted in names.forms(name) and not _is_level(frame[name], wanted):
                return name
    binary = [name for name in usable if frame[name].nunique() == 2 and names.plain_name(name) not in names.ACTION]
    likely = [name for name in binary if set(names.plain_name(name).split("_")) & set(names.REWARD)]
    if len(likely) == 1:
        return likely[0]
    money = [name for name in usable if is_money_received(name) and pd.api.types.is_numeric_dtype(frame[name].dtype)]
    if len(money) == 1:
        return money[0]
    if len(answers := [name for name in typed.answers if name in usable]) == 1:
        return answers[0]
    if len(told := [name for name in usable if tells_outcomes(name, frame[name])]) == 1:
        return told[0]
    # The contract of exports knows more spellings; its words may be of the house.
    for name in usable:
        if column_synonyms(name) == "outcome" and frame[name].dtype == object and frame[name].nunique() <= _MOST_LEVELS:
            return name
    refuse_totals(frame, None)
    binary = [name for name in binary if names.plain_name(name) not in _CHOSEN and not _channels(frame[name])]
    if ask is not None and (said := ask("Which column tells whether a contact succeeded?", binary or usable)):
        return said
    hint = f" Two-valued columns are {shorten(binary, 8)}." if binary else ""
    hint = f" Columns that may be money received are {shorten(money, 8)}." if money else hint
    same = next(
        (name for name in free if set(names.forms(name)) & set(names.REWARD) and frame[name].nunique() < 2), None
    )
    if same is not None and not hint:
        hint = (
            f" {same!r} is called like one, but holds one value: where all ended alike, nothing tells what does better."
        )
    raise InvalidInput(
        f"It is not known which column says whether a contact succeeded.{hint}",
        column="reward",
        mend=f"Name it: --reward COLUMN. Columns: {', '.join(free[:40])}. If none of them says it, first join "
        "what came of each contact to the file, as 1 and 0 or as an amount."
        + (_action_too(typed, free) if tell_action else ""),
    )


def _action_too(typed: TypedFrame, free: list[str]) -> str:
    """How to name the action, where that is no more known than the reward: one message rather than two runs."""
    try:
        _factors(typed, free, None)
    except InvalidInput as unknown:
        return f" The action is not known either. {unknown.mend}"
    return ""


def _is_level(column: pd.Series, wanted: str) -> bool:
    """Whether a column that is called like a reward cannot be one: a text of very many values."""
    return wanted in ("value_paid", "target", "label") and column.dtype == object and column.nunique() > _MOST_LEVELS


def _time(typed: TypedFrame, free: list[str]) -> str | None:
    frame = typed.frame
    for wanted in names.TIME:
        for name in free:
            if wanted in names.forms(name) and name in typed.instants and frame[name].notna().all():
                return name
    whole = [name for name in typed.instants if name in free and frame[name].notna().all()]
    whole = [name for name in whole if not names.NOT_THE_MOMENT.search(names.plain_name(name))]
    timed = [name for name in whole if name in typed.timed]
    if len(timed) == 1 or len(whole) == 1:
        return (timed or whole)[0]
    for name in free:
        order = names.plain_name(name) in ("timestamp", "time", "t", "ts", "step", "round", "day_index", "event_index")
        if order and pd.api.types.is_numeric_dtype(frame[name].dtype) and frame[name].nunique() > _MOST_LEVELS:
            return name
    return None


def _propensity(frame: pd.DataFrame, free: list[str]) -> str | None:
    for wanted in names.PROPENSITY:
        for name in free:
            plain = names.plain_name(name)
            if wanted not in names.forms(name) or names.NOT_A_PROPENSITY.search(plain):
                continue
            if pd.api.types.is_numeric_dtype(frame[name].dtype):
                values = frame[name].dropna()
                if len(values) and values.gt(0).all() and values.le(1).all():
                    return name
    return None


def _factors(typed: TypedFrame, free: list[str], ask: Ask | None) -> tuple[str, ...]:
    frame = typed.frame
    usable = [name for name in free if name not in typed.instants and 2 <= frame[name].nunique() <= _MOST_LEVELS]
    single = [name for wanted in names.ACTION for name in usable if wanted in names.forms(name)]
    single += [name for name in usable if names.plain_name(name).rpartition("_")[2] in names.LAST_WORD]
    single += [name for name in usable if names.is_marked(name) and _sounds_like_actions(frame[name])]
    joint = [
        next((name for wanted in group for name in usable if wanted in names.forms(name)), None)
        for group in (names.CHANNEL, names.HOUR, names.TONE)
    ]
    if joint[0] is not None:  # a text is what was said through a channel, and chosen with it
        single = [name for name in single if not set(names.forms(name)) & set(names.WORDING)]
    if single:
        return (single[0],)
    if joint[0] is None:
        joint[0] = next((name for name in typed.joined if name in usable), None)
    factors = tuple(name for name in joint if name is not None)
    if not factors:
        factors = tuple(name for name in usable if _channels(frame[name]))[:1]
    if factors:
        return factors
    few = [name for name in usable if frame[name].nunique() <= _SLOTS]
    if ask is not None and (said := ask("Which column is what was chosen for each contact (the action)?", few)):
        return (said,)
    named = next((name for name in free if names.plain_name(name) in _CHOSEN), None)
    why = "" if named is None else f" {named!r} is called like one, but {_unusable(frame[named])}."
    raise InvalidInput(
        f"It is not known which column is the action: what was chosen for each contact.{why}",
        column="action",
        mend=f"Name it: --action COLUMN (repeat for more). Columns of few values: {', '.join(few[:30]) or 'none'}.",
    )


def _unusable(column: pd.Series) -> str:
    """Why a column that is called like an action is none."""
    levels = column.nunique()
    if levels < 2:
        return "holds one value: where one thing only was done, nothing tells what another would earn"
    if levels > _MOST_LEVELS:
        return f"has {levels:,} values: group them into a few that could be chosen again, and name that column"
    return "its values do not sound like what was done"


def _sounds_like_actions(column: pd.Series) -> bool:
    """Levels such as ``Mens E-Mail``, ``control``, ``variant B``, ``sms``."""
    if column.dtype != object:
        return False
    words = {part for level in pd.unique(column.dropna()) for part in plain_word(str(level)).split("_")}
    marks = {"control", "treatment", "treated", "placebo", "variant", "email", "mail", "sms", "call", "whatsapp",
             "holdout", "llamada", "correo"}  # fmt: skip
    return bool(words & marks)


def _channels(column: pd.Series) -> bool:
    if column.dtype != object:
        return False
    levels = [canonical_channel(str(level)) for level in pd.unique(column.dropna())]
    return len(levels) >= 2 and sum(one is not None for one in levels) >= 0.6 * len(levels)


def _chooses_hours(typed: TypedFrame, factors: tuple[str, ...], at: str) -> bool:
    """Whether hours were chosen: a channel or tone was, they vary, and no column names them."""
    words = {form for name in factors for form in names.forms(name)}
    if words & {*names.HOUR, *names.ACTION} or not (
        words & {*names.CHANNEL, *names.TONE} or any(_channels(typed.frame[name]) for name in factors)
    ):
        return False
    shares = typed.hours(at).value_counts(normalize=True)
    return bool((shares > 0.01).sum() >= 4)


def _hours_alone(typed: TypedFrame, free: list[str], at: str) -> bool:
    """Whether the hour is the only choice: the moment is one of a contact, and nothing else that may be one varies."""
    frame = typed.frame
    if at not in typed.timed or not set(plain_word(at).split("_")) & names.OF_CONTACTS:
        return False
    known = {*names.ACTION, *names.MARKED_ACTION, *names.CHANNEL, *names.HOUR, *names.TONE}
    named = [name for name in free if known & set(names.forms(name)) or name in typed.joined or _channels(frame[name])]
    if any(len(frame[name].dropna().unique()) > 1 for name in named):
        return False
    return bool((typed.hours(at).value_counts(normalize=True) > 0.01).sum() >= 4)
