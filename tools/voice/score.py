"""Intelligibility as a recogniser sees it: word and character error rates of recordings against their texts.

usage: score.py FOLDER TEXTS     FOLDER holds 000.wav, 001.wav, ... in the order of the lines of TEXTS
"""

import os
import re
import sys
import wave

import numpy as np
from pocketsphinx import Decoder, get_model_path


def words(text):
    return re.sub("[^a-z' ]", " ", text.lower()).split()


def edits(reference, found):
    """Edit distance of two sequences."""
    row = list(range(len(found) + 1))
    for i, r in enumerate(reference, 1):
        diagonal, row[0] = row[0], i
        for j, f in enumerate(found, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (r != f))
    return row[-1]


def read_wav(path):
    """16 kHz mono samples, int16."""
    with wave.open(path) as w:
        if (w.getnchannels(), w.getsampwidth(), w.getframerate()) != (1, 2, 16000):
            raise ValueError(f"{path}: expected 16-bit mono at 16 kHz")
        return np.frombuffer(w.readframes(w.getnframes()), np.int16)


def write_wav(path, audio):
    """audio: float samples in [-1, 1] at 16 kHz."""
    with wave.open(path, "wb") as w:
        w.setnchannels(1)
        w.setsampwidth(2)
        w.setframerate(16000)
        w.writeframes((np.clip(audio, -1, 1) * 32767).astype(np.int16).tobytes())


class Recogniser:
    def __init__(self):
        self.decoder = Decoder(lm=get_model_path("en-us/en-us.lm.bin"), loglevel="FATAL")

    def text(self, samples):
        self.decoder.start_utt()
        self.decoder.process_raw(samples.tobytes(), full_utt=True)
        self.decoder.end_utt()
        found = self.decoder.hyp()
        return " ".join(words(re.sub(r"\(\d\)", "", found.hypstr))) if found else ""


def score(recordings, lines):
    """(word error rate, character error rate, what was heard) of int16 recordings."""
    recogniser = Recogniser()
    heard = [recogniser.text(r) for r in recordings]
    spoken = [" ".join(words(line)) for line in lines]
    wer = sum(edits(s.split(), h.split()) for s, h in zip(spoken, heard)) / sum(len(s.split()) for s in spoken)
    cer = sum(edits(s, h) for s, h in zip(spoken, heard)) / sum(len(s) for s in spoken)
    return wer, cer, heard


def read_lines(path):
    with open(path, encoding="utf-8") as f:
        return [line.strip() for line in f if line.strip()]


if __name__ == "__main__":
    texts = read_lines(sys.argv[2])
    wer, cer, heard = score([read_wav(os.path.join(sys.argv[1], f"{i:03d}.wav")) for i in range(len(texts))], texts)
    for text, found in zip(texts, heard):
        print(f"{text}\n    {found}")
    print(f"{len(texts)} sentences: WER {wer:.3f}, CER {cer:.3f}")
