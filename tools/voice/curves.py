"""Pictures of the training curves: one PNG per stage from the stage's log.

usage: curves.py STATE_FOLDER [OUT_FOLDER]
"""

import json
import os
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def read_log(path):
    with open(path) as f:
        return [json.loads(line) for line in f]


def draw(log, title, path):
    keys = [k for k in log[-1] if k not in ("step", "cpu_minutes")]
    figure, axes = plt.subplots(1, len(keys), figsize=(3.2 * len(keys), 2.8), squeeze=False)
    for axis, key in zip(axes[0], keys):
        points = [(line["cpu_minutes"], line[key]) for line in log if key in line]
        axis.plot(*zip(*points), linewidth=1)
        axis.set_title(key, fontsize=9)
        axis.set_xlabel("CPU minutes", fontsize=8)
        axis.tick_params(labelsize=7)
        axis.grid(alpha=0.3)
    figure.suptitle(title, fontsize=10)
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    plt.close(figure)


def main():
    state = sys.argv[1]
    out = sys.argv[2] if len(sys.argv) > 2 else state
    os.makedirs(out, exist_ok=True)
    for name in sorted(os.listdir(state)):
        if name.endswith(".jsonl"):
            stage = name.removesuffix(".jsonl")
            draw(read_log(os.path.join(state, name)), stage, os.path.join(out, f"{stage}.png"))


if __name__ == "__main__":
    main()
