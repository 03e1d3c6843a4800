"""Proves that the sentences a voice is measured on say nothing about what it has memorised.

usage: unseen.py [STATE_FOLDER]

No sentence of held_out.txt may occur in a training text, and at least 20 must not share a single content word with all
of them. Function words (English has few, and no sentence does without) are listed here; every other word counts.
"""

import os
import re
import sys

from score import read_lines
from state import KIT, STATE

FUNCTION_WORDS = set("""a an the and or but nor not no all both each some any of in on at by to from for with as into out up down
over under about after before until is are was were be been being am has have had do does did will would can could may must
should i you he she it we they me him her us them my your his its our their this that these those who whom what which when
where why how if so than then there here very too also just""".split())
LEAST = 20


def words(text):
    return re.findall("[a-z]+(?:'[a-z]+)?", text.lower())


def training_lines(state):
    folder = os.path.join(state, "corpus")
    for name in sorted(os.listdir(folder)):
        if re.fullmatch(r"\d+\.txt", name):
            yield from read_lines(os.path.join(folder, name))


def check(sentences, training):
    """-> (sentences that occur in training, sentences without a content word of the training texts, seen content words)."""
    seen, said = set(), set()
    for line in training:
        of_line = words(line)
        seen.update(of_line)
        said.add(" ".join(of_line))
    repeated = [s for s in sentences if any(" ".join(words(s)) in line for line in said)]
    shared = {s: [w for w in words(s) if w not in FUNCTION_WORDS and w in seen] for s in sentences}
    return repeated, [s for s in sentences if not shared[s]], shared


def main():
    state = sys.argv[1] if len(sys.argv) > 1 else STATE
    sentences = read_lines(os.path.join(KIT, "held_out.txt"))
    repeated, new, shared = check(sentences, training_lines(state))
    for sentence in sentences:
        print(f"{sentence}\n    {' '.join(shared[sentence]) or 'no content word of the training texts'}")
    print(f"{len(sentences)} sentences: {len(repeated)} occur in the training texts, {len(new)} have no content word of them")
    if repeated or len(new) < LEAST:
        raise SystemExit(f"expected none that occur and at least {LEAST} without a known word")


if __name__ == "__main__":
    main()
