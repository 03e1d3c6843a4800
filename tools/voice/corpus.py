"""The teacher's recordings: shards of about an hour, made on demand and read as one long track.

A shard is three files: NNN.txt (texts), NNN.i16 (audio, 16 kHz mono), NNN.tsv (texts, word and phone times).
The same seed and shard number always give the same files.
"""

import os
import subprocess

import numpy as np

import texts

SAMPLE_RATE = 16000
LABELS_PER_SECOND = 100  # phone labels, one per 10 ms
PHONES = ["pau", "aa", "ae", "ah", "ao", "aw", "ax", "axr", "ay", "b", "ch", "d", "dh", "eh", "er", "ey", "f", "g",
          "hh", "ih", "iy", "jh", "k", "l", "m", "n", "ng", "ow", "oy", "p", "r", "s", "sh", "t", "th", "uh", "uw",
          "v", "w", "y", "z", "zh"]
PHONE_IDS = {name: i for i, name in enumerate(PHONES)}


class Utterance:
    """One line of a shard's table."""

    def __init__(self, line):
        start, length, self.text, words, phones = line.rstrip("\n").split("\t")
        self.start, self.length = int(start), int(length)  # samples
        self.words = [(token, int(a), int(b)) for token, a, b in (w.rsplit(":", 2) for w in words.split())]
        self.phones = [name for name, _ in (p.split(":") for p in phones.split())]
        self.ends = [int(end) for _, end in (p.split(":") for p in phones.split())]  # milliseconds


def build_teacher(folder):
    """Compiles the teacher; returns the program's path."""
    program = os.path.join(folder, "teacher")
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "teacher.c")
    if not os.path.exists(program) or os.path.getmtime(program) < os.path.getmtime(source):
        os.makedirs(folder, exist_ok=True)
        subprocess.run(["cc", "-O2", "-Wall", source, "-o", program, "-lflite_cmu_us_rms", "-lflite_usenglish",
                        "-lflite_cmulex", "-lflite", "-lm"], check=True)
    return program


def speak(program, lines, prefix):
    """Has the teacher speak `lines` into prefix.i16 and prefix.tsv; complete or absent."""
    part = prefix + ".part"
    subprocess.run([program, part], input="\n".join(lines) + "\n", text=True, check=True)
    os.replace(part + ".i16", prefix + ".i16")
    os.replace(part + ".tsv", prefix + ".tsv")


def make_shards(folder, shards, seed, texts_per_shard, dense_from):
    """Makes those of `shards` that are missing; texts are dense with rare words from shard `dense_from` on."""
    program = build_teacher(folder)
    lexicon = None
    for shard in shards:
        prefix = os.path.join(folder, f"{shard:03d}")
        if os.path.exists(prefix + ".tsv"):
            continue
        lexicon = lexicon or texts.Lexicon()
        lines = texts.TextMaker(lexicon, f"{seed}/{shard}", dense=shard >= dense_from).texts(texts_per_shard)
        with open(prefix + ".txt", "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")
        speak(program, lines, prefix)
        print(f"shard {shard}: {len(lines)} texts, {os.path.getsize(prefix + '.i16') / 2 / SAMPLE_RATE / 60:.1f} min", flush=True)


def read_table(prefix):
    """Utterances of one shard."""
    with open(prefix + ".tsv", encoding="utf-8") as f:
        return [Utterance(line) for line in f]


class Track:
    """Audio and phone labels of several shards, for training on windows that start anywhere."""

    def __init__(self, folder, shards):
        self.audio, self.labels = [], []
        for shard in shards:
            prefix = os.path.join(folder, f"{shard:03d}")
            audio = np.memmap(prefix + ".i16", np.int16, "r")
            step = SAMPLE_RATE // LABELS_PER_SECOND
            label = np.zeros(len(audio) // step + 2, np.int64)  # phone 0 is silence
            for u in read_table(prefix):
                begin = 0
                for name, end in zip(u.phones, u.ends):
                    end = min(end * SAMPLE_RATE // 1000, u.length)
                    label[(u.start + begin) // step:(u.start + end) // step] = PHONE_IDS[name]
                    begin = end
            self.audio.append(audio)
            self.labels.append(label)
        self.lengths = np.array([len(a) for a in self.audio])

    def windows(self, rng, count, length):
        """`count` random windows: audio (count, length) float32 in [-1, 1], labels (count, length / 160) int64."""
        step = SAMPLE_RATE // LABELS_PER_SECOND
        audio = np.empty((count, length), np.float32)
        labels = np.empty((count, length // step), np.int64)
        for row, shard in enumerate(rng.choice(len(self.audio), count, p=self.lengths / self.lengths.sum())):
            start = int(rng.integers((self.lengths[shard] - length) // step)) * step
            audio[row] = self.audio[shard][start:start + length] / np.float32(32768)
            labels[row] = self.labels[shard][start // step:start // step + length // step]
        return audio, labels
