"""Speaks with an exported checkpoint, in plain Python: a check of the files, not the server.

usage: say.py CHECKPOINT OUT_FOLDER TEXTS [--temperature T] [--threads N]     writes OUT_FOLDER/000.wav, 001.wav, ...
"""

import argparse
import json
import os
import time

import numpy as np
import torch
from safetensors.torch import load_file

import prompts
import score
from ar import DualAR
from codec import Codec


def load_json(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as f:
        return json.load(f)


def load_weights(module, path):
    """Every parameter must be in the file and every tensor of the file must be used."""
    found = {name: value.float() for name, value in load_file(path).items()}
    missing, unknown = module.load_state_dict(found, strict=False)
    missing = [name for name in missing if not name.endswith("usage")]
    if missing or unknown:
        raise ValueError(f"{path}: missing {missing}, unknown {unknown}")
    return module.eval().requires_grad_(False)


def load_codec(folder):
    return load_weights(Codec(load_json(folder, "codec.json")), os.path.join(folder, "codec.safetensors"))


def load_model(folder):
    return load_weights(DualAR(load_json(folder, "config.json")), os.path.join(folder, "model.safetensors"))


def prompt(text):
    return prompts.PLAIN_SYSTEM + prompts.block("user", text) + prompts.ANSWER


def speak(model, codec, text, temperature=0.7, most_frames=None):
    """-> (codes (codebooks, frames), audio (samples,))."""
    ids = torch.tensor(prompt(text))
    codes = torch.zeros(model.codebooks, len(ids), dtype=torch.long)
    made = model.speak(ids, codes, most_frames or 40 + 6 * len(text), temperature)
    if not made.shape[1]:
        return made, np.zeros(0, np.float32)
    rows = torch.tensor([codec.c["quantizer"]["semantic_codebook_size"]] +
                        [codec.c["quantizer"]["residual_codebook_size"]] * (model.codebooks - 1))
    with torch.no_grad():
        return made, codec.decode(made.clamp(max=rows[:, None] - 1)[None])[0].numpy()


def speak_all(model, codec, lines, temperature=0.7):
    """int16 recordings of `lines`, each seeded by its place."""
    recordings = []
    for i, line in enumerate(lines):
        torch.manual_seed(i)
        recordings.append((np.clip(speak(model, codec, line, temperature)[1], -1, 1) * 32767).astype(np.int16))
    return recordings


def main():
    arguments = argparse.ArgumentParser()
    for name in ("checkpoint", "out", "texts"):
        arguments.add_argument(name)
    arguments.add_argument("--temperature", type=float, default=0.7)
    arguments.add_argument("--threads", type=int, default=1)
    a = arguments.parse_args()
    torch.set_num_threads(a.threads)
    model, codec = load_model(a.checkpoint), load_codec(a.checkpoint)
    os.makedirs(a.out, exist_ok=True)
    began = time.time()
    recordings = speak_all(model, codec, score.read_lines(a.texts), a.temperature)
    for i, recording in enumerate(recordings):
        score.write_wav(os.path.join(a.out, f"{i:03d}.wav"), recording / np.float32(32768))
    seconds = sum(map(len, recordings)) / codec.c["sample_rate"]
    print(f"{seconds:.1f} s of speech, {(time.time() - began) / max(seconds, 1e-9):.2f} of real time")


if __name__ == "__main__":
    main()
