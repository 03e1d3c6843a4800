"""The causal codec with the reference's module names, so that a state dict is a checkpoint.

Sizes come from a dictionary with codec.json's keys. Shapes are (batch, channel, time) unless said otherwise.
Training in bf16 happens through autocast: parameters stay float32.
"""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils import weight_norm as weight_norm_g_v  # the VQ projections are written as weight_g, weight_v
from torch.nn.utils.parametrizations import weight_norm


class SnakeFunction(torch.autograd.Function):
    """x + sin^2(a x) / (a + 1e-9) in few passes over memory: sin^2 = (1 - cos 2ax) / 2."""

    @staticmethod
    def forward(ctx, x, alpha):
        angle = x * (2 * alpha)
        ctx.save_for_backward(x, alpha, angle)
        return torch.addcmul(x, angle.cos().neg_().add_(1), 0.5 / (alpha + 1e-9))

    @staticmethod
    def backward(ctx, grad):
        x, alpha, angle = ctx.saved_tensors
        through = grad * angle.sin()
        d_alpha = None
        if ctx.needs_input_grad[1]:
            inverse = 1 / (alpha.float() + 1e-9)
            rising = (through * x).sum((0, 2), keepdim=True, dtype=torch.float32)
            falling = (grad * (1 - angle.cos())).sum((0, 2), keepdim=True, dtype=torch.float32)
            d_alpha = ((rising - falling * 0.5 * inverse) * inverse).to(alpha.dtype)
        return grad + through, d_alpha


class Snake(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, channels, 1))

    def forward(self, x):
        return SnakeFunction.apply(x, self.alpha.to(x.dtype))


class CausalConv(nn.Module):
    """Left padding of kernel - stride; on the right what a whole last window needs."""

    def __init__(self, inputs, outputs, kernel, dilation=1, stride=1, groups=1, norm=True):
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, kernel, stride=stride, dilation=dilation, groups=groups)
        if norm:
            self.conv = weight_norm(self.conv)
        self.stride, self.span = stride, (kernel - 1) * dilation + 1

    def forward(self, x):
        left = self.span - self.stride
        windows = math.ceil((x.shape[-1] - self.span + left) / self.stride + 1)
        right = (windows - 1) * self.stride + self.span - left - x.shape[-1]
        return self.conv(F.pad(x, (left, right)))


class CausalTransposedConv(nn.Module):
    """Cuts the last kernel - stride samples."""

    def __init__(self, inputs, outputs, kernel, stride, norm=True):
        super().__init__()
        self.conv = nn.ConvTranspose1d(inputs, outputs, kernel, stride=stride)
        if norm:
            self.conv = weight_norm(self.conv)
        self.cut = kernel - stride

    def forward(self, x):
        x = self.conv(x)
        return x[..., :x.shape[-1] - self.cut] if self.cut else x


class ResidualUnit(nn.Module):
    def __init__(self, channels, dilation):
        super().__init__()
        self.block = nn.Sequential(Snake(channels), CausalConv(channels, channels, 7, dilation),
                                   Snake(channels), CausalConv(channels, channels, 1))

    def forward(self, x):
        return x + self.block(x)


class ConvNeXtBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.dwconv = CausalConv(channels, channels, 7, groups=channels, norm=False)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.pwconv1 = nn.Linear(channels, 4 * channels)
        self.pwconv2 = nn.Linear(4 * channels, channels)
        self.gamma = nn.Parameter(torch.full((channels,), 0.1))

    def forward(self, x):
        y = self.norm(self.dwconv(x).transpose(1, 2))
        return x + (self.gamma * self.pwconv2(F.gelu(self.pwconv1(y)))).transpose(1, 2)


def rope_table(positions, head_dim, base):
    """(positions, head_dim / 2, [cos, sin]) float32, rounded to bf16 as the model is trained and served."""
    frequencies = 1.0 / base ** (torch.arange(0, head_dim, 2).float() / head_dim)
    angles = torch.outer(torch.arange(positions).float(), frequencies)
    return torch.stack([angles.cos(), angles.sin()], -1).bfloat16().float()


def apply_rope(x, table):
    """x (batch, time, heads, head_dim), adjacent pairs; table (time, head_dim / 2, 2). Float32 arithmetic."""
    pairs = x.float().unflatten(-1, (-1, 2))
    cos, sin = table[None, :, None, :, 0], table[None, :, None, :, 1]
    a, b = pairs[..., 0], pairs[..., 1]
    return torch.stack([a * cos - b * sin, b * cos + a * sin], -1).flatten(3).to(x.dtype)


class RMSNorm(nn.Module):
    def __init__(self, dim, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(dim)), eps

    def forward(self, x):
        return F.rms_norm(x.float(), x.shape[-1:], self.weight, self.eps)


