"""Stage `ar`: the dual transformer on the teacher's codes, in the very layout a server sends.

Sequences hold one to a few turns, sometimes after a reference (now and then of senseless codes: the default voice
keeps its own voice whatever it hears). Some frames of the history are corrupted, so that the model learns to go on
after its own mistakes. One attention head is told which letters are being spoken; nothing of that remains at inference.

Training goes in two rounds, each with its own fall of the learning rate, and what speaks is the average of the weights
at their ends (Izmailov et al. 2018, "Averaging weights leads to wider optima").
"""

import os

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.optim.swa_utils import AveragedModel

import prompts
from ar import DualAR
from trainer import Stage, cosine

IGNORE = -100
ROUND = 32  # lengths come in multiples: products are compiled and their memory kept per shape


class Utterances:
    """Codes, texts and letter spans of several shards."""

    def __init__(self, folder, shards):
        self.codes, self.texts, self.spans = [], [], []
        for shard in shards:
            z = np.load(os.path.join(folder, f"{shard:03d}.npz"))
            cuts = np.cumsum(z["frames"])[:-1]
            self.codes += np.split(z["codes"].astype(np.int64), cuts, axis=1)
            self.spans += np.split(z["spans"].astype(np.int64), cuts)
            self.texts += [str(t) for t in z["texts"]]
        self.sizes = np.array([len(t) + c.shape[1] for t, c in zip(self.texts, self.codes)])

    def __len__(self):
        return len(self.texts)


class Sequence:
    """A prompt being put together, with what has to be predicted at each of its positions."""

    def __init__(self, codebooks, end_code):
        self.codebooks, self.end_code = codebooks, end_code
        self.ids, self.frames, self.targets, self.looks = [], [], [], []

    def append_text(self, ids):
        self.ids += ids
        self.frames.append(np.zeros((self.codebooks, len(ids)), np.int64))
        self.targets += [IGNORE] * len(ids)
        self.looks += [(0, 0)] * len(ids)

    def append_reference(self, text, codes):
        self.append_text(prompts.reference_system(text, (prompts.SEMANTIC + codes[0]).tolist()))
        at = self.frames[-1]
        at[:, np.array(self.ids[-at.shape[1]:]) >= prompts.SEMANTIC] = codes

    def append_turn(self, text, codes, history, spans, lead=""):
        """history: the codes as the model sees them; codes: as it has to say them."""
        user = prompts.block("user", lead + text)
        begin = len(self.ids) + len(user) - 2 - len(text)  # of the text; two tokens close the block
        self.append_text(user + prompts.ANSWER)
        self.ids += (prompts.SEMANTIC + history[0]).tolist()
        self.frames.append(history)
        self.targets[-1:] = codes[0].tolist() + [self.end_code]
        self.looks[-1:] = [(begin + a, begin + b) for a, b in spans] + [(0, 0)]
        self.append_text([prompts.END, *prompts.text_ids("\n")])


