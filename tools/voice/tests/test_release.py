"""A release takes place only at the quality bar, and only with figures of the exported steps."""

import json
import os
import tempfile
import unittest

import support
import evaluate
import plan as plans
import release


class ReleaseTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.state, self.target = self.folder.name, os.path.join(self.folder.name, "released")
        os.makedirs(os.path.join(self.state, "export"))
        for name in release.FILES:
            with open(os.path.join(self.state, "export", name), "w") as f:
                f.write(name)
        self.write("ar.jsonl", dict(step=7, cpu_minutes=3.5))

    def write(self, name, *lines):
        with open(os.path.join(self.state, name), "w") as f:
            f.writelines(json.dumps(line) + "\n" for line in lines)

    def score(self, cer, step=7, seeds=3):
        self.write("scores.jsonl", *(dict(what=what, wer=2 * cer, cer=cer, rtf=0.02, sentences=60, seeds=seeds,
                                          progress=dict(ar=[step, 3.5])) for what in ("teacher", "codec", "served")))

    def release(self):
        release.release(plans.DEFAULT, self.state, self.target)

    def test_good_speech_is_released_with_its_figures(self):
        self.score(0.1)
        self.release()
        self.assertEqual(sorted(os.listdir(self.target)), sorted([*release.FILES, "LICENSE", "README.md"]))
        with open(os.path.join(self.target, "README.md"), encoding="utf-8") as f:
            self.assertIn("through the server, median of 3 seeds | 20.0% | 10.0% |", f.read())

    def test_bad_stale_or_few_figures_are_refused(self):
        for cer, step, seeds in ((0.2, 7, 3), (0.1, 6, 3), (0.1, 7, 2)):
            self.score(cer, step, seeds)
            with self.assertRaises(SystemExit):
                self.release()
        self.assertFalse(os.path.exists(self.target))

    def report(self, texts, say=""):
        os.makedirs(os.path.join(self.state, "evaluation"), exist_ok=True)
        run = dict(sentences=[dict(text=text) for text in texts])
        with open(os.path.join(self.state, "evaluation", "report.json"), "w", encoding="utf-8") as f:
            json.dump(dict(say=say, median=dict(wer=0.2, cer=0.1, rtf=0.02), runs=[run] * 3), f)

    def test_what_was_served_counts_with_its_own_sampling_and_sentences(self):
        texts = evaluate.held_out_lines()
        self.report(texts)
        self.assertEqual(evaluate.record_served(self.state),
                         dict(what="served", sentences=60, seeds=3, wer=0.2, cer=0.1, rtf=0.02, progress=dict(ar=[7, 3.5])))
        for bad in (dict(texts=texts, say="--temperature 0.1"), dict(texts=texts[:-1])):
            self.report(**bad)
            with self.assertRaises(SystemExit):
                evaluate.record_served(self.state)


if __name__ == "__main__":
    unittest.main()
