"""Stage `decoder`: frozen codes to samples.

First the waveform decoder alone on the latents that stage `tokens` left, then together with post_module and
upsample; the loss is the distance of log-mel spectra in several resolutions, later also what discriminators of
complex spectra say. Long windows run at the frame rate, only a short cut of them at the sample rate.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.parametrizations import weight_norm

import features
from codec import Codec
from train_tokens import FrontEnd, take_over
from trainer import Stage

RESOLUTIONS = ((2048, 96), (1024, 80), (512, 64), (256, 40), (128, 20), (64, 10))  # (window, mel bands)
LEAD_STEPS = 10  # steps of a cut that only give context: no loss there


def mel_distance(a, b):
    """Mean L1 distance of log-mels (log10 units) over RESOLUTIONS; audio (batch, samples)."""
    return sum((features.log_mel(a, w, n, w // 4) - features.log_mel(b, w, n, w // 4)).abs().mean()
               for w, n in RESOLUTIONS) / len(RESOLUTIONS)


class SpectrumDiscriminator(nn.Module):
    """Judges patches of the complex spectrum of one window size."""

    def __init__(self, window, channels):
        super().__init__()
        self.window = window
        conv = lambda i, o, kernel, stride=(1, 1): weight_norm(
            nn.Conv2d(i, o, kernel, stride, ((kernel[0] - 1) // 2, (kernel[1] - 1) // 2)))
        self.layers = nn.ModuleList([
            conv(2, channels, (7, 5), (2, 1)), conv(channels, channels, (5, 3), (2, 1)),
            conv(channels, 2 * channels, (5, 3), (2, 2)), conv(2 * channels, 2 * channels, (3, 3))])
        self.verdict = conv(2 * channels, 1, (3, 3))

    def forward(self, audio):
        """(batch, samples) -> (scores, inner maps)."""
        s = features.spectrum(audio, self.window, self.window // 4) * (4 / self.window)
        x = torch.view_as_real(s).permute(0, 3, 1, 2)
        x = x / (x.pow(2).sum(1, keepdim=True) + 1e-6) ** 0.35  # compressed magnitude, true phase
        maps = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.1)
            maps.append(x)
        return self.verdict(x), maps


class DecoderStage(Stage):
    name = "decoder"

    def __init__(self, plan, track=None):
        super().__init__()
        c, p = plan["codec"], plan["decoder"]
        self.track, self.plan, self.delay = track, p, plan["delay_steps"]
        self.steps = p["steps"]
        self.front, self.codec = FrontEnd(c["latent_dim"]), Codec(c)
        self.discriminators = nn.ModuleList(SpectrumDiscriminator(w, p["discriminator_channels"]) for w in (1024, 512, 256))
        self.modules = nn.ModuleDict(dict(front=self.front, codec=self.codec, discriminators=self.discriminators))
        q = self.codec.quantizer
        self.expanding = nn.ModuleList([q.post_module, q.upsample])
        trained = [*self.expanding.parameters(), *self.codec.decoder.parameters()]
        for parameter in [*self.front.parameters(), *self.codec.encoder.parameters(), *q.parameters()]:
            parameter.requires_grad_(False)
        self.expanding.requires_grad_(True)
        self.trained = trained
        self.optimizers = [
            torch.optim.AdamW([dict(params=list(self.codec.decoder.parameters())),
                               dict(params=list(self.expanding.parameters()), lr=0.3 * p["lr"])],
                              lr=p["lr"], betas=(0.8, 0.99), weight_decay=1e-4),
            torch.optim.AdamW(self.discriminators.parameters(), lr=p["discriminator_lr"], betas=(0.8, 0.99), weight_decay=1e-4)]

    def start_from(self, tokens):
        """Takes over what stage `tokens` has learned (its saved modules)."""
        take_over(tokens, self.front, self.codec.quantizer)

    @torch.no_grad()
    def vectors(self, audio):
        with torch.autocast("cpu", torch.bfloat16, enabled=self.plan["bf16"]):
            return self.codec.quantizer(self.front(features.front_features(audio)))[0]

    def update(self, step, rng):
        p, hop = self.plan, features.STEP
        self.codec.eval()  # codebooks stay as they are
        audio = torch.from_numpy(self.track.windows(rng, p["batch"], p["samples"])[0])
        first = int(rng.integers(p["samples"] // hop // 3, p["samples"] // hop - p["cut_steps"] + 1))
        cut = slice(first, first + p["cut_steps"])
        joint, judged = step >= p["joint_from"], step >= p["adversarial_from"]
        vectors = self.vectors(audio)
        with torch.autocast("cpu", torch.bfloat16, enabled=p["bf16"]):
            with torch.set_grad_enabled(joint):
                latents = self.codec.quantizer.expand(vectors)[..., cut]
            made = self.codec.decoder.model(latents)[:, 0]
        lead = LEAD_STEPS * hop
        made = made.float()[:, lead:]
        begin = (first - self.delay) * hop + lead
        real = audio[:, begin:begin + made.shape[1]]
        mel = mel_distance(made, real)
        log, loss = dict(mel=mel.detach()), p["mel_weight"] * mel
        if judged:
            log["judge"] = self.judge(real, made.detach())
            fooling, matching = self.fool(real, made)
            loss = loss + fooling + p["matching_weight"] * matching
            log.update(fooling=fooling.detach(), matching=matching.detach())
        self.optimizers[0].zero_grad(set_to_none=True)
        loss.backward()
        log["norm"] = nn.utils.clip_grad_norm_([q for q in self.trained if q.grad is not None], 20.0)
        self.optimizers[0].step()
        return log

    def judge(self, real, made):
        """Trains the discriminators: real to 1, made to 0 (least squares)."""
        loss = 0
        with torch.autocast("cpu", torch.bfloat16, enabled=self.plan["bf16"]):
            for d in self.discriminators:
                loss = loss + (1 - d(real)[0].float()).pow(2).mean() + d(made)[0].float().pow(2).mean()
        self.optimizers[1].zero_grad(set_to_none=True)
        loss.backward()
        self.optimizers[1].step()
        return loss.detach() / len(self.discriminators)

    def fool(self, real, made):
        """What the discriminators hold against `made`: (score loss, distance of inner maps)."""
        fooling, matching = 0, 0
        self.discriminators.requires_grad_(False)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.plan["bf16"]):
            for d in self.discriminators:
                with torch.no_grad():
                    goal = d(real)[1]
                scores, maps = d(made)
                fooling = fooling + (1 - scores.float()).pow(2).mean()
                matching = matching + sum((a.float() - b.float()).abs().mean() / (b.float().abs().mean() + 1e-3)
                                          for a, b in zip(maps, goal)) / len(maps)
        self.discriminators.requires_grad_(True)
        return fooling / len(self.discriminators), matching / len(self.discriminators)

    @torch.no_grad()
    def reconstruct(self, audio):
        """audio (samples,) -> (samples,) through the codes, by the front end that stands in for the encoder."""
        self.codec.eval()
        quantizer = self.codec.quantizer
        codes = quantizer(self.front(features.front_features(self.codec.pad(audio[None]))))[1]
        made = self.codec.decode(codes)[0]
        return made[self.delay * features.STEP:][:len(audio)]