class Batch:
    """Padded sequences as tensors."""

    def __init__(self, sequences, next_codes):
        length = -(-max(len(s.ids) for s in sequences) // ROUND) * ROUND
        put = lambda rows, fill: torch.tensor([r + [fill] * (length - len(r)) for r in rows])
        self.ids = put([s.ids for s in sequences], prompts.PAD)
        self.targets = put([s.targets for s in sequences], IGNORE)
        self.looks = put([[list(p) for p in s.looks] for s in sequences], [0, 0])
        codes = [np.concatenate(s.frames, 1) for s in sequences]
        self.codes = torch.from_numpy(np.stack([np.pad(c, ((0, 0), (0, length - c.shape[1]))) for c in codes]))
        self.next_codes = torch.from_numpy(np.concatenate(next_codes, 1).T.copy())  # (frames, codebooks), in row order


class ArStage(Stage):
    name = "ar"
    warmup = 200

    def __init__(self, plan, config, utterances=None, held_out=200):
        super().__init__()
        self.plan, self.config, self.all = plan["ar"], config, utterances
        self.steps, self.final_rate = self.plan["steps"], 0.02
        self.model = DualAR(config)
        self.average = AveragedModel(self.model)
        self.modules = nn.ModuleDict(dict(model=self.model, average=self.average))
        decayed = [p for p in self.model.parameters() if p.dim() == 2]
        others = [p for p in self.model.parameters() if p.dim() != 2]
        self.optimizers = [torch.optim.AdamW([dict(params=decayed, weight_decay=0.02), dict(params=others, weight_decay=0.0)],
                                             lr=self.plan["lr"], betas=(0.9, 0.98))]
        if utterances is not None:
            held_out = min(held_out, len(utterances) // 4)
            self.held = np.arange(held_out)
            rest = np.arange(held_out, len(utterances))
            self.order = rest[np.argsort(utterances.sizes[rest], kind="stable")]

    def rate(self, step):
        """Warm-up and a cosine, then from `restart` on a lower cosine."""
        again = self.plan["restart"]
        if step < again["at"]:
            return min(1, (step + 1) / self.warmup) * cosine(step / again["at"], self.final_rate)
        return again["rate"] * cosine((step - again["at"]) / (self.steps - again["at"]), self.final_rate)

    def corrupted(self, codes, rng):
        share = self.plan["noise"] * rng.random() * 2 * (rng.random() < 0.7)
        hit = rng.random(codes.shape[1]) < share
        if not hit.any():
            return codes
        other = self.all.codes[rng.integers(len(self.all))]
        seen = codes.copy()
        seen[:, hit] = other[:, rng.integers(other.shape[1], size=int(hit.sum()))]
        return seen

    def pick(self, step, rng):
        """Utterances of like length: a list of turns for every sequence of the batch."""
        p = self.plan
        longest = min(p["longest"], p["first_longest"] + step * p["longer_per_step"])
        room = int(np.searchsorted(self.all.sizes[self.order], longest))
        centre = int(rng.integers(max(1, room)))
        turns = int(rng.choice(p["turns"])) if step >= p["turns_from"] else 1
        size = self.all.sizes[self.order[centre]] + 26
        turns = max(1, min(turns, p["longest_sequence"] // size))
        rows = max(1, p["tokens"] // (turns * size + 46))
        near = min(room, max(rows * turns * 2, 64))
        start = int(np.clip(centre - near // 2, 0, max(0, room - near)))
        return self.order[start + rng.integers(near, size=(rows, turns))]

    def batch(self, chosen, rng, clean=False):
        sequences, said = [], []
        codebooks = self.model.codebooks
        for row in chosen:
            s = Sequence(codebooks, self.model.semantic_entries)
            if clean or rng.random() >= self.plan["references"]:
                s.append_text(prompts.PLAIN_SYSTEM)
            else:
                i = int(self.order[rng.integers(len(self.order) // 2)])
                codes = self.all.codes[i]
                if rng.random() < 0.4:
                    codes = rng.integers(0, self.model.entries, codes.shape)
                s.append_reference(self.all.texts[i], codes)
            lead = "<|speaker:0|>" if not clean and rng.random() < self.plan["speaker_tags"] else ""
            for i in row:
                codes = self.all.codes[i]
                s.append_turn(self.all.texts[i], codes, codes if clean else self.corrupted(codes, rng), self.all.spans[i], lead)
                said.append(codes)
            sequences.append(s)
        return Batch(sequences, said)

    def losses(self, b, share=1.0):
        """(semantic, residual, alignment losses, share of right semantic codes)."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.plan["bf16"]):
            hidden, (q, k) = self.model.slow(b.ids, b.codes, watch=self.plan["watch"])
            asked = b.targets != IGNORE
            spoken = asked & (b.targets != self.model.semantic_entries)
            logits = self.model.semantic_logits(hidden[asked]).float()
            chosen, codes = hidden[spoken], b.next_codes
            if share < 1:
                some = torch.randperm(len(codes))[:max(ROUND, int(len(codes) * share) // ROUND * ROUND)]
                chosen, codes = chosen[some], codes[some]
            residual = self.model.fast(chosen, codes).float()
        semantic = F.cross_entropy(logits, b.targets[asked])
        right = (logits.argmax(-1) == b.targets[asked]).float().mean()
        return semantic, F.cross_entropy(residual.flatten(0, 1), codes[:, 1:].flatten()), self.alignment(q, k, b, spoken), right

    def alignment(self, q, k, b, spoken):
        """Mean -log of the attention that the watched head gives to the letters being spoken."""
        row, position = spoken.nonzero(as_tuple=True)
        scores = (q.float() @ k.float().transpose(1, 2))[row, position] / q.shape[-1] ** 0.5
        at = torch.arange(scores.shape[1])
        scores = scores.masked_fill(at > position[:, None], -1e9)
        first, end = b.looks[row, position].unbind(-1)
        inside = (at >= first[:, None]) & (at < end[:, None])
        return (torch.logsumexp(scores, -1) - torch.logsumexp(scores.masked_fill(~inside, -1e9), -1)).mean()

    def update(self, step, rng):
        self.model.train()
        b = self.batch(self.pick(step, rng), rng)
        semantic, residual, align, right = self.losses(b, self.plan["fast_share"])
        self.optimizers[0].zero_grad(set_to_none=True)
        (semantic + residual + self.plan["align_weight"] * align).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizers[0].step()
        if step + 1 in (self.plan["restart"]["at"], self.steps):
            self.average.update_parameters(self.model)
        return dict(semantic=semantic.detach(), residual=residual.detach(), align=align.detach(), right=right,
                    frames=len(b.next_codes))

    @torch.no_grad()
    def held_out_losses(self):
        self.model.eval()
        rng, found = np.random.default_rng(0), []
        held = self.held[np.argsort(self.all.sizes[self.held])]
        for at in range(0, len(held), 20):
            found.append([float(v) for v in self.losses(self.batch(held[at:at + 20, None], rng, clean=True))])
        return dict(zip(("semantic", "residual", "align", "right"), np.mean(found, 0).round(4).tolist()))
