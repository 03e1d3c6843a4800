"""Stage `tokens`: the quantiser learns which codes to give, from spectra instead of samples.

The waveform encoder and decoder are left out: a small front end turns log-mel features into the latents that the
encoder will have to give (stage `encoder`), and a linear head reads the spectra off the latents that the decoder
will be fed (stage `decoder`). So nothing runs at the sample rate, and a CPU trains at about a hundred times real time.
The semantic code must also tell the phones, which makes it what the transformer can learn to predict. More residual
codebooks are trained than are kept, each in its turn able to be the last: mel_by_codebooks tells what the next is worth.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F

import features
from codec import CausalConv, ConvNeXtBlock, Quantizer
from corpus import PHONES
from trainer import Stage


class FrontEnd(nn.Module):
    """Log-mel features -> what the waveform encoder has to give: (batch, latent_dim, steps)."""

    def __init__(self, latent_dim):
        super().__init__()
        self.inlet = CausalConv(features.BANDS, latent_dim, 3, norm=False)
        self.block = ConvNeXtBlock(latent_dim)

    def forward(self, mels):
        return self.block(self.inlet(mels + 2))


def take_over(tokens, front, quantizer):
    """Loads what this stage saved as `tokens` into a front end and a quantizer with as many codebooks or fewer."""
    own = quantizer.state_dict()
    front.load_state_dict({k.removeprefix("front."): v for k, v in tokens.items() if k.startswith("front.")})
    quantizer.load_state_dict({k: tokens["quantizer." + k] for k in own})


class TokensStage(Stage):
    name = "tokens"

    def __init__(self, plan, track=None):
        super().__init__()
        p = plan["tokens"]
        c = dict(plan["codec"], quantizer=dict(plan["codec"]["quantizer"], n_residual_codebooks=p["residuals"]))
        self.track, self.plan, self.delay = track, p, plan["delay_steps"]
        self.steps, self.frame_steps = p["steps"], c["frame_length"] // features.STEP
        self.stages = p["residuals"]
        self.front, self.quantizer = FrontEnd(c["latent_dim"]), Quantizer(c)
        self.mel_head = nn.Conv1d(c["latent_dim"], features.BANDS, 1)
        self.phone_head = nn.Conv1d(c["latent_dim"], self.frame_steps * len(PHONES), 1)
        self.modules = nn.ModuleDict(dict(front=self.front, quantizer=self.quantizer, mel_head=self.mel_head,
                                          phone_head=self.phone_head))
        self.optimizers = [torch.optim.AdamW(self.modules.parameters(), lr=p["lr"], betas=(0.8, 0.99), weight_decay=1e-4)]

    def mode(self, step):
        """Unquantised first, then codebooks are laid on what there is to code."""
        start = int(self.plan["unquantized"] * self.steps)
        return "bypass" if step < start else "start" if step == start else "quantize"

    def losses(self, audio, labels, mode, keep):
        mels = features.front_features(audio)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.plan["bf16"]):
            vectors, codes, vq, semantic = self.quantizer(self.front(mels), keep, mode)
            guess = self.mel_head(self.quantizer.expand(vectors))
            logits = self.phone_head(semantic).float()
        d = self.delay  # step t of the latents tells the features of step t - d
        mel = (guess.float()[..., d:] - mels[..., :mels.shape[-1] - d]).abs().mean()
        labels = F.pad(labels, (d, -d)).unflatten(1, (-1, self.frame_steps))  # (batch, frames, steps of a frame)
        logits = logits.transpose(1, 2).unflatten(2, (self.frame_steps, -1))
        phone = F.cross_entropy(logits.flatten(0, 2), labels.flatten())
        return mel, vq, phone, (logits.argmax(-1) == labels).float().mean(), codes

    def update(self, step, rng):
        p = self.plan
        self.modules.train()
        audio, labels = (torch.from_numpy(a) for a in self.track.windows(rng, p["batch"], p["samples"]))
        keep = torch.from_numpy(rng.integers(0, self.stages + 1, len(audio)))
        keep[rng.random(len(audio)) < 0.5] = self.stages
        mode = self.mode(step)
        mel, vq, phone, right, _ = self.losses(audio, labels, mode, keep)
        self.optimizers[0].zero_grad(set_to_none=True)
        (p["mel_weight"] * mel + vq + p["phone_weight"] * phone).backward()
        nn.utils.clip_grad_norm_(self.modules.parameters(), 5.0)
        self.optimizers[0].step()
        codebooks = [*self.quantizer.semantic_quantizer.quantizers, *self.quantizer.quantizer.quantizers]
        used = sum(float((q.usage > 0.05).float().mean()) for q in codebooks) / len(codebooks)
        return dict(mel=mel.detach(), vq=vq.detach(), phone=phone.detach(), phone_right=right, used=0 if mode == "bypass" else used)

    @torch.no_grad()
    def mel_by_codebooks(self, audio):
        """Mel loss of `audio` (batch, samples) with 0, 1, ... residual codebooks."""
        self.modules.eval()
        labels = torch.zeros(len(audio), audio.shape[1] // features.STEP, dtype=torch.long)
        return [float(self.losses(audio, labels, "quantize", torch.full((len(audio),), k))[0]) for k in range(self.stages + 1)]
