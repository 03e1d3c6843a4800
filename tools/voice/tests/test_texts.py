"""Texts keep held-out words out, letters are dealt to phones sensibly."""

import os
import unittest

import support
import alignment
import score
import texts
import unseen


class TextsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lexicon = texts.Lexicon()
        cls.lines = texts.TextMaker(cls.lexicon, "test").texts(400)
        cls.dense = texts.TextMaker(cls.lexicon, "test", dense=True).texts(400)

    def test_same_seed_same_texts(self):
        self.assertEqual(self.lines, texts.TextMaker(self.lexicon, "test").texts(400))
        self.assertNotEqual(self.lines, texts.TextMaker(self.lexicon, "other").texts(400))

    def test_no_held_out_word_can_be_drawn(self):
        lexicon = self.lexicon
        drawn = lexicon.words + lexicon.names + [w[:-2] for w in lexicon.possessives]
        self.assertFalse([w for w in drawn if texts.held_out(w) and w.lower() not in lexicon.core])
        with open(texts.WORD_LIST, encoding="utf-8") as f:
            self.assertGreater(sum(map(texts.held_out, f.read().split())), 4000)

    def test_dense_texts_are_mostly_rare_words(self):
        def rare(lines):
            said = [w for line in lines for w in unseen.words(line)]
            return sum(w not in self.lexicon.core for w in said) / len(said)

        self.assertLess(rare(self.lines), 0.4)
        self.assertGreater(rare(self.dense), 0.5)

    def test_texts_are_plain_ascii_lines(self):
        for line in self.lines + self.dense:
            self.assertRegex(line, r"^[A-Z0-9][ -~]*$")
            self.assertNotIn("{", line)


class UnseenTest(unittest.TestCase):
    def test_twenty_sentences_have_no_word_that_a_training_text_can_have(self):
        lexicon, sentences = texts.Lexicon(), score.read_lines(os.path.join(support.KIT, "held_out.txt"))
        known = lambda w: w not in unseen.FUNCTION_WORDS and (not texts.held_out(w) or w in lexicon.core)
        new = [s for s in sentences if not any(map(known, unseen.words(s)))]
        self.assertEqual(len(sentences), 60)
        self.assertGreaterEqual(len(new), unseen.LEAST)

    def test_what_counts_as_seen(self):
        repeated, new, shared = unseen.check(["The cat sat.", "A dog is here.", "Not an eel?"],
                                             ["Why, the cat sat down.", "My dog's cat."])
        self.assertEqual((repeated, new), (["The cat sat."], ["A dog is here.", "Not an eel?"]))
        self.assertEqual(shared["The cat sat."], ["cat", "sat"])


class AlignmentTest(unittest.TestCase):
    WORDS = [("cat", ("k", "ae", "t")), ("cats", ("k", "ae", "t", "s")), ("tack", ("t", "ae", "k")), ("sat", ("s", "ae", "t")),
             ("knit", ("n", "ih", "t")), ("nit", ("n", "ih", "t")), ("kit", ("k", "ih", "t")), ("tin", ("t", "ih", "n")),
             ("six", ("s", "ih", "k", "s")), ("sin", ("s", "ih", "n"))]

    def test_letters_get_their_phones(self):
        deals = alignment.learn(self.WORDS)
        self.assertEqual(deals["cat", ("k", "ae", "t")], [1, 1, 1])
        self.assertEqual(deals["knit", ("n", "ih", "t")], [0, 1, 1, 1])
        self.assertEqual(deals["six", ("s", "ih", "k", "s")], [1, 1, 2])

    def test_every_phone_looks_into_its_word(self):
        looks = alignment.letters_of_phones("25", ("t", "w", "eh", "n", "iy", "f", "ay", "v"), {})
        self.assertEqual(len(looks), 8)
        self.assertEqual((looks[0], looks[-1]), ((0, 2), (0, 2)))
        self.assertTrue(all(0 <= a < b <= 2 for a, b in looks))


if __name__ == "__main__":
    unittest.main()
