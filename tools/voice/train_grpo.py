"""Stage `grpo`: group-relative policy optimisation of the transformer with a recogniser as the judge.

For each text the model speaks several times with the server's sampling; the takes are rewarded for being understood,
for lasting about as long as the teacher and, where the plan pays for it, for sounding clean. A take that is better than
its group becomes likelier, a worse one less likely, and a divergence from the model before this stage is paid for (Shao
et al. 2024, DeepSeekMath, section 4.1; one update per sample, so no ratios to clip). Only texts of which the recogniser
knows every word and understands the teacher's own codes are spoken: of others it tells nothing.
"""

import concurrent.futures
import copy
import functools
import itertools
import multiprocessing
import os
import re

import numpy as np
import torch
import torch.nn as nn

import prompts
import score
from train_ar import IGNORE, Batch, Sequence
from trainer import Stage


def filtered(logits, temperature, top_p, top_k):
    """Probabilities as the server draws from them: top-k, then what stays within top-p of it and always the best, then
    the temperature."""
    values, order = logits.float().sort(-1, descending=True)
    values = values[:, :top_k]
    beyond = values.softmax(-1).cumsum(-1) > top_p
    beyond[:, 0] = False
    kept = (values / temperature).masked_fill(beyond, -torch.inf).softmax(-1)
    return torch.zeros_like(logits, dtype=torch.float).scatter(1, order[:, :top_k], kept)


class Takes:
    """Several takes of one text, spoken side by side: (takes, codebooks, frames) and how many frames each has.

    Residual codes are the likeliest ones, as the voice is served: what is drawn is what is said, not how it sounds.
    """

    def __init__(self, model, text, count, most_frames, sampling):
        self.text = text
        fast = model.audio_decoder
        draw = lambda logits: torch.multinomial(filtered(logits, **sampling), 1)[:, 0]
        ids = torch.tensor(prompts.PLAIN_SYSTEM + prompts.block("user", text) + prompts.ANSWER).repeat(count, 1)
        codes = torch.zeros(count, model.codebooks, ids.shape[1], dtype=torch.long)
        caches, position, frames = [[] for _ in model.text_model.model.layers], 0, []
        self.lengths = torch.full((count,), -1)
        while len(frames) < most_frames and (self.lengths < 0).any():
            hidden = model.slow(ids, codes, position, caches)[0][:, -1]
            position += ids.shape[1]
            code = draw(model.semantic_logits(hidden))
            ended = (code == model.semantic_entries) & (self.lengths < 0)
            self.lengths[ended] = len(frames)
            code = code.clamp(max=model.semantic_entries - 1)  # of a take that has ended: never looked at
            frame, inner = [code], [[] for _ in fast.layers]
            x = torch.stack([model.project(hidden), fast.embeddings(code)], 1)
            for k in range(1, model.codebooks):
                for layer, cache in zip(fast.layers, inner):
                    x, _ = layer(x, model.fast_table[0 if k == 1 else k:k + 1], cache)
                frame.append(fast.output(fast.norm(x[:, -1])).argmax(-1))
                x = fast.embeddings(frame[-1])[:, None]
            frames.append(torch.stack(frame, 1))
            ids, codes = (model.first + code)[:, None], frames[-1][..., None]
        self.codes = torch.stack(frames, 2) if frames else codes[..., :0]

    def __len__(self):
        return len(self.lengths)

    def of(self, i):
        """(codes (codebooks, frames), whether it came to an end by itself)."""
        ended = int(self.lengths[i]) >= 0
        return (self.codes[i, :, :int(self.lengths[i])] if ended else self.codes[i]).numpy(), ended


@functools.cache
def recogniser():
    """This process's."""
    return score.PocketSphinx()


def hear(samples):
    return recogniser().hear(samples, None)


class Judge:
    """What takes are worth. Recognising is the slow part: a process on every core does it."""

    def __init__(self, plan, codec):
        self.plan, self.codec = plan, codec
        self.listeners = concurrent.futures.ProcessPoolExecutor(len(os.sched_getaffinity(0)), multiprocessing.get_context("spawn"))
        self.dnsmos = score.Dnsmos() if plan["quality_weight"] else None
        sizes = codec.c["quantizer"]
        self.largest = torch.tensor([sizes["semantic_codebook_size"] - 1] +
                                    [sizes["residual_codebook_size"] - 1] * sizes["n_residual_codebooks"])[:, None]

    def can_write(self, text):
        return not re.search("[0-9]", text) and all(recogniser().knows(w) for w in score.words(text))

    @torch.no_grad()
    def recording(self, codes):
        if not codes.shape[1]:
            return np.zeros(0, np.int16)
        audio = self.codec.decode(torch.from_numpy(codes).minimum(self.largest)[None])[0].clamp(-1, 1)
        return (audio.numpy() * 32767).astype(np.int16)

    def listen(self, text, codes, ended, expected_frames):
        """Begins to judge a take; what comes back goes to `reward`."""
        samples = self.recording(codes)
        return text, codes, ended, expected_frames, samples, self.listeners.submit(hear, samples)

    def reward(self, text, codes, ended, expected_frames, samples, heard):
        """-> dict of its parts; `reward` is their sum."""
        errors = score.Errors(text, heard.result())
        cer = min(1.0, errors.wrong_characters / max(1, errors.characters))
        stretch = abs(np.log(max(1, codes.shape[1]) / expected_frames))
        length = max(0.0, stretch - self.plan["free_stretch"]) + (0.0 if ended else 1.0)
        found = self.dnsmos.of(samples) if self.dnsmos else None
        quality = 0.0 if found is None else (found - 3) / 2
        return dict(cer=cer, length=length, quality=quality,
                    reward=-cer - self.plan["length_weight"] * length + self.plan["quality_weight"] * quality)


