"""Stage `encoder`: samples to the latents that the spectral front end gave in stage `tokens`.

The quantiser stays as it is, so codes mean the same as before. Beside the latents themselves the encoder is compared
behind downsample and pre_module, where the codes are read off.
"""

import torch
import torch.nn as nn

import features
from codec import Codec
from train_tokens import FrontEnd, take_over
from trainer import Stage


class EncoderStage(Stage):
    name = "encoder"

    def __init__(self, plan, track=None):
        super().__init__()
        c, p = plan["codec"], plan["encoder"]
        self.track, self.plan, self.steps = track, p, p["steps"]
        self.front, self.codec = FrontEnd(c["latent_dim"]), Codec(c)
        self.modules = nn.ModuleDict(dict(front=self.front, codec=self.codec))
        self.modules.requires_grad_(False)
        self.codec.encoder.requires_grad_(True)
        self.optimizers = [torch.optim.AdamW(self.codec.encoder.parameters(), lr=p["lr"], betas=(0.8, 0.99), weight_decay=1e-4)]

    def start_from(self, tokens):
        """Takes over what stage `tokens` has learned (its saved modules)."""
        take_over(tokens, self.front, self.codec.quantizer)

    def read(self, latents):
        """Latents -> what the codes are read off."""
        return self.codec.quantizer.pre_module(self.codec.quantizer.downsample(latents))

    def update(self, step, rng):
        p = self.plan
        self.codec.eval()
        audio = torch.from_numpy(self.track.windows(rng, p["batch"], p["samples"])[0])
        with torch.autocast("cpu", torch.bfloat16, enabled=p["bf16"]):
            with torch.no_grad():
                goal = self.front(features.front_features(audio))
                goal_read = self.read(goal)
            found = self.codec.encoder.block(audio[:, None])
            read = self.read(found)
        lead = 24  # steps without their past
        near = (found - goal).float()[..., lead:].abs().mean() / goal.float().std()
        far = (read - goal_read).float()[..., lead // 4:].abs().mean() / goal_read.float().std()
        self.optimizers[0].zero_grad(set_to_none=True)
        (near + far).backward()
        nn.utils.clip_grad_norm_(self.codec.encoder.parameters(), 5.0)
        self.optimizers[0].step()
        log = dict(latent=near.detach(), read=far.detach())
        if step % 50 == 0:
            quantizer = self.codec.quantizer.semantic_quantizer.quantizers[0]
            same = [quantizer.nearest(quantizer.in_proj(r.float())) for r in (read.detach(), goal_read)]
            log["same_semantic"] = (same[0] == same[1])[:, lead // 4:].float().mean()
        return log
