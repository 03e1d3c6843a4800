"""Who speaks: the running server through its own client, or any program that writes a WAV file."""

import re
import shlex
import subprocess
from dataclasses import dataclass

import audio

FIGURES = re.compile(r"([\d.]+) s of audio in ([\d.]+) s, RTF ([\d.]+), first audio after (\d+) ms")


@dataclass
class Spoken:
    samples: object  # int16 at audio.RATE; empty when nothing came
    seconds: float = 0.0  # of wall time, from the text to the last audio; 0 = not measured
    first_audio_ms: float | None = None
    error: str = ""


class Server:
    """`shoal say`, one call a sentence: what a user would get."""

    def __init__(self, client, address, arguments=""):
        self.command = [client, "say", "--server", address, "--sample-rate", str(audio.RATE), *shlex.split(arguments)]

    def speak(self, sentence, seed, path):
        command = [*self.command, "--seed", str(seed), "-o", path]
        if sentence.reference:
            command += ["--reference", sentence.reference, "--transcript", sentence.transcript]
        done = subprocess.run([*command, "--", sentence.text], capture_output=True, text=True, timeout=600)
        figures = FIGURES.search(done.stderr)
        if done.returncode != 0 or not figures:
            return Spoken(audio.nothing(), error=done.stderr.strip()[-300:] or "no audio came")
        return Spoken(audio.read(path), float(figures[2]), float(figures[4]))


class Program:
    """A command with {text}, {wav} and, if it can clone, {reference} and {transcript}; each becomes one argument."""

    def __init__(self, command):
        self.words = shlex.split(command)
        if not {"{text}", "{wav}"} <= set(self.words):
            raise SystemExit(f"{command!r}: expected a command with {{text}} and {{wav}}")

    def speak(self, sentence, seed, path):
        values = {"{text}": sentence.text, "{wav}": path, "{seed}": str(seed), "{reference}": sentence.reference or "",
                  "{transcript}": sentence.transcript}
        done = subprocess.run([values.get(w, w) for w in self.words], capture_output=True, text=True, timeout=600)
        if done.returncode != 0:
            return Spoken(audio.nothing(), error=done.stderr.strip()[-300:] or f"exit status {done.returncode}")
        try:
            return Spoken(audio.read(path))
        except (OSError, RuntimeError) as error:  # libsndfile's are RuntimeErrors
            return Spoken(audio.nothing(), error=str(error))
