"""The update makes better takes likelier, and sampling keeps to the filters."""

import copy
import unittest

import numpy as np
import torch

import support
import plan as plans
from ar import DualAR
from train_grpo import GrpoStage, Takes, filtered
from codec import Codec


class LowCodes:
    """Likes takes whose semantic codes are in the lower half."""

    def __init__(self, half):
        self.half = half

    def can_write(self, text):
        return True

    def listen(self, text, codes, ended, expected_frames):
        return (codes,)

    def reward(self, codes):
        return dict(cer=0.0, reward=float((codes[0] < self.half).mean()) if codes.shape[1] else 0.0)


class OneText:
    texts = ["Hi."]
    codes = [np.zeros((3, 6), np.int64)]


class GrpoTest(unittest.TestCase):
    def test_what_is_rewarded_becomes_likelier(self):
        torch.manual_seed(0)
        plan = copy.deepcopy(plans.TINY)
        plan["grpo"].update(lr=5e-3, takes=16, sampling=dict(temperature=1.0, top_p=1.1, top_k=1000))
        model = DualAR(plan["model"])
        stage = GrpoStage(plan, model, Codec(plan["codec"]).eval(), OneText)
        stage.judge = LowCodes(model.semantic_entries // 2)
        rewards = []
        for step in range(40):
            torch.manual_seed(step)
            rewards.append(stage.update(step, np.random.default_rng(step))["reward"])
        self.assertGreater(np.mean(rewards[-8:]), np.mean(rewards[:8]) + 0.2)

    def test_a_take_that_never_ended_is_not_asked_for_an_end(self):
        torch.manual_seed(0)
        model = DualAR(plans.TINY["model"]).eval()
        with torch.no_grad():
            takes = Takes(model, "Hi.", 3, 4, dict(temperature=1.0, top_p=1.1, top_k=1000))
        takes.lengths = torch.tensor([2, -1, 4])
        stage = GrpoStage(plans.TINY, model)
        targets = stage.sequences([takes]).targets
        self.assertEqual((targets == model.semantic_entries).sum(1).tolist(), [1, 0, 1])
        self.assertEqual((targets >= 0).sum(1).tolist(), [3, takes.codes.shape[2], 5])

    def test_filters_as_in_the_server(self):
        logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()
        found = filtered(logits, temperature=1.0, top_p=0.85, top_k=3)[0]  # 0.526, 0.842, 1 of the three
        self.assertTrue(torch.allclose(found, torch.tensor([0.625, 0.375, 0, 0])), found)
        self.assertEqual(int(filtered(logits, 0.5, 0.01, 4)[0].count_nonzero()), 1)


if __name__ == "__main__":
    unittest.main()
