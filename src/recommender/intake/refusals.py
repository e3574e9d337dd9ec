"""A debtor who would not pay, as diallers write it down: what was said on the phone is a contact, what was written ends them.

Who refuses in writing is left alone (15 USC 1692c(c)); on the phone he only says so. The word alone does not tell which, so
it is read where its row names a spoken channel, and stays one that nobody understands, which denies, everywhere else.
"""

# ruff: noqa: E501 - a word list is read by its lines
from __future__ import annotations

from typing import Any

import pandas as pd

from recommender.intake.vocabulary import canonical_channel
from recommender.intake.words import is_empty
from recommender.spelling import plain_word

__all__ = ["with_spoken_refusals"]

_SPOKEN = frozenset(("call", "ivr", "visit"))
_REFUSALS = frozenset(
    [
        "refused",
        "refuses",
        "refuse",
        "refusal",
        "refused_to_pay",
        "refuses_to_pay",
        "refuse_to_pay",
        "refusal_to_pay",
        "rtp",
        "wont_pay",
        "will_not_pay",
        "unwilling_to_pay",
        "se_niega",
        "se_nego",
        "se_niega_a_pagar",
        "se_niega_al_pago",
        "niega_pago",
        "niega_el_pago",
        "negativa",
        "negativa_de_pago",
        "negativa_a_pagar",
        "no_quiere_pagar",
        "no_desea_pagar",
        "no_va_a_pagar",
        "sin_voluntad_de_pago",
        "sin_intencion_de_pago",
        "renuente",
        "renuencia",
        "renuente_al_pago",
        "rehusa",
        "rehusa_pagar",
        "rehusa_pago",
        "rehusa_el_pago",
        "recusa",
        "recusou",
        "recusa_pagamento",
        "recusa_de_pagamento",
        "recusou_pagamento",
        "se_recusa",
        "se_recusa_a_pagar",
        "recusa_se_a_pagar",
        "nao_quer_pagar",
        "nao_vai_pagar",
    ]
)


def with_spoken_refusals(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with refusals on the phone or at the door as what they are to the law and to a model: somebody answered.

    Parameters
    ----------
    frame : DataFrame
        Contacts or outcomes as they are given; without ``outcome`` and ``channel`` it stays as it is.
    """
    if not {"outcome", "channel"} <= {*map(str, frame.columns)}:
        return frame
    cells = frame["outcome"]
    refused = {cell for cell in cells.dropna().map(str).unique() if plain_word(cell) in _REFUSALS}
    if not refused:
        return frame
    spoken = frame["channel"].map(_is_spoken).to_numpy(dtype=bool) & cells.map(str).isin(refused).to_numpy(dtype=bool)
    return frame.assign(outcome=cells.astype(object).mask(spoken, "answered"))


def _is_spoken(channel: Any) -> bool:
    return not is_empty(channel) and canonical_channel(channel) in _SPOKEN
