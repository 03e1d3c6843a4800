"""Makes models/default from an exported checkpoint, if its measured speech is good enough.

A model is released only with figures of the very steps it was exported at: run stage `score` and tools/voice/measure
first.
"""

import json
import os
import shutil

import curves
from evaluate import progress
from state import KIT

ROOT = os.path.dirname(os.path.dirname(KIT))
FILES = ("config.json", "model.safetensors", "codec.json", "codec.safetensors", "tokenizer.json",
         "generation_config.json")
MOST_BYTES = 30_000_000
LEAST_SEEDS = 3

CARD = """# Default voice

A small English voice for Shoal: one synthetic speaker, 16 kHz, {parameters:.1f} million parameters, {megabytes:.1f} MB.
Trained from nothing by `tools/voice/train` (see there) on the synthetic speech of its teacher; no other recordings and no
other model's weights went into it.

| measured on {served[sentences]} sentences that are not in the training texts (`tools/voice/held_out.txt`) | word errors | character errors |
|---|---|---|
| the teacher (Flite, voice `rms`) | {teacher[wer]:.1%} | {teacher[cer]:.1%} |
| the teacher through this codec, encoder and decoder (only references go that way) | {codec[wer]:.1%} | {codec[cer]:.1%} |
| this model's speech through the server, median of {served[seeds]} seeds | {served[wer]:.1%} | {served[cer]:.1%} |

Errors are those of pocketsphinx with its English model, which makes errors of its own; figures compare, they are no
absolute measure. A third of the sentences have no content word that occurs in the training texts. Real-time factor of
the whole pipeline: {served[rtf]:.3f}. CPU minutes of training: {minutes:.0f}.

- It speaks English text: words, numbers in digits or in words, questions. Other languages, `[tags]` and speaker tags are
  read over or read wrong.
- It keeps its own voice: reference audio is accepted and does not change it.
- It sounds synthetic. It is meant for trying and testing the server, not for products.

Licence: Apache-2.0, as the rest of Shoal (LICENSE). The training texts draw on Debian's `wamerican` word list (SCOWL);
the teacher is Flite with its `rms` voice (Carnegie Mellon University, free licence).
"""


def latest(state, what):
    """The last result of `what`, which must have been measured at the steps trained so far."""
    found = [r for r in curves.read_log(os.path.join(state, "scores.jsonl")) if r["what"] == what]
    if not found or (what != "teacher" and found[-1]["progress"] != progress(state)):
        raise SystemExit(f"no figure for `{what}` at the present step: run stage score, then tools/voice/measure")
    return found[-1]


def release(plan, state, target=os.path.join(ROOT, "models", "default")):
    results = {what: latest(state, what) for what in ("teacher", "codec", "served")}
    served, bar = results["served"], plan["release"]
    if served["cer"] > bar["cer"] or served["wer"] > bar["wer"]:
        raise SystemExit(f"speech has WER {served['wer']} and CER {served['cer']}; a release needs {bar}")
    if served["seeds"] < LEAST_SEEDS:
        raise SystemExit(f"speech was measured with {served['seeds']} seeds; a release needs {LEAST_SEEDS}")
    source = os.path.join(state, "export")
    size = sum(os.path.getsize(os.path.join(source, name)) for name in FILES)
    if size > MOST_BYTES:
        raise SystemExit(f"the checkpoint takes {size} bytes, more than {MOST_BYTES}")
    os.makedirs(target, exist_ok=True)
    for name in FILES:
        shutil.copyfile(os.path.join(source, name), os.path.join(target, name))
    shutil.copyfile(os.path.join(ROOT, "LICENSE"), os.path.join(target, "LICENSE"))
    weights = sum(os.path.getsize(os.path.join(source, name)) for name in FILES if name.endswith(".safetensors"))
    with open(os.path.join(target, "README.md"), "w", encoding="utf-8") as f:
        f.write(CARD.format(parameters=weights / 2e6, megabytes=size / 1e6,
                            minutes=sum(m for _, m in served["progress"].values()), **results))
    print(f"released to {target}: {json.dumps(served)}")
