"""Intelligibility as a recogniser sees it: word and character error rates of recordings against their texts.

usage: score.py FOLDER TEXTS     FOLDER holds 000.wav, 001.wav, ... in the order of the lines of TEXTS
"""

import os
import sys
import wave

import numpy as np

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "evaluate"))

from measures import Dnsmos, Errors, PocketSphinx, rates, words
from sentences import read_lines


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


def score(recordings, lines):
    """(word error rate, character error rate, what was heard) of int16 recordings."""
    recogniser = PocketSphinx()
    heard = [recogniser.hear(r, None) for r in recordings]
    return *rates(Errors(line, h) for line, h in zip(lines, heard)), heard


if __name__ == "__main__":
    texts = read_lines(sys.argv[2])
    wer, cer, heard = score([read_wav(os.path.join(sys.argv[1], f"{i:03d}.wav")) for i in range(len(texts))], texts)
    for text, found in zip(texts, heard):
        print(f"{text}\n    {found}")
    print(f"{len(texts)} sentences: WER {wer:.3f}, CER {cer:.3f}")
