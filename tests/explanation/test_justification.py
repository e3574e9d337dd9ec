"""What is said to the debtor: no protected fact, no figure, no blame, and always how to object."""

import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from recommender import ActionSpace, explain
from recommender.explanation import debtor_justification
from recommender.explanation.justification import _SAYABLE
from recommender.explanation.wording import Wording

_NEVER = re.compile(
    r"\d+[.,]?\d*\s?(%|pp|p\. p\.)|score|income|salary|ingreso|salario|employ|emplead|\bage\b|\bedad\b|gender|sexo|"
    r"region|default|moros|impag|delinquen|fail|incumpl|refus|negat|blame|culpa|unwilling|risk|riesgo|"
    r"better than|mejor que",
    re.IGNORECASE,
)


@pytest.mark.parametrize("language", ["es", "en", "es-MX"])
def test_nothing_unsafe_is_ever_said(strategy, simulated, explanation, language):
    """Over forty accounts and three actions each: short, without figures or blame, the right to object last."""
    for place in range(len(explanation)):
        for rank in range(2):
            action = int(explanation.action[place, rank])
            contrast = explanation.contrast(action, row=int(explanation.rows[place]))
            told = debtor_justification(contrast, language)
            assert 2 <= len(told) <= 4
            assert not _NEVER.search(" ".join(told)), told
            assert ("oponerse" if language.startswith("es") else "object") in told[-1]


def test_a_concept_that_is_mostly_protected_is_not_mentioned(strategy, simulated):
    """Where protected columns carry a concept, nothing is said of it."""
    from recommender.explanation import ConceptGroups

    every = ConceptGroups({"stage": (".*",)}, (".*",))
    explanation = explain(strategy, simulated.contacts.head(1), groups=every, language="en")
    contrast = explanation.contrast(int(explanation.action[0, 0]), row=0)
    assert not set(debtor_justification(contrast)) & set(_SAYABLE.values())


@pytest.mark.parametrize(("open_weight", "said"), [(0.7, True), (0.5, False), (0.4, False), (0.0, False)])
def test_a_concept_needs_more_open_than_protected_weight(open_weight, said):
    """Columns that may not be named must not speak through the concept they share with others."""
    group = next(iter(_SAYABLE))
    rows = pd.DataFrame({"group": group, "feature": ["open", "hidden"]})
    actions = ActionSpace({"channel": ["sms"]}, no_contact=True)
    groups = SimpleNamespace(is_protected=lambda name: name == "hidden")
    contrast = SimpleNamespace(
        a=1,
        explanation=SimpleNamespace(language="en", actions=actions, groups=groups),
        by_group=pd.DataFrame({"group": [group], "contribution_reward": [1.0]}),
        by_feature=rows.assign(contribution_reward=[open_weight, open_weight - 1.0]),
    )
    assert (Wording.of("en").text(_SAYABLE[group]) in debtor_justification(contrast)) == said


def test_only_what_speaks_for_the_contact_is_told_the_two_that_weigh_most():
    """Whatever the signs: reasons against it, of no weight and of concepts that may not be named are left out."""
    actions = ActionSpace({"channel": ["sms"]}, no_contact=True)
    groups = SimpleNamespace(is_protected=lambda _: False)
    rng, sizes_told = np.random.default_rng(0), set()
    for _ in range(60):
        names = [str(one) for one in rng.permutation([*_SAYABLE, "balance", "payment_history"])]
        weights = rng.choice([-1.0, 0.0, 1.0], len(names)) * np.sort(rng.random(len(names)))[::-1]
        table = pd.DataFrame({"group": names, "contribution_reward": weights})
        contrast = SimpleNamespace(
            a=0,
            explanation=SimpleNamespace(language="en", actions=actions, groups=groups),
            by_group=table,
            by_feature=table.assign(feature="open"),
        )
        wanted = [_SAYABLE[name] for name, size in zip(names, weights, strict=True) if size > 0 and name in _SAYABLE]
        assert debtor_justification(contrast, "en")[1:-1] == wanted[:2]
        sizes_told.add(len(wanted[:2]))
    assert sizes_told == {0, 1, 2}


def test_every_sentence_is_translated():
    """Spanish has all of them."""
    words = Wording.of("es")
    for text in _SAYABLE.values():
        assert words.text(text) != text


def test_leaving_alone_is_said(strategy, explanation):
    """No contact has a sentence of its own."""
    idle = strategy.actions_.no_contact_index
    contrast = explanation.contrast(idle, int(explanation.action[0, 0]), row=int(explanation.rows[0]))
    assert debtor_justification(contrast, "en")[0] == "We are not contacting you at the moment."
