"""A release takes place only at the quality bar, and only with figures of the exported steps."""

import json
import os
import tempfile
import unittest

import support
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

    def score(self, cer, step=7):
        self.write("scores.jsonl", *(dict(what=what, wer=2 * cer, cer=cer, sentences=60, progress=dict(ar=[step, 3.5]))
                                     for what in ("teacher", "codec", "speech")))

    def release(self):
        release.release(plans.DEFAULT, self.state, self.target)

    def test_good_speech_is_released_with_its_figures(self):
        self.score(0.1)
        self.release()
        self.assertEqual(sorted(os.listdir(self.target)), sorted([*release.FILES, "LICENSE", "README.md"]))
        with open(os.path.join(self.target, "README.md"), encoding="utf-8") as f:
            self.assertIn("| this model's speech | 20.0% | 10.0% |", f.read())

    def test_bad_or_stale_figures_are_refused(self):
        for cer, step in ((0.2, 7), (0.1, 6)):
            self.score(cer, step)
            with self.assertRaises(SystemExit):
                self.release()
        self.assertFalse(os.path.exists(self.target))


if __name__ == "__main__":
    unittest.main()
