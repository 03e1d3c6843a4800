import json
import os
import subprocess
import sys
import tempfile
import unittest

import numpy as np

KIT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, KIT)

import audio
import measures
import sentences
import speakers

# Speaks like the client: a tone as long as the text, but nothing at all for the word "silence".
CLIENT = """#!{python}
import sys, wave
import numpy as np
assert sys.argv[1] == "say", sys.argv
text, path = sys.argv[-1], sys.argv[sys.argv.index("-o") + 1]
if "silence" in text:
    sys.exit("shoal: UNAVAILABLE: no engine is there")
n = 1600 * len(text)
with wave.open(path, "wb") as w:
    w.setnchannels(1); w.setsampwidth(2); w.setframerate(16000)
    w.writeframes((np.sin(np.arange(n) * 0.1) * 9000).astype(np.int16).tobytes())
print(f"{{n / 16000:.2f}} s of audio in 0.50 s, RTF 0.1, first audio after 42 ms, seed", file=sys.stderr)
"""


class Measures(unittest.TestCase):
    def test_edits(self):
        self.assertEqual(measures.edits("kitten", "sitting"), 3)
        self.assertEqual(measures.edits("", "abc"), 3)
        self.assertEqual(measures.edits(["a", "b"], ["a", "b"]), 0)
        self.assertEqual(measures.words("Don't go, Ann!"), ["don't", "go", "ann"])

    def test_errors_count_edits_over_all_sentences(self):
        errors = [measures.Errors("The old bridge.", "the bold bridge"), measures.Errors("Go", "")]
        wer, cer = measures.rates(errors)
        self.assertAlmostEqual(wer, 2 / 4)
        self.assertAlmostEqual(cer, (1 + 2) / (14 + 2))

    def test_nothing_heard_is_all_wrong(self):
        error = measures.Errors("Don't go, Ann!", "")
        self.assertEqual((error.wrong_words, error.words), (3, 3))
        self.assertEqual(error.wrong_characters, error.characters)

    def test_no_audio_is_heard_as_nothing_and_has_no_quality(self):
        self.assertEqual(measures.PocketSphinx().hear(audio.nothing(), ""), "")
        self.assertEqual(measures.RecogniserCommand("false {wav}").hear(audio.nothing(), ""), "")
        self.assertIsNone(measures.Dnsmos().of(audio.nothing()))

    def test_a_recogniser_without_a_place_for_the_recording(self):
        with self.assertRaises(SystemExit):
            measures.RecogniserCommand("whisper")


class Lists(unittest.TestCase):
    def test_seed_tts_lists_are_relative_to_themselves(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "meta.lst")
            with open(path, "w") as f:
                f.write("a|We asked.|prompt-wavs/a.wav|Say this.|more\n\n")
            self.assertEqual(sentences.read_meta(path),
                             [sentences.Sentence("a", "Say this.", os.path.join(folder, "prompt-wavs/a.wav"), "We asked.")])
            with open(path, "a") as f:
                f.write("b|only two\n")
            with self.assertRaisesRegex(SystemExit, "meta.lst:2|meta.lst:3"):
                sentences.read_meta(path)


class Programs(unittest.TestCase):
    def test_a_text_is_one_argument_whatever_is_in_it(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "x.wav")
            audio.write(path, np.ones(160, np.int16))
            spoken = speakers.Program("test {text} = 'a; b $c' -a {wav} != x").speak(sentences.Sentence("n", "a; b $c"), 1, path)
            self.assertEqual((len(spoken.samples), spoken.error), (160, ""))


class WholeRuns(unittest.TestCase):
    def evaluate(self, *more):
        folder = tempfile.mkdtemp()
        client, texts = os.path.join(folder, "client"), os.path.join(folder, "texts")
        with open(client, "w") as f:
            f.write(CLIENT.format(python=sys.executable))
        os.chmod(client, 0o755)
        with open(texts, "w") as f:
            f.write("hello there\nnow silence\n")
        done = subprocess.run([sys.executable, "-W", "ignore", os.path.join(KIT, "run.py"), "--texts", texts, "--client", client,
                               "--no-quality", "--out", os.path.join(folder, "out"), *more], capture_output=True, text=True)
        return done, os.path.join(folder, "out")

    def test_report_of_two_seeds_with_a_teacher_and_a_recogniser(self):
        done, out = self.evaluate("--seeds", "1,2", "--recogniser", "sh -c 'echo hello there' {wav}",
                                  "--teacher", "sh -c 'touch $0' {wav} {text}")
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(os.path.join(out, "report.json")) as f:
            result = json.load(f)
        self.assertEqual([r["failed"] for r in result["runs"]], [1, 1])
        self.assertEqual(result["teacher"]["failed"], 2)  # its empty files are no recordings
        self.assertAlmostEqual(result["median"]["wer"], 2 / 4)
        spoken, silent = result["runs"][0]["sentences"]
        self.assertEqual((spoken["cer"], spoken["first_audio_ms"], silent["cer"]), (0, 42, 1))
        self.assertIn("no engine is there", silent["error"])
        self.assertAlmostEqual(result["runs"][0]["rtf"], 0.5 / 1.1, places=3)
        with open(os.path.join(out, "report.html")) as f:
            page = f.read()
        for part in ("hello there", "seed-2", "no engine is there", "seed-1/0000.png"):
            self.assertIn(part, page)
        self.assertTrue(os.path.exists(os.path.join(out, "seed-1/0001.png")))

    def test_the_gate_is_the_exit_status(self):
        heard = ("--recogniser", "sh -c 'echo hello there' {wav}")
        self.assertEqual(self.evaluate(*heard, "--gate", "wer=0.5")[0].returncode, 0)
        done = self.evaluate(*heard, "--gate", "wer=0.49,cer=0.9")[0]
        self.assertEqual(done.returncode, 1)
        self.assertIn("above the gate: wer", done.stderr)
        self.assertIn("expected cer, wer or rtf", self.evaluate("--gate", "mos=3")[0].stderr)


if __name__ == "__main__":
    unittest.main()
