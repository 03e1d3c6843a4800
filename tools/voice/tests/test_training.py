"""A whole training at tiny sizes: figures are finite and fall, an interrupted run equals an uninterrupted one,
and what is exported can be loaded and speaks."""

import copy
import json
import math
import os
import tempfile
import unittest
import warnings

import torch
from safetensors.torch import load_file

import support
import corpus
import curves
import pipeline
import plan as plans
import prompts
import say
import trainer

warnings.simplefilter("ignore")


class TrainingTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        torch.set_num_threads(1)
        trainer.LOG_STEPS = 10
        cls.folder = tempfile.TemporaryDirectory()
        cls.state, cls.plan = cls.folder.name, copy.deepcopy(plans.TINY)
        cls.run_stages(cls.state, ["corpus", "tokens", "decoder", "codes", "ar", "encoder", "grpo", "export"])

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def run_stages(cls, state, names, until=None):
        for name in names:
            torch.manual_seed(cls.plan["seed"])
            pipeline.STAGES[name](cls.plan, state, until)

    def log(self, stage):
        return curves.read_log(os.path.join(self.state, stage + ".jsonl"))

    def test_figures_are_finite_and_fall(self):
        for stage, figure in (("tokens", "mel"), ("decoder", "mel"), ("ar", "semantic"), ("encoder", "latent")):
            log = self.log(stage)
            self.assertTrue(all(math.isfinite(v) for line in log for v in line.values()), stage)
            self.assertEqual(log[-1]["step"], self.plan[stage]["steps"])
            self.assertLess(log[-1][figure], log[0][figure], stage)

    def test_interrupted_run_equals_uninterrupted(self):
        for stage in ("tokens", "decoder", "ar", "grpo"):
            with tempfile.TemporaryDirectory() as other:
                for name in ("corpus", "codes", "tokens.pt", "decoder.pt", "ar.pt"):
                    if name != stage + ".pt":
                        os.symlink(os.path.join(self.state, name), os.path.join(other, name))
                self.run_stages(other, [stage], until=2 if stage == "grpo" else 7)
                self.run_stages(other, [stage])
                whole, parts = (torch.load(os.path.join(f, stage + ".pt")) for f in (self.state, other))
                self.assertEqual(whole["step"], parts["step"])
                for name, value in whole["modules"].items():
                    self.assertTrue(torch.equal(value, parts["modules"][name]), f"{stage}: {name}")

    def test_average_of_the_rounds_ends_is_exported(self):
        with tempfile.TemporaryDirectory() as other:
            os.symlink(os.path.join(self.state, "codes"), os.path.join(other, "codes"))
            self.run_stages(other, ["ar"], until=self.plan["ar"]["restart"]["at"])
            first, last = (torch.load(os.path.join(f, "ar.pt"))["modules"] for f in (other, self.state))
        exported = load_file(os.path.join(self.state, "export", "model.safetensors"))
        for name, value in exported.items():
            mean = (first["model." + name] + last["model." + name]) / 2
            self.assertTrue(torch.allclose(value.float(), mean, atol=1e-6, rtol=2 ** -8), name)

    def test_export_loads_and_speaks(self):
        folder = os.path.join(self.state, "export")
        model, codec = say.load_model(folder), say.load_codec(folder)
        codes, audio = say.speak(model, codec, "Hello.", most_frames=5)
        self.assertEqual(codes.shape[0], 1 + self.plan["codec"]["quantizer"]["n_residual_codebooks"])
        self.assertEqual(len(audio), codes.shape[1] * self.plan["codec"]["frame_length"])
        with open(os.path.join(folder, "tokenizer.json"), encoding="utf-8") as f:
            tokens = json.load(f)
        self.assertEqual(len(tokens["model"]["vocab"]), 256)
        self.assertEqual([a["id"] for a in tokens["added_tokens"] if a["content"] == "<|semantic:0|>"],
                         [model.config["semantic_start_token_id"]])

    def test_export_names_its_sampling_in_the_servers_words(self):
        with open(os.path.join(self.state, "export", "generation_config.json"), encoding="utf-8") as f:
            sampling = json.load(f)
        self.assertEqual(sampling, self.plan["sampling"])
        self.assertLessEqual(set(sampling), {"temperature", "top_p", "top_k", "repetition_penalty", "shoal"})
        own = sampling["shoal"]
        self.assertLessEqual(set(own), {"max_frames", "residual_sampling", "filter_order", "ras"})
        self.assertIn(own["residual_sampling"], ("sampled", "greedy"))
        self.assertIn(own["filter_order"], ("top_k_first", "full_softmax"))
        self.assertLessEqual(set(own["ras"]), {"rule", "window", "temperature", "top_p"})
        self.assertIn(own["ras"]["rule"], ("off", "authors", "window"))

    def test_shards_are_made_again_alike(self):
        with tempfile.TemporaryDirectory() as other:
            self.run_stages(other, ["corpus"])
            for name in ("000.txt", "000.tsv", "000.i16"):
                with open(os.path.join(self.state, "corpus", name), "rb") as a, \
                        open(os.path.join(other, "corpus", name), "rb") as b:
                    self.assertEqual(a.read(), b.read(), name)


class PromptTest(unittest.TestCase):
    def test_plain_prompt(self):
        text = "".join(chr(i) if i < 256 else f"[{prompts.CONTROL[i - 256]}]" for i in say.prompt("Hi."))
        self.assertEqual(text, "[<|im_start|>]system\nconvert the provided text to speech[<|im_end|>]\n"
                               "[<|im_start|>]user\nHi.[<|im_end|>]\n[<|im_start|>]assistant\n[<|voice|>]")


if __name__ == "__main__":
    unittest.main()
