"""Simulated logs at three of their hours: all factors and crossings, at a fraction of the cost of a fit."""

from recommender import ActionSpace, LoggedFeedback

HOURS = [9, 13, 18]


def fewer_hours(simulated, **options):
    """Feedback of the contacts at three hours, with the roles of the whole log.

    Parameters
    ----------
    simulated : SimulatedLog
    **options
        Further ones of :meth:`LoggedFeedback.from_frame`.
    """
    frame = simulated.contacts
    kept = frame["hour"].isin(HOURS) | frame["hour"].isna()  # left alone has no hour
    return LoggedFeedback.from_frame(
        frame.loc[kept],
        actions=ActionSpace(dict(simulated.actions.factors) | {"hour": HOURS}, no_contact=simulated.actions.no_contact),
        context=simulated.context,
        categorical=simulated.categorical,
        propensity="propensity",
        account="account_id",
        time="sent_at",
        cluster="debtor_id",
        **options,
    )
