"""The policies that wrote the log: business rules that send the hardest debtors to the call centre."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from recommender.errors import InvalidInput
from recommender.simulation.personas import CHANNELS, HOURS, STAGES, TONES
from recommender.simulation.signals import Floats

__all__ = ["N_SEGMENTS", "Logger", "logging_table"]

Ints = NDArray[np.int64]
Logger = Literal["rules", "uniform", "near_deterministic"]
N_SEGMENTS = len(STAGES) * 3 * 2  # stage x risk x digital

_FLOOR = {"rules": 0.06, "near_deterministic": 0.01}
_SHARPNESS = {"rules": 1.0, "near_deterministic": 4.0}


def logging_table(logger: Logger, *, confounding: float, no_contact: bool) -> Floats:
    """Probability of every action in every business segment.

    Parameters
    ----------
    logger : {"rules", "uniform", "near_deterministic"}
        ``rules``: who is called, when and how firmly follows stage, risk and digital use. ``near_deterministic``: the
        same rules applied almost without variation. ``uniform``: every contact equally likely.
    confounding : float
        How strongly the rules depend on the account; 0 gives every account the same probabilities.
    no_contact : bool
        Whether leaving alone is an action too.

    Returns
    -------
    ndarray of shape (n_segments, n_actions)
        Every entry is above 0.
    """
    if logger not in get_args(Logger):
        raise InvalidInput.in_column(
            "logger", "names no logger", values=[logger], mend=f"Choose one of {list(get_args(Logger))}."
        )
    codes = np.unravel_index(np.arange(N_SEGMENTS), (len(STAGES), 3, 2))
    stage, risk, digital = (np.asarray(code, dtype=np.int64) for code in codes)
    n_contacts = len(CHANNELS) * len(HOURS) * len(TONES)
    if logger == "uniform":
        contact = np.full((N_SEGMENTS, n_contacts), 1.0 / n_contacts)
        idle = np.full(N_SEGMENTS, 1.0 / (n_contacts + 1))
    else:
        sharpness = _SHARPNESS[logger]
        channel = _centred(_channel_logits(stage, risk, digital), confounding) * sharpness
        tone = _centred(_tone_logits(stage, risk), confounding) * sharpness
        hour = _centred(_hour_logits(risk), confounding) * sharpness
        joint = channel[:, :, None, None] + hour[:, None, :, None] + tone[:, None, None, :]
        contact = softmax(joint.reshape(N_SEGMENTS, -1), axis=1)
        floor = _FLOOR[logger]
        contact = (1.0 - floor) * contact + floor / n_contacts
        wait = _centred((1.2 - 0.9 * stage - 0.5 * risk)[:, None], confounding)[:, 0]
        idle = np.clip(1.0 / (1.0 + np.exp(-(wait - 1.4))), 0.01, 0.9)
    if not no_contact:
        return contact
    return np.hstack([contact * (1.0 - idle)[:, None], idle[:, None]])


def _centred(logits: Floats, confounding: float) -> Floats:
    """Scale what differs between segments, keep what they share."""
    shared = logits.mean(axis=0, keepdims=True)
    return np.asarray(shared + confounding * (logits - shared))


def _channel_logits(stage: Ints, risk: Ints, digital: Ints) -> Floats:
    columns = [
        -0.4 + 0.7 * risk + 0.25 * stage - 0.2 * digital,  # call
        0.5 - 0.3 * risk - 0.1 * stage,  # sms
        0.2 - 0.3 * risk + 0.8 * digital - 0.2 * stage,  # whatsapp
        0.1 - 0.2 * risk + 0.4 * digital,  # email
        -0.3 + 0.3 * risk - 0.2 * digital,  # ivr
    ]
    return np.stack(columns, axis=1)


def _tone_logits(stage: Ints, risk: Ints) -> Floats:
    ladder = np.array([[1.4, 0.8, -0.9, -1.8], [0.7, 1.0, 0.2, -1.2], [-0.4, 0.6, 1.0, 0.0], [-1.2, 0.0, 0.8, 1.2]])
    return np.asarray(ladder[stage] + risk[:, None] * np.array([-0.15, 0.0, 0.15, 0.15]))


def _hour_logits(risk: Ints) -> Floats:
    hours = np.asarray(HOURS, dtype=np.float64)
    office = 0.9 * np.exp(-0.5 * np.square((hours - 10.5) / 2.2)) + 0.6 * np.exp(-0.5 * np.square((hours - 15.5) / 1.8))
    evening = 0.5 * np.exp(-0.5 * np.square((hours - 18.0) / 1.5))
    return np.asarray(office + (risk[:, None] - 1.0) * (evening - 0.4 * office))
