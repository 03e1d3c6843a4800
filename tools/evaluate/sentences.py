"""What is to be spoken: plain lists of sentences, or the lists of seed-tts-eval."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Sentence:
    name: str
    text: str
    reference: str | None = None  # recording of the voice to speak in
    transcript: str = ""  # what is said in it


def read_lines(path):
    with open(path, encoding="utf-8") as f:
        return [line.strip() for line in f if line.strip()]


def read_texts(path):
    """One sentence a line."""
    return [Sentence(f"{i:04d}", line) for i, line in enumerate(read_lines(path))]


def read_meta(path):
    """seed-tts-eval's meta.lst: `name|transcript of the reference|reference|text` a line; recordings relative to it."""
    folder, found = os.path.dirname(os.path.abspath(path)), []
    for number, line in enumerate(read_lines(path), 1):
        fields = line.split("|")
        if len(fields) < 4:
            raise SystemExit(f"{path}:{number}: expected name|transcript|recording|text, got {line!r}")
        name, transcript, recording, text = fields[:4]
        found.append(Sentence(name, text, os.path.join(folder, recording), transcript))
    return found
