"""Stage `codes`: what the transformer is trained on. Per shard one file with the codes of every utterance, its text
and, for every frame, the letters being spoken."""

import os

import numpy as np
import torch

import alignment
import corpus
import features


def letter_deals(folder, shards):
    """Phones per letter for every word of the shards."""
    utterances = (u for s in shards for u in corpus.read_table(os.path.join(folder, f"{s:03d}")))
    return alignment.learn(alignment.word_pairs(utterances))


@torch.no_grad()
def encode_utterances(stage, audio, utterances, batch=24):
    """Codes (codebooks, frames) int16 of every utterance. stage: has front and codec.quantizer."""
    frame = stage.codec.c["frame_length"]
    stage.codec.eval()
    found = [None] * len(utterances)
    order = sorted(range(len(utterances)), key=lambda i: utterances[i].length)
    for at in range(0, len(order), batch):
        some = order[at:at + batch]
        longest = -(-max(utterances[i].length for i in some) // frame) * frame
        wave = np.zeros((len(some), longest), np.float32)
        for row, i in enumerate(some):
            u = utterances[i]
            wave[row, :u.length] = audio[u.start:u.start + u.length] / np.float32(32768)
        codes = stage.codec.quantizer(stage.front(features.front_features(torch.from_numpy(wave))))[1]
        for row, i in enumerate(some):
            found[i] = codes[row, :, :-(-utterances[i].length // frame)].numpy().astype(np.int16)
    return found


def encode_shards(stage, corpus_folder, out_folder, shards):
    """Writes the shards' files that are missing."""
    os.makedirs(out_folder, exist_ok=True)
    missing = [s for s in shards if not os.path.exists(os.path.join(out_folder, f"{s:03d}.npz"))]
    if not missing:
        return
    deals = letter_deals(corpus_folder, shards)
    frame = stage.codec.c["frame_length"]
    for shard in missing:
        prefix = os.path.join(corpus_folder, f"{shard:03d}")
        utterances = corpus.read_table(prefix)
        codes = encode_utterances(stage, np.memmap(prefix + ".i16", np.int16, "r"), utterances)
        spans = [alignment.frame_letters(u, c.shape[1], 1000 * frame / corpus.SAMPLE_RATE, deals)
                 for u, c in zip(utterances, codes)]
        kept = [i for i, span in enumerate(spans) if span is not None]
        path = os.path.join(out_folder, f"{shard:03d}.npz")
        with open(path + ".part", "wb") as f:
            np.savez(f, codes=np.concatenate([codes[i] for i in kept], 1), spans=np.concatenate([spans[i] for i in kept]),
                     frames=np.array([codes[i].shape[1] for i in kept]), texts=np.array([utterances[i].text for i in kept]))
        os.replace(path + ".part", path)
        print(f"codes of shard {shard}: {len(kept)} of {len(utterances)} utterances", flush=True)
