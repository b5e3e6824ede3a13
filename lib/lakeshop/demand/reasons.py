"""Reason of a forecast: one sentence per series with its numbers, and others for unusual days."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from lakeshop.demand.forecasting.candidates import BLEND, BY_ANALOGY, NETWORK
from lakeshop.demand.forecasting.panel import Panel
from lakeshop.demand.forecasting.policies import FALLBACK, Forecast, SegmentPolicy
from lakeshop.ml.arrays import Floats, Names

DAYS = 56
WORDS = {
    "seasonal_naive": "each weekday as last sold",
    "mean_28": "the mean of 28 days by the weekday",
    "mean_56": "the mean of 56 days by the weekday",
    "mean_112": "the mean of 112 days by the weekday",
    "exponential_smoothing": "exponential smoothing by the weekday",
    "croston_sba": "Croston's method by the weekday",
    "tsb": "the method of Teunter, Syntetos and Babai by the weekday",
    BY_ANALOGY: "what products of its kind and price sold when they were new",
    NETWORK: "the network of all series",
    FALLBACK: "nothing, since no method could say more",
}


@dataclass(frozen=True)
class Reasons:
    """Sentences of n series, and those that replace them on some days ahead.

    Attributes:
        of_series: n sentences.
        of_days: n x H sentences, all days of a series one after the other; None on usual days.
    """

    of_series: list[str]
    of_days: list[str | None]


def reasons(
    panel: Panel,
    segments: Names,
    found: Forecast,
    policies: Mapping[str, SegmentPolicy],
    on: tuple[Floats, Floats],
) -> Reasons:
    """Return a sentence for each series, and others for days promoted, closed or after its end.

    Args:
        panel: n series.
        segments: of each series.
        found: their forecasts.
        policies: by segment.
        on: float64[n, H], 0 on days after a series was discontinued; and float64[H], 0 on days on
            which the shop is closed.
    """
    sold, is_open = on
    about = _about(panel, segments, found, policies)
    ahead = slice(panel.days, None)
    mailer, display = panel.mailer[:, ahead], panel.display[:, ahead]
    of_days: list[str | None] = [None] * sold.size
    is_unusual = (sold * is_open == 0) | (mailer != 0) | (display != 0)
    for n, h in np.argwhere(is_unusual).tolist():
        if sold[n, h] and not is_open[h]:
            text = f"the shop is always closed on days like {panel.day + timedelta(days=h + 1)}"
        elif sold[n, h]:
            promoted = _stores(float(mailer[n, h]), float(display[n, h]))
            text = f"{about[n]}; promoted: {promoted}"
        else:
            text = f"discontinued before {panel.day + timedelta(days=h + 1)}"
        of_days[n * panel.horizon + h] = text
    return Reasons(about, of_days)


def method_words(method: str) -> str:
    """A method in plain words."""
    if method.endswith(BLEND):
        own = WORDS[method.removesuffix(BLEND)]
        return f"the average of {own} and of {WORDS[NETWORK]}"
    return WORDS[method]


def _about(
    panel: Panel, segments: Names, found: Forecast, policies: Mapping[str, SegmentPolicy]
) -> list[str]:
    units = panel.units[:, -DAYS:]
    exposure = panel.exposure[:, -DAYS:]
    totals = np.cumsum(units, axis=1)[:, -1].tolist()
    selling, days = ((values > 0).sum(axis=1).tolist() for values in (units, exposure))
    lost = np.cumsum(np.where(exposure > 0, 1 - exposure, 0.0), axis=1)[:, -1].tolist()
    texts = []
    for n, segment in enumerate(segments.tolist()):
        parts = [_history(totals[n], selling[n], days[n])]
        if lost[n] >= 0.5:
            parts.append(f"sold out {lost[n]:.1f} days of them")
        parts.append(f"forecast is {method_words(found.method[n])}")
        if found.failed[n]:
            parts.append(f"{found.failed[n]} could not do it")
        else:
            parts.append(f"as for {segment}: {policies[segment].reason}")
        texts.append("; ".join(parts))
    return texts


def _history(total: float, selling: int, days: int) -> str:
    if not days:
        return "not sold yet"
    units = f"{total:.3f}".rstrip("0").rstrip(".")
    return f"sold {units} unit{'' if total == 1 else 's'} on {selling} of {days} days"


def _stores(mailed: float, shown: float) -> str:
    kinds = ((mailed, "mailed by"), (shown, "displayed in"))
    return " and ".join(
        f"{word} {count:.0f} store{'' if count == 1 else 's'}" for count, word in kinds if count
    )
