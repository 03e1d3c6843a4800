"""The Python models compute what the reference computes: they load the golden checkpoint and give its outputs."""

import json
import os
import unittest
import wave

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file

import support
from ar import DualAR
from codec import Codec


def arrays(name):
    return load_file(os.path.join(support.GOLDEN, name))


class ReferenceTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = os.path.join(support.GOLDEN, "checkpoint")
        with open(os.path.join(folder, "codec.json")) as f:
            cls.codec = Codec(json.load(f))
        cls.codec_tensors = load_file(os.path.join(folder, "codec.safetensors"))
        cls.codec.load_state_dict(cls.codec_tensors, strict=False)
        cls.codec.eval()
        with open(os.path.join(folder, "config.json")) as f:
            cls.model = DualAR(json.load(f))
        cls.model_tensors = {}
        for name in sorted(os.listdir(folder)):
            if name.startswith("model") and name.endswith(".safetensors"):
                cls.model_tensors.update(load_file(os.path.join(folder, name)))
        cls.model.load_state_dict({k: v.float() for k, v in cls.model_tensors.items()}, strict=False)
        cls.model.eval()

    def assert_same_layout(self, module, tensors):
        own = {k: tuple(v.shape) for k, v in module.state_dict().items() if not k.endswith("usage")}
        self.assertEqual(own, {k: tuple(v.shape) for k, v in tensors.items()})

    def test_tensor_names_and_shapes(self):
        self.assert_same_layout(self.codec, self.codec_tensors)
        self.assert_same_layout(self.model, self.model_tensors)

    @torch.no_grad()
    def test_codec_decodes_and_encodes(self):
        lengths = arrays("codec/lengths.safetensors")
        sizes = [self.codec.quantizer.semantic_quantizer, *[self.codec.quantizer.quantizer] * (len(lengths["codes"]) - 1)]
        most = torch.tensor([len(q.quantizers[0].codebook.weight) - 1 for q in sizes])
        n = min(int(k.split(".")[1]) for k in lengths if k.startswith("waveform.") and int(k.split(".")[1]) > 1)
        made = self.codec.decode(lengths["codes"][:, :n].minimum(most[:, None])[None])[0]
        torch.testing.assert_close(made, lengths[f"waveform.{n}"].flatten(), atol=2e-4, rtol=0)
        with wave.open(os.path.join(support.GOLDEN, "codec/medium.wav")) as w:
            samples = np.frombuffer(w.readframes(w.getnframes()), np.int16).astype(np.float32) / 32768
        codes = self.codec.encode(torch.from_numpy(samples)[None])[0]
        self.assertTrue(torch.equal(codes, arrays("codec/medium.safetensors")["codes"]))

    @torch.no_grad()
    def test_slow_and_fast_transformer(self):
        short = arrays("slow_ar/short.safetensors")
        hidden, _ = self.model.slow(short["token_ids"][None], short["codes"][None])
        name = next(k for k in short if k.endswith("hidden") and "bfloat16" not in k)
        torch.testing.assert_close(hidden[0], short[name], atol=1e-4, rtol=1e-4)
        fast = arrays("fast_ar/" + os.listdir(os.path.join(support.GOLDEN, "fast_ar"))[0])
        prefix = next(k for k in fast if k.endswith("logits") and "bfloat16" not in k).removesuffix("logits")
        logits = self.model.fast(fast["hidden"], fast[prefix + "codes"])
        torch.testing.assert_close(logits, fast[prefix + "logits"][:, 1:], atol=1e-4, rtol=1e-4)

    @torch.no_grad()
    def test_greedy_generation(self):
        plain = arrays("generate/plain.safetensors")
        made = self.model.speak(plain["token_ids"], plain["prompt_codes"], plain["codes"].shape[1], temperature=0)
        self.assertTrue(torch.equal(made, plain["codes"]))


if __name__ == "__main__":
    unittest.main()