class FeedForward(nn.Module):
    def __init__(self, dim, inner):
        super().__init__()
        self.w1 = nn.Linear(dim, inner, bias=False)
        self.w3 = nn.Linear(dim, inner, bias=False)
        self.w2 = nn.Linear(inner, dim, bias=False)

    def forward(self, x):
        return self.w2(F.silu(self.w1(x)) * self.w3(x))


class CodecAttention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads, width = c["n_head"], c["n_head"] * c["head_dim"]
        self.wqkv = nn.Linear(c["dim"], 3 * width, bias=False)
        self.wo = nn.Linear(width, c["dim"], bias=False)

    def forward(self, x, table, mask):
        q, k, v = (y.unflatten(-1, (self.heads, -1)) for y in self.wqkv(x).chunk(3, -1))
        y = F.scaled_dot_product_attention(apply_rope(q, table).transpose(1, 2), apply_rope(k, table).transpose(1, 2),
                                           v.transpose(1, 2), attn_mask=mask)
        return self.wo(y.transpose(1, 2).flatten(2))


class LayerScale(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.gamma = nn.Parameter(torch.full((dim,), 0.1))

    def forward(self, x):
        return x * self.gamma


class CodecLayer(nn.Module):
    def __init__(self, c):
        super().__init__()
        dim, eps = c["dim"], c["norm_eps"]
        self.attention, self.feed_forward = CodecAttention(c), FeedForward(dim, c["intermediate_size"])
        self.attention_norm, self.ffn_norm = RMSNorm(dim, eps), RMSNorm(dim, eps)
        self.attention_layer_scale, self.ffn_layer_scale = LayerScale(dim), LayerScale(dim)

    def forward(self, x, table, mask):
        x = x + self.attention_layer_scale(self.attention(self.attention_norm(x), table, mask))
        return x + self.ffn_layer_scale(self.feed_forward(self.ffn_norm(x)))


class WindowTransformer(nn.Module):
    """Causal; a position sees itself and the window - 1 before it. Its width is that of what it stands in."""

    def __init__(self, c):
        super().__init__()
        self.layers = nn.ModuleList(CodecLayer(c) for _ in range(c["n_layer"]))
        self.norm, self.c = RMSNorm(c["dim"], c["norm_eps"]), c

    def forward(self, x):
        x, c = x.transpose(1, 2), self.c
        at = torch.arange(x.shape[1])
        mask = (at[None] <= at[:, None]) & (at[None] > at[:, None] - c["window_size"])
        table = rope_table(len(at), c["head_dim"], c["rope_base"])
        for layer in self.layers:
            x = layer(x, table, mask)
        return self.norm(x).transpose(1, 2)


class VectorQuantizer(nn.Module):
    """Nearest entry by direction in a small projected space; entries decode unnormalised."""

    def __init__(self, dim, size, codebook_dim):
        super().__init__()
        self.in_proj = weight_norm_g_v(nn.Conv1d(dim, codebook_dim, 1))
        self.out_proj = weight_norm_g_v(nn.Conv1d(codebook_dim, dim, 1))
        self.codebook = nn.Embedding(size, codebook_dim)
        self.register_buffer("usage", torch.ones(size))  # running count of picks per step; training only

    def nearest(self, e):
        table = F.normalize(self.codebook.weight)
        return (F.normalize(e, dim=1).transpose(1, 2) @ table.t()).argmax(-1)

    @torch.no_grad()
    def restart(self, flat, entries):
        """Moves `entries` onto random rows of `flat` (n, codebook_dim)."""
        self.codebook.weight[entries] = flat[torch.randint(len(flat), (len(entries),))]
        self.usage[entries] = 1

    def forward(self, z, mode="quantize"):
        """z -> (decoded, codes or None, loss). Modes: bypass (no codes yet), start (codebook from z), quantize."""
        e = self.in_proj(z).float()
        if mode == "bypass":
            return self.out_proj(e), None, 1e-3 * e.pow(2).mean()
        flat = e.detach().transpose(1, 2).flatten(0, 1)
        if mode == "start":
            self.restart(flat, torch.arange(len(self.usage)))
        elif self.training and self.usage.min() < 0.02:
            dead = (self.usage < 0.02).nonzero()[:, 0]
            self.restart(flat, dead[:max(1, len(flat) // 4)])
        codes = self.nearest(e.detach())
        q = F.embedding(codes, self.codebook.weight).transpose(1, 2)
        if self.training:
            self.usage.mul_(0.98).add_(torch.bincount(codes.flatten(), minlength=len(self.usage)), alpha=0.02)
        loss = 0.25 * F.mse_loss(e, q.detach()) + F.mse_loss(q, e.detach())
        return self.out_proj(e + (q - e).detach()), codes, loss

    def decode(self, codes):
        return self.out_proj(F.embedding(codes, self.codebook.weight).transpose(1, 2))


class ResidualQuantizer(nn.Module):
    def __init__(self, dim, stages, size, codebook_dim):
        super().__init__()
        self.quantizers = nn.ModuleList(VectorQuantizer(dim, size, codebook_dim) for _ in range(stages))

    def forward(self, z, keep=None, mode="quantize"):
        """keep (batch,): how many stages count for each item, so that few codebooks already say most."""
        total, codes, loss = 0, [], 0
        for i, quantizer in enumerate(self.quantizers):
            y, c, l = quantizer(z, mode)
            z = z - y
            if keep is not None:
                y = y * (keep > i).to(y.dtype)[:, None, None]
            total, loss = total + y, loss + l
            codes.append(c)
        return total, None if codes[0] is None else torch.stack(codes, 1), loss

    def decode(self, codes):
        return sum(q.decode(codes[:, i]) for i, q in enumerate(self.quantizers[:codes.shape[1]]))


class Quantizer(nn.Module):
    def __init__(self, c):
        super().__init__()
        q, dim, factors = c["quantizer"], c["latent_dim"], c["quantizer"]["downsample_factor"]
        self.semantic_quantizer = ResidualQuantizer(dim, 1, q["semantic_codebook_size"], q["codebook_dim"])
        self.quantizer = ResidualQuantizer(dim, q["n_residual_codebooks"], q["residual_codebook_size"], q["codebook_dim"])
        self.downsample = nn.Sequential(*[
            nn.Sequential(CausalConv(dim, dim, f, stride=f, norm=False), ConvNeXtBlock(dim)) for f in factors])
        self.upsample = nn.Sequential(*[
            nn.Sequential(CausalTransposedConv(dim, dim, f, f, norm=False), ConvNeXtBlock(dim)) for f in reversed(factors)])
        self.pre_module = WindowTransformer(c["quantizer_transformer"])
        self.post_module = WindowTransformer(c["quantizer_transformer"])

    def forward(self, latent, keep=None, mode="quantize"):
        """Encoder latents -> (sum of the decoded vectors, codes (batch, codebooks, frames), loss, semantic vectors)."""
        z = self.pre_module(self.downsample(latent))
        semantic, first, semantic_loss = self.semantic_quantizer(z, mode=mode)
        residual, rest, residual_loss = self.quantizer(z - semantic, keep, mode)
        codes = None if first is None else torch.cat([first, rest], 1)
        return semantic + residual, codes, semantic_loss + residual_loss, semantic

    def vectors(self, codes):
        return self.semantic_quantizer.decode(codes[:, :1]) + self.quantizer.decode(codes[:, 1:])

    def expand(self, vectors):
        """Summed vectors at the frame rate -> latents at the decoder's rate."""
        return self.upsample(self.post_module(vectors))


class EncoderBlock(nn.Module):
    def __init__(self, channels, rate, transformer):
        super().__init__()
        self.block = nn.Sequential(*[ResidualUnit(channels, d) for d in (1, 3, 9)], Snake(channels),
                                   CausalConv(channels, 2 * channels, 2 * rate, stride=rate),
                                   *([WindowTransformer(transformer)] if transformer else []))

    def forward(self, x):
        return self.block(x)


class DecoderBlock(nn.Module):
    def __init__(self, channels, rate):
        super().__init__()
        half = channels // 2
        self.block = nn.Sequential(Snake(channels), CausalTransposedConv(channels, half, 2 * rate, rate),
                                   *[ResidualUnit(half, d) for d in (1, 3, 9)])

    def forward(self, x):
        return self.block(x)


class Codec(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        dim, transformer = c["encoder_dim"], c.get("encoder_transformer")
        encoder = [CausalConv(1, dim, 7)]
        for i, rate in enumerate(c["encoder_rates"], 1):
            encoder.append(EncoderBlock(dim, rate, transformer if transformer and transformer["block"] == i else None))
            dim *= 2
        self.encoder = nn.Module()
        self.encoder.block = nn.Sequential(*encoder, Snake(dim), CausalConv(dim, c["latent_dim"], 3))
        self.quantizer = Quantizer(c)
        dim = c["decoder_dim"]
        decoder = [CausalConv(c["latent_dim"], dim, 7)]
        for rate in c["decoder_rates"]:
            decoder.append(DecoderBlock(dim, rate))
            dim //= 2
        self.decoder = nn.Module()
        self.decoder.model = nn.Sequential(*decoder, Snake(dim), CausalConv(dim, 1, 7), nn.Tanh())

    def pad(self, audio):
        return F.pad(audio, (0, -audio.shape[-1] % self.c["frame_length"]))

    def encode(self, audio):
        """(batch, samples) -> codes (batch, codebooks, frames)."""
        return self.quantizer(self.encoder.block(self.pad(audio)[:, None]))[1]

    def decode(self, codes):
        """codes (batch, codebooks, frames) -> (batch, samples)."""
        return self.decoder.model(self.quantizer.expand(self.quantizer.vectors(codes)))[:, 0]
