"""The dual autoregressive transformer with the checkpoint's tensor names, for training and for speaking in Python.

Sizes come from a dictionary with config.json's keys. Slow: one position per token; fast: one per codebook.
"""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from codec import FeedForward, RMSNorm, apply_rope, rope_table


def attend(q, k, v):
    """Causal attention over (batch, heads, length, head_dim) in plain products: on CPUs, in bf16, twice as fast in
    training as the fused kernel."""
    mask = torch.full((q.shape[2], q.shape[2]), -1e4, dtype=q.dtype).triu(1)
    groups = q.shape[1] // k.shape[1]
    if groups > 1:
        k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
    return ((q * q.shape[-1] ** -0.5) @ k.transpose(2, 3) + mask).softmax(-1) @ v


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = c["n_head"], c["n_local_heads"], c["head_dim"]
        self.wqkv = nn.Linear(c["dim"], (self.heads + 2 * self.kv_heads) * self.head_dim, bias=False)
        self.wo = nn.Linear(self.heads * self.head_dim, c["dim"], bias=False)
        if c["attention_qk_norm"]:
            self.q_norm = RMSNorm(self.head_dim, c["norm_eps"])
            self.k_norm = RMSNorm(self.head_dim, c["norm_eps"])
        self.qk_norm = c["attention_qk_norm"]

    def forward(self, x, table, cache=None, watch=None):
        """cache: list that holds and gets (k, v). watch: head whose queries and keys are returned beside the output."""
        h, kv = self.heads, self.kv_heads
        q, k, v = self.wqkv(x).unflatten(-1, (-1, self.head_dim)).split([h, kv, kv], -2)
        if self.qk_norm:
            q, k = self.q_norm(q), self.k_norm(k)
        q, k, v = (y.to(v.dtype).transpose(1, 2) for y in (apply_rope(q, table), apply_rope(k, table), v))
        if cache is not None:
            if cache:
                k, v = torch.cat([cache[0], k], 2), torch.cat([cache[1], v], 2)
            cache[:] = [k, v]
        if self.training:
            y = attend(q, k, v)
        else:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=q.shape[2] > 1, enable_gqa=h != kv)
        seen = None if watch is None else (q[:, watch], k[:, watch * kv // h])
        return self.wo(y.transpose(1, 2).flatten(2)), seen


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.attention, self.feed_forward = Attention(c), FeedForward(c["dim"], c["intermediate_size"])
        self.attention_norm, self.ffn_norm = RMSNorm(c["dim"], c["norm_eps"]), RMSNorm(c["dim"], c["norm_eps"])

    def forward(self, x, table, cache=None, watch=None):
        y, seen = self.attention(self.attention_norm(x), table, cache, watch)
        x = x + y
        return x + self.feed_forward(self.ffn_norm(x)), seen


def _stack(c):
    """Layers and last norm under the names that both transformers use."""
    m = nn.Module()
    m.layers = nn.ModuleList(Layer(c) for _ in range(c["n_layer"]))
    m.norm = RMSNorm(c["dim"], c["norm_eps"])
    return m


class DualAR(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        text, audio = config["text_config"], config["audio_decoder_config"]
        self.codebooks, self.entries = audio["num_codebooks"], audio["vocab_size"]
        self.first, self.end = config["semantic_start_token_id"], config["eos_token_id"]
        self.semantic_entries = config["semantic_end_token_id"] - self.first + 1
        self.text_model = nn.Module()
        self.text_model.model = _stack(text)
        self.text_model.model.embeddings = nn.Embedding(text["vocab_size"], text["dim"])
        fast = self.audio_decoder = _stack(audio)
        fast.codebook_embeddings = nn.Embedding(self.codebooks * self.entries, text["dim"])
        fast.embeddings = nn.Embedding(self.entries, audio["dim"])
        if audio["dim"] != text["dim"]:
            fast.project_in = nn.Linear(text["dim"], audio["dim"])
        fast.output = nn.Linear(audio["dim"], self.entries, bias=False)
        self.slow_table = rope_table(text["max_seq_len"], text["head_dim"], text["rope_base"])
        self.fast_table = rope_table(self.codebooks, audio["head_dim"], audio["rope_base"])
        for name, p in self.named_parameters():
            if p.dim() == 2:
                layers = (text if name.startswith("text") else audio)["n_layer"]
                last = name.endswith(("wo.weight", "w2.weight"))
                nn.init.normal_(p, std=0.05 if "embeddings" in name else 0.02 / (math.sqrt(2 * layers) if last else 1))

    def embed(self, ids, codes):
        """ids (batch, length), codes (batch, codebooks, length) -> (batch, length, dim)."""
        offsets = torch.arange(self.codebooks)[:, None] * self.entries
        token = self.text_model.model.embeddings(ids)
        frame = (token + self.audio_decoder.codebook_embeddings(codes + offsets).sum(1)) / math.sqrt(self.codebooks + 1)
        spoken = (ids >= self.first) & (ids < self.first + self.semantic_entries)
        return torch.where(spoken[..., None], frame, token)

    def slow(self, ids, codes, start=0, caches=None, watch=None):
        """-> (hidden after the last norm (batch, length, dim), queries and keys of head `watch[1]` of layer `watch[0]`)."""
        x, seen = self.embed(ids, codes), None
        table = self.slow_table[start:start + ids.shape[1]]
        for i, layer in enumerate(self.text_model.model.layers):
            look = watch[1] if watch is not None and watch[0] == i else None
            x, s = layer(x, table, None if caches is None else caches[i], look)
            seen = s if s is not None else seen
        return self.text_model.model.norm(x), seen

    def semantic_logits(self, hidden):
        """Over the semantic entries, then the end token."""
        weight = self.text_model.model.embeddings.weight
        return F.linear(hidden, torch.cat([weight[self.first:self.first + self.semantic_entries], weight[self.end:self.end + 1]]))

    def project(self, hidden):
        return self.audio_decoder.project_in(hidden) if hasattr(self.audio_decoder, "project_in") else hidden

    def fast(self, hidden, codes):
        """hidden (n, dim), codes (n, codebooks) -> logits (n, codebooks - 1, entries) of codebooks 1 and up."""
        fast = self.audio_decoder
        x = torch.cat([self.project(hidden)[:, None], fast.embeddings(codes[:, :-1])], 1)
        for layer in fast.layers:
            x, _ = layer(x, self.fast_table[:x.shape[1]])
        return fast.output(fast.norm(x[:, 1:]))

    @torch.no_grad()
    def speak(self, ids, codes, most_frames, temperature=0.7, top_p=0.8, top_k=30, greedy_residual=True):
        """Prompt ids (length,), codes (codebooks, length) -> generated codes (codebooks, frames)."""
        fast = self.audio_decoder
        caches = [[] for _ in self.text_model.model.layers]
        ids, codes, position, frames = ids[None], codes[None], 0, []
        while len(frames) < most_frames:
            hidden = self.slow(ids, codes, position, caches)[0][:, -1]
            position += ids.shape[1]
            code = draw(self.semantic_logits(hidden)[0], temperature, top_p, top_k)
            if code == self.semantic_entries:
                break
            frame, inner = [code], [[] for _ in fast.layers]
            x = torch.stack([self.project(hidden), fast.embeddings(torch.tensor([code]))], 1)
            for k in range(1, self.codebooks):
                at = 0 if k == 1 else k
                for layer, cache in zip(fast.layers, inner):
                    x, _ = layer(x, self.fast_table[at:k + 1], cache)
                logits = fast.output(fast.norm(x[:, -1]))[0]
                frame.append(draw(logits, 0 if greedy_residual else temperature, top_p, top_k))
                x = fast.embeddings(torch.tensor([[frame[-1]]]))
            frames.append(frame)
            ids = torch.tensor([[self.first + code]])
            codes = torch.tensor(frame)[None, :, None]
        return torch.tensor(frames).T if frames else torch.zeros(self.codebooks, 0, dtype=torch.long)


def draw(logits, temperature, top_p, top_k):
    """One draw after top-k and top-p (both on the logits as they are, the best always stays)."""
    if temperature <= 0:
        return int(logits.argmax())
    values, order = logits.float().sort(descending=True)
    drop = (values.softmax(-1).cumsum(-1) > top_p) | (torch.arange(len(values)) >= (top_k or len(values)))
    drop[0] = False
    probabilities = (values / temperature).masked_fill(drop, -torch.inf).softmax(-1)
    return int(order[torch.multinomial(probabilities, 1)])