class GrpoStage(Stage):
    name = "grpo"
    warmup = 10

    def __init__(self, plan, model, codec=None, utterances=None):
        super().__init__()
        self.plan, self.model, self.all = plan["grpo"], model, utterances
        self.steps = self.plan["steps"]
        self.modules = nn.ModuleDict(dict(model=model))
        self.optimizers = [torch.optim.AdamW(model.parameters(), lr=self.plan["lr"], betas=(0.9, 0.98), weight_decay=0.0)]
        if utterances is not None:
            self.before = copy.deepcopy(model).eval().requires_grad_(False)
            self.judge = Judge(self.plan, codec)
            low, high = self.plan["characters"]
            self.order = np.array([i for i, t in enumerate(utterances.texts) if low <= len(t) <= high])

    def judgeable(self, rng):
        """Utterances that the judge can tell something of, without end."""
        texts, codes = self.all.texts, self.all.codes
        drawn = (int(rng.choice(self.order)) for _ in itertools.count())
        writable = (i for i in drawn if self.judge.can_write(texts[i]))
        while True:  # as many at once as are wanted, so that they are heard side by side
            some = list(itertools.islice(writable, self.plan["texts"]))
            own = [self.judge.listen(texts[i], codes[i], True, codes[i].shape[1]) for i in some]
            for i, take in zip(some, own):
                if self.judge.reward(*take)["cer"] <= self.plan["understood"]:
                    yield i

    @torch.no_grad()
    def perform(self, rng):
        """-> (groups of takes, their rewards (groups, takes), mean of every part of the reward)."""
        self.model.eval()
        groups, heard = [], []
        for i in itertools.islice(self.judgeable(rng), self.plan["texts"]):
            expected = self.all.codes[i].shape[1]
            takes = Takes(self.model, self.all.texts[i], self.plan["takes"], 2 * expected + 10, self.plan["sampling"])
            groups.append(takes)
            heard += [self.judge.listen(takes.text, *takes.of(k), expected) for k in range(len(takes))]
        parts = [self.judge.reward(*take) for take in heard]
        rewards = torch.tensor([p["reward"] for p in parts]).view(len(groups), -1)
        return groups, rewards, {key: float(np.mean([p[key] for p in parts])) for key in parts[0]}

    def sequences(self, groups):
        said, rows = [], []
        for takes in groups:
            for k in range(len(takes)):
                codes, ended = takes.of(k)
                s = Sequence(self.model.codebooks, self.model.semantic_entries)
                s.append_text(prompts.PLAIN_SYSTEM)
                s.append_turn(takes.text, codes, codes, [(0, 0)] * codes.shape[1])
                if not ended:
                    s.targets[s.targets.index(self.model.semantic_entries)] = IGNORE
                rows.append(s)
                said.append(codes)
        return Batch(rows, said)

    def log_probabilities(self, model, b):
        """Of every semantic draw, with the row it belongs to; and of the residual codes of every frame."""
        temperature = self.plan["sampling"]["temperature"]
        with torch.autocast("cpu", torch.bfloat16, enabled=self.plan["bf16"]):
            hidden, _ = model.slow(b.ids, b.codes)
            asked = b.targets != IGNORE
            spoken = asked & (b.targets != model.semantic_entries)
            semantic = model.semantic_logits(hidden[asked]).float()
            residual = model.fast(hidden[spoken], b.next_codes).float()
        pick = lambda logits, codes: (logits / temperature).log_softmax(-1).gather(-1, codes[..., None])[..., 0]
        return pick(semantic, b.targets[asked]), asked.nonzero()[:, 0], pick(residual, b.next_codes[:, 1:]).sum(1)

    def update(self, step, rng):
        groups, rewards, figures = self.perform(rng)
        advantage = ((rewards - rewards.mean(1, keepdim=True)) / (rewards.std(1, keepdim=True) + 0.02)).flatten()
        b = self.sequences(groups)
        self.model.train()
        semantic, row, residual = self.log_probabilities(self.model, b)
        with torch.no_grad():
            was_semantic, _, was_residual = self.log_probabilities(self.before.train(), b)
        gain = (advantage[row] * semantic).mean()
        # Schulman's estimate: its mean is the divergence, and it is never negative.
        drift = sum((gap.exp() - gap - 1).mean() for gap in (was_semantic - semantic, was_residual - residual))
        self.optimizers[0].zero_grad(set_to_none=True)
        (self.plan["divergence_weight"] * drift - gain).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizers[0].step()
        return dict(**figures, drift=drift.detach())
