"""Pictures of the training curves: one PNG per stage from the stage's log, one of the error rates over CPU time.

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


def draw_scores(lines, path):
    """Error rates of everything measured over the CPU minutes of all stages until then."""
    figure, axis = plt.subplots(figsize=(7.5, 3.4))
    for what in sorted({line["what"] for line in lines}):
        points = [(sum(minutes for _, minutes in line["progress"].values()), 100 * line["cer"], 100 * line["wer"])
                  for line in lines if line["what"] == what]
        minutes, cer, wer = zip(*points)
        drawn = axis.plot(minutes, cer, marker="o", label=f"{what}: CER")[0]
        axis.plot(minutes, wer, marker="x", linestyle=":", color=drawn.get_color(), label=f"{what}: WER")
    axis.set_xlabel("CPU minutes of all stages", fontsize=8)
    axis.set_ylabel("%", fontsize=8)
    axis.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.01, 1))
    axis.set_ylim(bottom=0)
    axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    plt.close(figure)


def main():
    state = sys.argv[1]
    out = sys.argv[2] if len(sys.argv) > 2 else state
    os.makedirs(out, exist_ok=True)
    for name in sorted(os.listdir(state)):
        if name == "scores.jsonl":
            draw_scores(read_log(os.path.join(state, name)), os.path.join(out, "scores.png"))
        elif name.endswith(".jsonl"):
            stage = name.removesuffix(".jsonl")
            draw(read_log(os.path.join(state, name)), stage, os.path.join(out, f"{stage}.png"))


if __name__ == "__main__":
    main()
