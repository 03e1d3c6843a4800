#!/usr/bin/env python3
"""Draws what engine_simulation --json has written: first audio and underrun against clients.

    plot.py results.json docs/simulation.svg CLIENTS

The third panel shows all settings of every way at one load, CLIENTS.
"""

import json
import sys
from collections import defaultdict

import matplotlib
import matplotlib.ticker

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402

NAMES = {"deadline": "deadline", "first_come": "first come", "fixed_chunks": "fixed chunks"}
COLOURS = {"deadline": "#0b6e4f", "first_come": "#c1440e", "fixed_chunks": "#3a5a98"}
MARKS = {"deadline": "*", "first_come": "o", "fixed_chunks": "s"}
# One setting each in the first two panels: nobody waits for others, and chunks of 0.2 s and 1.2 s.
SHOWN = [
    ("deadline", None, "-", "deadline"),
    ("first_come", "running=1024/prefill=2048/chunk=1", "-", "first come"),
    ("fixed_chunks", "running=1024/prefill=2048/chunk=4", "-", "chunks of 4 frames"),
    ("fixed_chunks", "running=1024/prefill=2048/chunk=25", "--", "chunks of 25 frames"),
]


def means(runs, field):
    """(way, setting) -> load -> mean over the seeds."""
    values = defaultdict(lambda: defaultdict(list))
    for run in runs:
        values[run["way"], run["setting"]][run["clients"]].append(run[field])
    return {
        key: {load: sum(v) / len(v) for load, v in sorted(loads.items())}
        for key, loads in values.items()
    }


def against_clients(axis, by_setting, scale, title, unit):
    for way, setting, line, label in SHOWN:
        for (a_way, a_setting), loads in by_setting.items():
            if a_way == way and setting in (None, a_setting):
                axis.plot(list(loads), [scale * v for v in loads.values()], line, marker=".",
                          color=COLOURS[way], label=label)
    axis.set_xlabel("clients listening at a time")
    axis.set_ylabel(unit)
    axis.set_title(title)
    axis.grid(alpha=0.3)


def trade_off(axis, first_audio, underrun, load):
    for way, colour in COLOURS.items():
        points = [
            (1e3 * loads[load], 1e3 * underrun[key][load])
            for key, loads in first_audio.items()
            if key[0] == way
        ]
        axis.scatter(*zip(*sorted(points)), color=colour, marker=MARKS[way], label=NAMES[way],
                     s=110 if way == "deadline" else 30, zorder=3 if way == "deadline" else 2)
    axis.set_xscale("log")
    axis.set_xticks([200, 500, 1000, 2000, 5000], labels=["200", "500", "1000", "2000", "5000"])
    axis.xaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
    chunks = [loads[load] for key, loads in underrun.items() if key[0] == "fixed_chunks"]
    axis.set_ylim(0, 2500 * max(chunks))  # what queues for a small cap lies above
    axis.set_xlabel("first audio, p95, ms")
    axis.set_ylabel("underrun, ms a client")
    axis.set_title(f"every setting at {load:g} clients")
    axis.grid(alpha=0.3)


def main():
    results = json.load(open(sys.argv[1]))
    runs = results["runs"]
    first_audio, underrun = means(runs, "first_audio_p95"), means(runs, "underrun")
    share = means(runs, "underrun_share")
    load = float(sys.argv[3])

    plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "shoal", "font.size": 9})
    figure, axes = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    against_clients(axes[0], first_audio, 1e3, "first audio, p95", "ms")
    axes[0].set_yscale("log")
    axes[0].legend(frameon=False)
    against_clients(axes[1], share, 100, "underrun", "% of the time that audio was due")
    trade_off(axes[2], first_audio, underrun, load)
    axes[2].legend(frameon=False)
    figure.savefig(sys.argv[2], metadata={"Date": None} if sys.argv[2].endswith("svg") else None)


if __name__ == "__main__":
    main()
