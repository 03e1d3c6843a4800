"""One training loop for every stage: seeded per step, saved often, resumed to the step.

A stage owns its modules and optimizers and says what one update is; the loop owns steps, learning rate,
random state, log and file. An interrupted run continues as if it had not been interrupted.
"""

import json
import math
import os
import time

import numpy as np
import torch

SAVE_SECONDS = 120
LOG_STEPS = 50


def cosine(done, last):
    """From 1 to `last` as `done` goes from 0 to 1."""
    return last + (1 - last) * 0.5 * (1 + math.cos(math.pi * min(1, done)))


class Stage:
    """What a stage provides."""

    name = ""
    steps = 0  # in all
    warmup = 100
    final_rate = 0.05  # last learning rate as a share of the first

    def __init__(self):
        self.modules = torch.nn.ModuleDict()  # everything that is saved
        self.optimizers = []

    def update(self, step, rng):
        """One step of training; returns figures to log."""
        raise NotImplementedError

    def rate(self, step):
        """Learning rate at `step` as a share of the optimizer's own: warm-up, then a cosine."""
        return min(1, (step + 1) / self.warmup) * cosine(step / self.steps, self.final_rate)


def write_atomically(path, state):
    torch.save(state, path + ".part")
    os.replace(path + ".part", path)


def load(stage, folder):
    """Restores a stage from its file; returns (step, CPU seconds so far)."""
    path = os.path.join(folder, stage.name + ".pt")
    if not os.path.exists(path):
        return 0, 0.0
    state = torch.load(path, map_location="cpu", weights_only=True)
    stage.modules.load_state_dict(state["modules"])
    for optimizer, saved in zip(stage.optimizers, state["optimizers"]):
        optimizer.load_state_dict(saved)
    return state["step"], state["cpu_seconds"]


def save(stage, folder, step, cpu_seconds):
    write_atomically(os.path.join(folder, stage.name + ".pt"),
                     dict(modules=stage.modules.state_dict(), optimizers=[o.state_dict() for o in stage.optimizers],
                          step=step, cpu_seconds=cpu_seconds))


def trim_log(path, step):
    """Drops lines of updates that were made after the last save and will be made again, and a line cut short."""
    if not os.path.exists(path):
        return
    with open(path) as f:
        lines = [line for line in f if line.endswith("\n") and json.loads(line)["step"] <= step]
    with open(path, "w") as f:
        f.writelines(lines)


def run(stage, folder, seed, until=None, quiet=False):
    """Trains to the end of the stage, or to step `until`. Returns the last step."""
    os.makedirs(folder, exist_ok=True)
    base = [[group["lr"] for group in o.param_groups] for o in stage.optimizers]
    step, spent = load(stage, folder)
    last = min(stage.steps, stage.steps if until is None else until)
    if step >= last:
        return step
    log_path = os.path.join(folder, stage.name + ".jsonl")
    trim_log(log_path, step)
    began, saved_at, figures = time.process_time(), time.time(), {}
    while step < last:
        for optimizer, rates in zip(stage.optimizers, base):
            for group, lr in zip(optimizer.param_groups, rates):
                group["lr"] = lr * stage.rate(step)
        torch.manual_seed(seed * 1_000_003 + step)
        for key, value in stage.update(step, np.random.default_rng([seed, step])).items():
            figures.setdefault(key, []).append(float(value))
        step += 1
        cpu = spent + time.process_time() - began
        if step % LOG_STEPS == 0 or step == last:
            line = dict(step=step, cpu_minutes=round(cpu / 60, 2), **{k: round(sum(v) / len(v), 5) for k, v in figures.items()})
            with open(log_path, "a") as f:
                f.write(json.dumps(line) + "\n")
            if not quiet:
                print(stage.name, json.dumps(line), flush=True)
            figures = {}
        if step == last or time.time() - saved_at > SAVE_SECONDS:
            save(stage, folder, step, cpu)
            saved_at = time.time()
    return step
