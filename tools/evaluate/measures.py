"""What is measured of a recording. Libraries are loaded on first use: each is large, none is needed by the others."""

import re
import shlex
import subprocess

import numpy as np

import audio


def words(text):
    """Lower case, letters and apostrophes alone: numbers have to be written as words."""
    return re.sub("[^a-z' ]", " ", text.lower()).split()


def edits(reference, found):
    """Edit distance of two sequences."""
    row = list(range(len(found) + 1))
    for i, r in enumerate(reference, 1):
        diagonal, row[0] = row[0], i
        for j, f in enumerate(found, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (r != f))
    return row[-1]


class Errors:
    """Word and character errors of one text; nothing heard is all wrong."""

    def __init__(self, text, heard):
        spoken, found = words(text), words(heard)
        self.words, self.characters = len(spoken), len(" ".join(spoken))
        self.wrong_words = edits(spoken, found)
        self.wrong_characters = edits(" ".join(spoken), " ".join(found))


def rates(errors):
    """(WER, CER) over many texts: errors over all of their words and characters."""
    errors = list(errors)
    return (sum(e.wrong_words for e in errors) / max(1, sum(e.words for e in errors)),
            sum(e.wrong_characters for e in errors) / max(1, sum(e.characters for e in errors)))


class PocketSphinx:
    """Offline, small and hard of hearing: its figures compare voices, they are no absolute measure."""

    name = "pocketsphinx, en-us"

    def __init__(self):
        from pocketsphinx import Decoder, get_model_path

        self.decoder = Decoder(lm=get_model_path("en-us/en-us.lm.bin"), loglevel="FATAL")

    def knows(self, word):
        """Whether it can ever write `word`."""
        return self.decoder.lookup_word(word) is not None

    def hear(self, samples, path):
        if not len(samples):
            return ""
        self.decoder.reinit_feat()  # forgets the last recording, whose means it would adapt to
        self.decoder.start_utt()
        self.decoder.process_raw(samples.tobytes(), full_utt=True)
        self.decoder.end_utt()
        found = self.decoder.hyp()
        return re.sub(r"\(\d\)", "", found.hypstr) if found else ""


class RecogniserCommand:
    """Any program that prints what it hears in {wav}."""

    def __init__(self, command):
        self.name, self.words = command, shlex.split(command)
        if "{wav}" not in self.words:
            raise SystemExit(f"--recogniser {command!r}: expected a command with {{wav}}")

    def hear(self, samples, path):
        if not len(samples):
            return ""
        done = subprocess.run([path if w == "{wav}" else w for w in self.words], capture_output=True, text=True, timeout=600)
        if done.returncode != 0:
            raise SystemExit(f"the recogniser failed on {path}: {done.stderr.strip()[-300:]}")
        return done.stdout.strip()


class Dnsmos:
    """Estimated opinion score of overall quality (1 to 5). Never a gate alone: it gives noise 2.6."""

    WINDOW = int(9.01 * audio.RATE)  # that it scores at once

    def of(self, samples):
        if len(samples) < audio.RATE // 10:  # it cannot take less
            return None
        from speechmos import dnsmos

        if len(samples) < self.WINDOW:  # else it repeats what is short itself, and scores several cuts of the same
            samples = np.resize(samples, self.WINDOW)
        return float(dnsmos.run(audio.as_float(samples), audio.RATE)["ovrl_mos"])


class SpeakerSimilarity:
    """Cosine of two speaker embeddings (Resemblyzer): about 0.8 and more for one speaker."""

    def __init__(self):
        from resemblyzer import VoiceEncoder

        self.encoder, self.known = VoiceEncoder("cpu", verbose=False), {}

    def embed(self, samples):
        from resemblyzer import preprocess_wav

        wav = preprocess_wav(audio.as_float(samples), audio.RATE)
        return self.encoder.embed_utterance(wav) if len(wav) else None

    def of(self, samples, reference):
        if reference not in self.known:
            self.known[reference] = self.embed(audio.read(reference))
        mine = self.embed(samples) if len(samples) else None
        return None if mine is None or self.known[reference] is None else float(np.dot(mine, self.known[reference]))
