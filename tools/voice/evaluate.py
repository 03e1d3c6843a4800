"""Measures intelligibility of what has been trained so far on sentences that are not in the corpus.

usage: evaluate.py teacher|front|codec|speech [--state DIR] [--texts FILE] [--first N] [--threads N] [--keep FOLDER]
  teacher  the teacher itself
  front    teacher -> codes by the spectral front end -> decoder     (stages tokens, decoder)
  codec    teacher -> codes by the waveform encoder -> decoder       (the exported codec)
  speech   text -> transformer -> decoder                            (the exported checkpoint)
Every result is added to STATE/scores.jsonl with the steps and CPU minutes it was measured at. What comes out of the
running server (`served`) is measured by tools/voice/measure.
"""

import argparse
import json
import os

import numpy as np
import torch

import corpus
import curves
import plan as plans
import say
import score
from state import KIT, STATE, saved_modules
from train_decoder import DecoderStage

PCM = np.float32(32768)
HELD_OUT = os.path.join(KIT, "held_out.txt")


def held_out_lines():
    return score.read_lines(HELD_OUT)


def teacher_recordings(state, texts):
    folder = os.path.join(state, "eval")
    prefix = os.path.join(folder, "teacher")
    os.makedirs(folder, exist_ok=True)
    corpus.speak(corpus.build_teacher(os.path.join(state, "corpus")), texts, prefix)
    audio = np.fromfile(prefix + ".i16", np.int16)
    return [audio[u.start:u.start + u.length] for u in corpus.read_table(prefix)]


def through(codec_function, recordings):
    made = (codec_function(torch.from_numpy(r / PCM)) for r in recordings)
    return [(m.clamp(-1, 1).numpy() * 32767).astype(np.int16) for m in made]


def front(plan, state, texts):
    stage = DecoderStage(plan)
    stage.modules.load_state_dict(saved_modules(state, "decoder"))
    return through(stage.reconstruct, teacher_recordings(state, texts))


@torch.no_grad()
def codec(plan, state, texts):
    model = say.load_codec(os.path.join(state, "export"))
    return through(lambda audio: model.decode(model.encode(audio[None]))[0], teacher_recordings(state, texts))


def speech(plan, state, texts):
    folder = os.path.join(state, "export")
    return say.speak_all(say.load_model(folder), say.load_codec(folder), texts, temperature=0.7)


def progress(state):
    """Step and CPU minutes of every stage."""
    found = {}
    for stage in ("tokens", "decoder", "encoder", "ar", "grpo"):
        path = os.path.join(state, stage + ".jsonl")
        if os.path.exists(path):
            last = curves.read_log(path)[-1]
            found[stage] = [last["step"], last["cpu_minutes"]]
    return found


def measure(what, plan, state, texts, keep=None):
    make = dict(teacher=lambda *a: teacher_recordings(*a[1:]), front=front, codec=codec, speech=speech)[what]
    recordings = make(plan, state, texts)
    if keep:
        os.makedirs(keep, exist_ok=True)
        for i, recording in enumerate(recordings):
            score.write_wav(os.path.join(keep, f"{i:03d}.wav"), recording / PCM)
    wer, cer, heard = score.score(recordings, texts)
    return record(state, dict(what=what, wer=round(wer, 4), cer=round(cer, 4), sentences=len(texts))), heard


def record(state, line):
    line["progress"] = progress(state)
    with open(os.path.join(state, "scores.jsonl"), "a") as f:
        f.write(json.dumps(line) + "\n")
    return line


def record_served(state):
    """Takes over the medians of the report that tools/voice/measure has made of the exported checkpoint."""
    path = os.path.join(state, "evaluation", "report.json")
    with open(path, encoding="utf-8") as f:
        report = json.load(f)
    if report["say"]:
        raise SystemExit(f"{path} was spoken with {report['say']!r}; a voice is measured with its own sampling")
    texts = held_out_lines()
    if any([line["text"] for line in run["sentences"]] != texts for run in report["runs"]):
        raise SystemExit(f"{path} is not of the sentences in {HELD_OUT}")
    figures = {key: round(value, 4) for key, value in report["median"].items()}
    return record(state, dict(what="served", sentences=len(texts), seeds=len(report["runs"]), **figures))


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("what", choices=["teacher", "front", "codec", "speech"])
    arguments.add_argument("--state", default=STATE)
    arguments.add_argument("--texts", default=HELD_OUT)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--keep")
    arguments.add_argument("--first", type=int)
    a = arguments.parse_args()
    torch.set_num_threads(a.threads)
    texts = score.read_lines(a.texts)[:a.first]
    line, heard = measure(a.what, plans.DEFAULT, a.state, texts, a.keep)
    for text, found in zip(texts, heard):
        print(f"{text}\n    {found}")
    print(json.dumps(line))


if __name__ == "__main__":
    main()
