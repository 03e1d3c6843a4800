"""Which letters are being spoken in every frame: the target of the attention loss, used in training alone.

The teacher tells the phones and times of every word; which letters of the word make which phone is found by hard
expectation-maximisation over all words: every letter speaks zero to two phones, in order.
"""

import collections
import math
import re

import numpy as np

MOST = 2  # phones of one letter


def _best(word, phones, cost):
    """Cheapest way to deal out `phones` to the letters of `word`: the count of phones of every letter."""
    n, m = len(word), len(phones)
    best = [[math.inf] * (m + 1) for _ in range(n + 1)]
    step = [[0] * (m + 1) for _ in range(n + 1)]
    best[0][0] = 0.0
    for i, letter in enumerate(word):
        for j in range(m + 1):
            if best[i][j] == math.inf:
                continue
            for k in range(min(MOST, m - j) + 1):
                c = best[i][j] + cost(letter, tuple(phones[j:j + k]))
                if c < best[i + 1][j + k]:
                    best[i + 1][j + k], step[i + 1][j + k] = c, k
    if best[n][m] == math.inf:
        return None
    counts, j = [0] * n, m
    for i in range(n, 0, -1):
        counts[i - 1] = step[i][j]
        j -= step[i][j]
    return counts


def learn(words, rounds=5):
    """words: pairs (letters, phones). Returns {(letters, phones): phones per letter} of those that can be aligned."""
    words = sorted(set(words))
    table = None

    def cost(letter, phones):
        if table is None:  # at first only a taste for one phone per letter
            return (1.0, 0.0, 2.0)[len(phones)]
        return table.get((letter, phones), 9.0 + 3 * len(phones))

    for _ in range(rounds):
        found = {(w, p): _best(w, p, cost) for w, p in words}
        counts, totals = collections.Counter(), collections.Counter()
        for (word, phones), deal in found.items():
            if deal is None:
                continue
            j = 0
            for letter, k in zip(word, deal):
                counts[letter, phones[j:j + k]] += 1
                totals[letter] += 1
                j += k
        table = {key: -math.log(n / totals[key[0]]) for key, n in counts.items()}
    return {key: deal for key, deal in found.items() if deal is not None}


def spellable(token):
    return re.fullmatch("[a-z']+", token.lower()) is not None


def word_pairs(utterances):
    """(letters, phones) of every word that is spelled with letters alone."""
    for u in utterances:
        for token, first, end in u.words:
            if first >= 0 and spellable(token):
                yield token.lower(), tuple(u.phones[first:end])


def letters_of_phones(word, phones, deals):
    """For every phone the (first, end) letters that may be looked at while it is spoken."""
    deal = deals.get((word, phones))
    if deal is None:  # digits and the like: the phones share the letters evenly
        n, m = len(word), len(phones)
        return [(max(0, i * n // m - 1), min(n, -(-(i + 1) * n // m) + 1)) for i in range(m)]
    spans, j = [None] * len(phones), 0
    for letter, k in enumerate(deal):
        for phone in range(j, j + k):
            spans[phone] = letter
        j += k
    return [(max(0, letter - 1), min(len(word), letter + 2)) for letter in spans]


def frame_letters(u, frames, frame_ms, deals):
    """(frames, 2) int16: first and end letter of the text for every frame, or None where words are not in the text."""
    spans, ends = [None] * len(u.phones), u.ends
    at = 0
    for token, first, end in u.words:
        begin = u.text.find(token, at)
        if begin < 0:
            return None
        if first >= 0:
            looks = letters_of_phones(token.lower(), tuple(u.phones[first:end]), deals)
            for phone, (a, b) in zip(range(first, end), looks):
                spans[phone] = (begin + a, begin + b)
        at = begin + len(token)
    after = 0
    for phone, span in enumerate(spans):  # pauses look from the last letter spoken to the next one
        if span is None:
            following = next((s for s in spans[phone:] if s), (len(u.text), len(u.text) + 1))
            spans[phone] = (max(0, after - 1), following[0] + 1)
        else:
            after = span[1]
    out, phone = np.zeros((frames, 2), np.int16), 0
    for t in range(frames):
        while phone + 1 < len(ends) and ends[phone] <= (t + 0.5) * frame_ms:
            phone += 1
        out[t] = spans[phone]
    return out
