"""A portfolio that lives on: it answers contacts, tires of them, pays late or by itself, opts out and complains."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit

from recommender.actions import ActionSpace
from recommender.errors import InvalidInput
from recommender.simulation.outcome_ladder import Climb, climb
from recommender.simulation.pending_events import Answer, PendingEvents
from recommender.simulation.personas import CHANNELS, contact_actions
from recommender.simulation.population import FIRST_DATE, Decisions, Population, self_cure
from recommender.simulation.signals import Floats
from recommender.simulation.standing import Standing, draw_standing, move_to_country, needing_contact
from recommender.simulation.world import draw_world
from recommender.tables import DEBTOR_FLAGS, OUTCOMES

__all__ = ["DebtorWorld"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Instants = NDArray[np.datetime64]

OPEN_DAYS = 120
MIDNIGHT = np.timedelta64(5, "h")  # where days begin, in UTC: Bogota's midnight
_FATIGUE_LOGITS, _FATIGUE_DAYS = 0.30, 5.0
_HALO_GAIN, _HALO_DAYS = 0.5, 3.0
_SELF_CURE_DAYS = 20.0  # days over which the one-step probability of paying unprompted is spread
_PART_PAYMENT = (1.2, 6.0)
_FULL_PAYMENT = 0.30


class DebtorWorld:
    """Debtors with hidden types who remember being contacted.

    Beyond the one-step surface, every contact tires the debtor (fatigue, decaying over days), a noticed contact raises
    the chance of paying without an answer (halo), and debtors pay by themselves (self-cure). Payments come days after
    the contact, in part or in full, and an opted-out channel is closed for good.

    Parameters
    ----------
    n_accounts : int, default=5_000
    seed : int, default=0
        Who likes what; the same types as ``simulate(seed=seed)``.
    run_seed : int, optional
        Another draw of debtors and events in the same world; default ``seed``.
    open_over_days : int, default=0
        Accounts open over this many days; 0: all are open on the first day.
    world : {"additive", "joint"}
    drift : float, default=0.0
        See :func:`recommender.simulation.simulate`; its pace follows ``open_over_days``.
    country : str or None, default="CO"
        Where all debtors live; None for a mix.
    currency : str, default="COP"
        One currency for all accounts.
    calendar : float, default=0.0
        How strongly debtors follow pay days and weekdays; see :func:`recommender.simulation.simulate`.

    Attributes
    ----------
    actions : ActionSpace
        With ``NO_CONTACT``.
    today : int
        Day of the world, from 0.
    standing : Standing
        Consents, contact points and flags as they are today.
    population : Population
    pending : PendingEvents
        What has been written down.

    Examples
    --------
    >>> import pandas as pd
    >>> from recommender.simulation import DebtorWorld
    >>> world = DebtorWorld(50, seed=1)
    >>> accounts = world.accounts()
    >>> decisions = accounts[["account_id"]].assign(
    ...     channel="sms", hour=18, tone="friendly", contact_at=world.as_of + pd.Timedelta(hours=12)
    ... )
    >>> answer = world.respond(decisions)
    >>> list(answer.outcomes.columns)
    ['contact_id', 'occurred_at', 'outcome']
    """

    def __init__(
        self,
        n_accounts: int = 5_000,
        *,
        seed: int = 0,
        run_seed: int | None = None,
        open_over_days: int = 0,
        world: Literal["additive", "joint"] = "additive",
        drift: float = 0.0,
        country: str | None = "CO",
        currency: str = "COP",
        calendar: float = 0.0,
    ) -> None:
        if n_accounts < 1:
            raise InvalidInput.in_column("n_accounts", "must be at least 1", values=[n_accounts], mend="Pass more.")
        self._rng = np.random.default_rng([seed, 11, seed if run_seed is None else run_seed])
        self._horizon = open_over_days if drift and open_over_days else 10**9
        self._world = draw_world(seed, kind=world, drift=drift, calendar=calendar)
        self.population: Population = self._world.draw_population(self._rng, n_accounts=n_accounts, n_days=180)
        if country is not None:
            move_to_country(self.population, country)
        self.population.accounts["first_day"] = self._rng.integers(-45, max(1, open_over_days - 10), n_accounts)
        n_debtors = len(self.population.persona)
        self.standing: Standing = draw_standing(n_debtors, self._rng)
        self.actions: ActionSpace = contact_actions(no_contact=True)
        self.currency = currency
        self.today = 0
        self.pending = PendingEvents()
        self._fatigue, self._fatigue_day = np.zeros(n_debtors), np.zeros(n_debtors)
        self._halo, self._halo_day = np.zeros(n_accounts), np.zeros(n_accounts)
        self._due: dict[int, list[tuple[Ints, Ints]]] = {}  # day -> (accounts, causes) about to pay
        self._changed: list[Ints] = []  # accounts whose debtor opted out or complained today
        self._position = pd.Series(np.arange(n_accounts), index=pd.Index(self.population.account_id))
        opened: Instants = self._now() + self.population.accounts["first_day"].astype("timedelta64[D]")
        self._write_change(np.arange(n_accounts), opened)

    # -- what can be seen ----------------------------------------------------------------------------------------
    @property
    def date(self) -> np.datetime64:
        """Calendar day of the world."""
        return FIRST_DATE + np.timedelta64(self.today, "D")

    @property
    def as_of(self) -> pd.Timestamp:
        """Six in the morning in Bogota: when the decisions of the day are made."""
        return pd.Timestamp(self.date, tz="UTC") + pd.Timedelta(hours=11)

    def open_accounts(self) -> Ints:
        """Positions of the accounts that owe money and whose debtor may be contacted today."""
        first = self.population.accounts["first_day"]
        live = (first <= self.today) & (self.today < first + OPEN_DAYS)
        live &= self.population.accounts["balance_minor"] > 0
        return np.flatnonzero(live & ~self.standing.stopped[self.population.debtor])

    def decisions(self, account: Ints) -> Decisions:
        """Context and hidden coordinates of accounts, as of today."""
        day = np.full(len(account), self.today, dtype=np.int64)
        return self._world.draw_decisions(self.population, account, day, n_days=self._horizon)

    def accounts(self, account: Ints | None = None) -> pd.DataFrame:
        """Accounts that need a decision today: ids, context and the columns that guardrails read."""
        at = self.open_accounts() if account is None else account
        return needing_contact(
            self.population, self.standing, at, self.decisions(at).frame(), date=self.date, currency=self.currency
        )

    def eligible(self, account: Ints) -> Bools:
        """Actions by consented and reachable channel, shape (n, n_actions); ``NO_CONTACT`` always is."""
        debtor = self.population.debtor[account]
        by_channel = self.standing.consented[debtor] & self.standing.reachable[debtor]
        allowed = by_channel[:, self.actions.codes[: self.actions.n_contact_actions, 0]]
        return np.hstack([allowed, np.ones((len(account), 1), dtype=bool)])

    # -- what can be done ----------------------------------------------------------------------------------------
    def respond(self, decisions: pd.DataFrame) -> Answer:
        """Carry out decisions and let their days pass.

        Parameters
        ----------
        decisions : DataFrame
            ``account_id`` (or ``account``), the factors ``channel``, ``hour``, ``tone`` (null: ``NO_CONTACT``),
            ``contact_at`` or ``sent_at`` (UTC, not before today), and ``contact_id`` or ``decision_id`` to name the
            contact in the answer. Days without decisions pass as well.

        Returns
        -------
        Answer
            Outcomes and payments that became known up to the end of the last decision's day; later ones come with a
            later call or with :meth:`advance`.

        Raises
        ------
        InvalidInput
            When an account is unknown or a decision lies before today.
        """
        account, action, sent_at, names = self._read(decisions)
        contact = np.flatnonzero(action != self.actions.no_contact_index)
        day = _day_of(sent_at[contact])
        if (day < self.today).any():
            rows = contact[day < self.today].tolist()
            raise InvalidInput.in_column(
                "contact_at",
                f"lies before the world's day ({self.date})",
                values=sent_at[rows].astype(str).tolist(),
                rows=rows,
                mend="A world does not go back; make a new DebtorWorld.",
            )
        for current in range(self.today, int(day.max(initial=self.today)) + 1):
            rows = contact[day == current]
            rows = rows[np.argsort(sent_at[rows], kind="stable")]
            self.send(account[rows], action[rows], sent_at[rows], None if names is None else names.iloc[rows])
            self.end_day()
        return self.pending.release(self._now())

    def advance(self, days: int) -> Answer:
        """Let days pass without any contact."""
        for _ in range(days):
            self.end_day()
        return self.pending.release(self._now())

    def send(self, account: Ints, action: Ints, sent_at: Instants, names: pd.Series | None = None) -> Bools:
        """Contact accounts today (rows in time order), write down what follows and return who responds."""
        numbers = self.pending.number_contacts(len(account), names)
        if not len(account):
            return np.zeros(0, dtype=bool)
        debtor = self.population.debtor[account]
        channel, tone = self.actions.codes[action, 0], self.actions.codes[action, 2]
        decisions = self.decisions(account)
        fatigue = self._fatigue_now(debtor) + _earlier_today(debtor)
        reachable = self.standing.reachable[debtor, channel]
        response = self.response_probability(account, action)
        responded = self._rng.random(len(account)) < response
        climbed = climb(
            channel=channel,
            tone=tone,
            stage=decisions.stage,
            responded=responded,
            reachable=reachable,
            fatigue=fatigue,
            willing=decisions.persona % 2 == 1,
            rng=self._rng,
        )
        self.pending.note(
            numbers[climbed.contact],
            sent_at[climbed.contact] + climbed.after_s.astype("timedelta64[s]"),
            climbed.outcome,
        )
        self._feel(account, debtor, climbed)
        self._plan_payments(account, numbers, sent_at, climbed)
        self._close_channels(debtor, channel, climbed)
        return np.asarray(responded)

    def response_probability(self, account: Ints, action: Ints) -> Floats:
        """True chance that each contact of today is answered, in time order: tired debtors answer less."""
        debtor = self.population.debtor[account]
        fatigue = self._fatigue_now(debtor) + _earlier_today(debtor)
        surface = np.clip(self._world.probability_of(self.decisions(account), action), 1e-9, 1.0 - 1e-9)
        reachable = self.standing.reachable[debtor, self.actions.codes[action, 0]]
        return np.asarray(expit(logit(surface) - _FATIGUE_LOGITS * fatigue) * reachable)

    def end_day(self) -> None:
        """Let today's payments happen, planned and unprompted, and go on to tomorrow."""
        planned = self._due.pop(self.today, [])
        active = self.open_accounts()
        hazard = self_cure(self.population, active, np.full(len(active), self.today)) / _SELF_CURE_DAYS
        cured = active[self._rng.random(len(active)) < hazard * (1.0 + self._halo_now(active))]
        payers = [*(account for account, _ in planned), cured]
        causes = [*(cause for _, cause in planned), np.full(len(cured), -1, dtype=np.int64)]
        self._pay(np.concatenate(payers), np.concatenate(causes))
        self.today += 1
        if self._changed:  # consents and flags are on file from midnight on, with the balance after the day's payments
            rows = np.unique(np.concatenate(self._changed))
            self._write_change(rows, np.full(len(rows), self._now()))
            self._changed = []

    # -- inside --------------------------------------------------------------------------------------------------
    def _read(self, decisions: pd.DataFrame) -> tuple[Ints, Ints, Instants, pd.Series | None]:
        """Account positions, actions, instants and names of decisions to carry out."""
        name = "account_id" if "account_id" in decisions else "account"
        when = "contact_at" if "contact_at" in decisions else "sent_at"
        if missing := [column for column in (name, when) if column not in decisions]:
            raise InvalidInput.missing_columns(missing, list(decisions.columns), role="decisions to carry out")
        account = self._position.reindex(decisions[name].astype("str")).to_numpy()
        if np.isnan(account).any():
            rows = np.flatnonzero(np.isnan(account)).tolist()
            raise InvalidInput.in_column(
                name,
                "holds an account that this world does not know",
                values=decisions[name].iloc[rows],
                rows=rows,
                mend="Take the accounts from DebtorWorld.accounts().",
            )
        action = self.actions.index_of(decisions[list(self.actions.factor_names)])
        sent_at = pd.DatetimeIndex(pd.to_datetime(decisions[when], utc=True)).tz_localize(None)
        names = next((decisions[column] for column in ("contact_id", "decision_id") if column in decisions), None)
        return account.astype(np.int64), action, sent_at.to_numpy(dtype="datetime64[us]"), names

    def _now(self) -> np.datetime64:
        midnight: np.datetime64 = self.date.astype("datetime64[us]") + MIDNIGHT
        return midnight

    def _fatigue_now(self, debtor: Ints) -> Floats:
        return np.asarray(self._fatigue[debtor] * np.exp((self._fatigue_day[debtor] - self.today) / _FATIGUE_DAYS))

    def _halo_now(self, account: Ints) -> Floats:
        return np.asarray(self._halo[account] * np.exp((self._halo_day[account] - self.today) / _HALO_DAYS))

    def _feel(self, account: Ints, debtor: Ints, climbed: Climb) -> None:
        tired, times = np.unique(debtor, return_counts=True)
        self._fatigue[tired] = self._fatigue_now(tired) + times
        self._fatigue_day[tired] = self.today
        touched = np.unique(account[climbed.noticed])
        self._halo[touched] = self._halo_now(touched) + _HALO_GAIN
        self._halo_day[touched] = self.today

    def _plan_payments(self, account: Ints, numbers: Ints, sent_at: Instants, climbed: Climb) -> None:
        pays = np.flatnonzero(climbed.pays_after_s >= 0)
        day = _day_of(sent_at[pays] + climbed.pays_after_s[pays].astype("timedelta64[s]")) + 1
        cause = numbers[pays] * 2 + climbed.promised[pays]
        for when in np.unique(day):
            self._due.setdefault(int(when), []).append((account[pays[day == when]], cause[day == when]))

    def _close_channels(self, debtor: Ints, channel: Ints, climbed: Climb) -> None:
        closed = np.flatnonzero(climbed.opted_out)
        self.standing.consented[debtor[closed], channel[closed]] = False
        upset = np.flatnonzero(climbed.complained & (self._rng.random(len(debtor)) < 0.25))
        self.standing.flags[debtor[upset], DEBTOR_FLAGS.index("cease_contact")] = True
        changed = np.concatenate([debtor[closed], debtor[upset]])
        if len(changed):
            rows = np.flatnonzero(np.isin(self.population.debtor, changed))
            self._changed.append(rows[self.population.accounts["first_day"][rows] <= self.today])

    def _pay(self, account: Ints, cause: Ints) -> None:
        """Pay in the evening; an account pays at most once a day, and never more than it owes."""
        account, first = np.unique(account, return_index=True)
        balance = self.population.accounts["balance_minor"]
        owing = balance[account] > 0
        account, cause = account[owing], cause[first][owing]
        n = len(account)
        share = np.where(self._rng.random(n) < _FULL_PAYMENT, 1.0, self._rng.beta(*_PART_PAYMENT, n))
        amount = np.minimum(
            np.maximum(np.round(share * balance[account] / 100.0).astype(np.int64), 1) * 100, balance[account]
        )
        amount = np.where(balance[account] - amount < 1_000, balance[account], amount)
        seconds = self._rng.integers(17 * 3_600, 22 * 3_600, n).astype("timedelta64[s]")
        paid_at = self._now() + seconds
        balance[account] -= amount
        self.pending.pay(self.population.account_id.array.take(account), paid_at, amount, self.currency)
        for keeps, outcome in ((cause % 2 == 1, "promise_kept"), (cause >= 0, "paid")):
            rows = np.flatnonzero((cause >= 0) & keeps)
            self.pending.note(cause[rows] // 2, paid_at[rows], np.full(len(rows), OUTCOMES.index(outcome)))
        self._write_change(account, paid_at)

    def _write_change(self, account: Ints, valid_from: Instants) -> None:
        debtor = self.population.debtor[account]
        bits = 1 << np.arange(len(DEBTOR_FLAGS), dtype=np.int64)
        self.pending.change(
            account,
            valid_from,
            self.population.accounts["balance_minor"][account],
            self.standing.consented[debtor] @ bits[: len(CHANNELS)],
            self.standing.flags[debtor] @ bits,
        )


def _day_of(instant: Instants) -> Ints:
    return np.asarray((instant - MIDNIGHT - FIRST_DATE) // np.timedelta64(1, "D")).astype(np.int64)


def _earlier_today(debtor: Ints) -> Floats:
    """How many earlier rows name the same debtor."""
    return np.asarray(pd.Series(debtor).groupby(debtor).cumcount().to_numpy(dtype=np.float64))
