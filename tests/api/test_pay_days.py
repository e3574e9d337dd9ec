"""The service takes a pay day as a feature, and decides as a notebook does."""

from datetime import UTC, datetime

from api.service.feature_contract import FeatureContract
from api.service.request_columns import account_columns
from api.service.schemas import Account
from recommender.deciding import decide
from recommender.settings import Settings
from tests.deciding.payday_strategy import ACCOUNT, payday_strategy

AS_OF = datetime(2026, 11, 27, 3, tzinfo=UTC)  # the 26th in Bogota


def test_a_pay_day_among_the_features_decides_as_the_days_around_it_do(made_once):
    """A number or a list of days is taken under a contract that refuses unknown features; the moment does the rest."""
    strategy = payday_strategy(made_once)
    contract = FeatureContract.of(strategy, Settings(undeclared_features="refuse"))
    facts = {name: value for name, value in ACCOUNT.items() if name not in ("language", "consented_channels", "flags")}
    facts |= {"consented_channels": ["sms", "call"], "flags": []}
    for payday, to, since in ((26, 0, 0), ("15;30", 4, 11), (None, None, None)):
        asked = [facts | {"account_id": name, "due_date": "2026-11-01"} for name in ("A", "B")]
        features = {"payday": payday}, {"weekday": "thursday", "days_to_payday": to, "days_since_payday": since}
        accounts = [Account(**one, features=more) for one, more in zip(asked, features, strict=True)]
        columns = [account_columns([one], ("CO",), [0], contract) for one in accounts]
        fact, told = (
            decide(one.assign(account_id=["A"]), strategy=strategy, as_of=AS_OF, packs=["CO"], contacts=[])
            for one in columns
        )
        assert fact.ranked.equals(told.ranked)
        seen = fact.accounts.numbers("days_since_payday")[0] if "days_since_payday" in fact.accounts else None
        assert seen == since
