"""Measuring ours against a named peer: interleaved rounds, server CPU per request, one ratio, one baseline.

A contest runs A, B, A, B, ... so that both see the same weather on a noisy machine, takes each side's CPU seconds
per request for every round, and keeps the median of the round-by-round ratios. That ratio is what is compared with
`baseline.json`; absolute times are shown, never judged.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from bench.load import median

BASELINE = Path(__file__).with_name("baseline.json")

# How much worse than its baseline a ratio may be, twice in a row. Between runs of unchanged code on a shared two-core
# machine the median-of-5 ratios of these contests were seen to differ by up to 1.8x, when a neighbour slowed the
# memory or the disk for one side more than for the other. Twice the baseline lies outside that, a second measurement
# takes out what strikes once, and what this is there to catch costs more: Python where C should have answered is 5x,
# a copy instead of sendfile 2.5x, a sync for each write instead of each group 20x.
MARGIN = 2.0


class Figure(msgspec.Struct, frozen=True):
    """The outcome of a contest; costs are CPU microseconds per request or call."""

    ours_us: float
    peer_us: float
    ratio: float
    peer: str


Side = Callable[[], float]  # runs one round and returns its CPU seconds per request


class Contests:
    """Runs contests under pytest-benchmark and remembers their ratios for the baseline check."""

    def __init__(self) -> None:
        self.figures: dict[str, Figure] = {}
        self.is_checking = False

    def run(self, benchmark: Any, name: str, ours: Side, peer: Side, *, peer_name: str, rounds: int = 5) -> Figure:
        """Run the contest and record it as `name`. A regression is measured a second time before it is believed."""
        ours(), peer()  # warm-up
        pairs: list[tuple[float, float]] = []

        def one_round() -> None:
            pairs.append((ours(), peer()))

        benchmark.pedantic(one_round, rounds=rounds, iterations=1)
        figure = _figure(pairs, peer_name)
        if self.is_checking and _is_regression(name, figure):
            pairs = [(ours(), peer()) for _ in range(rounds)]
            figure = min(figure, _figure(pairs, peer_name), key=lambda figure: figure.ratio)
        benchmark.extra_info.update(msgspec.to_builtins(figure))
        self.figures[name] = figure
        return figure

    def table(self) -> list[str]:
        """One line for each contest, for people."""
        lines = [f"{'contest':<44} {'ours µs':>12} {'peer µs':>12} {'ratio':>7} {'baseline':>9}  peer"]
        known = baseline()
        for name, figure in self.figures.items():
            was = f"{known[name]:.3f}" if name in known else "none"
            cost = f"{figure.ours_us:>12.2f} {figure.peer_us:>12.2f} {figure.ratio:>7.3f}"
            lines.append(f"{name:<44} {cost} {was:>9}  {figure.peer}")
        return lines

    def regressions(self) -> list[str]:
        """What is worse than its baseline by more than the margin, or has none."""
        known = baseline()
        worse = []
        for name, figure in self.figures.items():
            if name not in known:
                worse.append(f"{name} has no baseline; write one with `ci/bench --write-baseline`")
            elif _is_regression(name, figure):
                worse.append(f"{name}: ratio {figure.ratio:.3f} is more than {MARGIN} x its baseline {known[name]:.3f}")
        return worse

    def write_baseline(self) -> None:
        """Keep the measured ratios as the new baseline."""
        ratios = baseline() | {name: round(figure.ratio, 4) for name, figure in self.figures.items()}
        BASELINE.write_bytes(msgspec.json.format(msgspec.json.encode(dict(sorted(ratios.items()))), indent=2) + b"\n")


def baseline() -> dict[str, float]:
    """The committed ratios by contest name."""
    return msgspec.json.decode(BASELINE.read_bytes(), type=dict[str, float]) if BASELINE.exists() else {}


def _figure(pairs: list[tuple[float, float]], peer_name: str) -> Figure:
    return Figure(
        ours_us=median([a for a, _ in pairs]) * 1e6,
        peer_us=median([b for _, b in pairs]) * 1e6,
        ratio=median([a / b for a, b in pairs]),
        peer=peer_name,
    )


def _is_regression(name: str, figure: Figure) -> bool:
    return figure.ratio > baseline().get(name, float("inf")) * MARGIN
