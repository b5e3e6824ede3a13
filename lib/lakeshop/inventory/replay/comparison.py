"""Replays all policies of a configuration over the scored periods, each with tuned parameters."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache

from lakeshop.inventory.replay.files import ReplayInput
from lakeshop.inventory.replay.levels import Forecaster, Levels, by_level, by_method
from lakeshop.inventory.replay.policies import newsvendor, predictive
from lakeshop.inventory.replay.rules import fixed_rule, seasonal_mean
from lakeshop.inventory.replay.settings import FixedRule, Predictive, ReplaySettings, SeasonalMean
from lakeshop.inventory.replay.simulation import Policy, Replayed, ReplayTerms, replay
from lakeshop.inventory.replay.tuning import (
    AtEqualService,
    Windows,
    at_equal_service,
    memoize,
    tune,
)

PolicyConfig = FixedRule | SeasonalMean | Predictive
Forecasts = Callable[[Levels, str | None], Forecaster]


@dataclass(frozen=True)
class PolicyResult:
    """Cost of a policy, in all and by part of the scored periods, and its service."""

    policy: str
    parameters: str
    parts: Mapping[str, float]
    cost: float
    holding: float
    lost: float
    fill_rate: float
    average_stock: float
    cost_by_period: tuple[float, ...]


def compare(
    settings: ReplaySettings, replay_input: ReplayInput
) -> tuple[list[PolicyResult], AtEqualService | None]:
    """Replay every policy; parameters are chosen on windows before the scored periods.

    Args:
        settings: of the replay.
        replay_input: history and start.
    """
    rules = rules_of(settings)
    forecasts = cache(_forecaster)
    chosen = {
        name: _chosen(policy, settings, replay_input, forecasts)
        for name, policy in settings.policies.items()
    }

    def replayed(policy: PolicyConfig) -> Replayed:
        made = policy_of(policy, rules, forecasts)
        return replay(
            replay_input.history,
            replay_input.start,
            rules,
            made,
            first=replay_input.first,
            rounds=settings.orders,
        )

    found = {name: replayed(policy) for name, policy in chosen.items()}
    lines = [_line(name, str(chosen[name]), found[name], settings) for name in found]
    if not settings.equal_service:
        return lines, None
    options = settings.equal_service
    ours = [chosen[options.ours].model_copy(update={"level": (v,)}) for v in options.levels]
    others = [chosen[options.against].model_copy(update={"cover": (v,)}) for v in options.covers]
    rate = found[options.against].fill_rate
    grids = [[replayed(policy) for policy in grid] for grid in (ours, others)]
    return lines, at_equal_service(grids[0], [*grids[1], found[options.against]], rate)


def rules_of(settings: ReplaySettings) -> ReplayTerms:
    """The rules of a replay."""
    return ReplayTerms(
        lead=settings.lead_periods,
        holding=settings.holding_cost,
        lost=settings.lost_cost,
        backorders=settings.backorders,
        sees_lost=settings.sees_lost_sales,
        review=settings.review_periods,
    )


def policy_of(config: PolicyConfig, rules: ReplayTerms, forecasts: Forecasts) -> Policy:
    """A policy with one value of each parameter."""
    if isinstance(config, FixedRule):
        return fixed_rule(config.cover[0], config.window[0])
    if isinstance(config, SeasonalMean):
        return seasonal_mean(config.cover[0], config.window[0])
    levels = Levels(config.half_lives[0], config.season[0], drift=config.drift[0])
    level = config.level[0] if config.level else newsvendor(rules)
    return predictive(forecasts(levels, config.method), rules, level=level)


def as_table(lines: Sequence[PolicyResult]) -> str:
    """The lines as an aligned table, one row per policy."""
    parts = list(lines[0].parts) if lines else []
    head = ["policy", *parts, "total", "holding", "lost", "fill rate", "stock", "parameters"]
    rows = [
        [
            line.policy,
            *[f"{line.parts[part]:,.1f}" for part in parts],
            *[f"{value:,.1f}" for value in (line.cost, line.holding, line.lost)],
            f"{100 * line.fill_rate:.1f} %",
            f"{line.average_stock:,.1f}",
            line.parameters,
        ]
        for line in lines
    ]
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    texts = [
        [row[0].ljust(widths[0])]
        + [cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1], strict=True)]
        + [row[-1]]
        for row in (head, *rows)
    ]
    return "".join("  ".join(cells).rstrip() + "\n" for cells in texts)


def as_sentence(equal: AtEqualService | None) -> str:
    """Stock and cost of both policies at equal service."""
    if equal is None:
        return "the two policies serve no share of demand in common: widen levels and covers\n"
    return (
        f"where both serve {100 * equal.fill_rate:.1f} % of demand: stock {equal.stock:,.1f} "
        f"against {equal.stock_of_other:,.1f}, cost {equal.cost:,.1f} against "
        f"{equal.cost_of_other:,.1f}\n"
    )


def as_document(
    name: str, lines: Sequence[PolicyResult], equal: AtEqualService | None
) -> dict[str, object]:
    """All figures as plain values."""
    return {
        "replay": name,
        "policies": [asdict(line) for line in lines],
        "at_equal_service": asdict(equal) if equal else None,
    }


def _forecaster(levels: Levels, method: str | None) -> Forecaster:
    return memoize(by_method(method, levels.drift) if method else by_level(levels))


def _chosen(
    config: PolicyConfig, settings: ReplaySettings, replay_input: ReplayInput, forecasts: Forecasts
) -> PolicyConfig:
    choices: dict[str, PolicyConfig] = {str(choice): choice for choice in config.choices()}
    if len(choices) == 1 or settings.tuning is None:
        return next(iter(choices.values()))
    rules, options = rules_of(settings), settings.tuning
    windows = Windows(options.windows, options.scored, options.stride, options.warm_up)
    candidates = {name: policy_of(choice, rules, forecasts) for name, choice in choices.items()}
    best, _ = tune(replay_input.history.until(replay_input.first), rules, candidates, windows)
    return choices[best]


def _line(name: str, parameters: str, found: Replayed, settings: ReplaySettings) -> PolicyResult:
    parts = {
        part: found.between(first - 1, last).cost for part, (first, last) in settings.parts.items()
    }
    return PolicyResult(
        policy=name,
        parameters=parameters,
        parts=parts,
        cost=found.cost,
        holding=float(found.holding.sum()),
        lost=float(found.lost.sum()),
        fill_rate=found.fill_rate,
        average_stock=found.average_stock,
        cost_by_period=tuple((found.holding + found.lost).tolist()),
    )
