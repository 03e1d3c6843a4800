"""Training texts: English sentences from a grammar whose open word classes are filled from a big word list.

Every shard of the corpus asks for its own texts by (seed, shard), so shards can be made in any order and again.
A twentieth of the word list (chosen by hash) is never spoken in training: those words measure spelling-to-sound.
"""

import hashlib
import random
import re

WORD_LIST = "/usr/share/dict/american-english"  # Debian's wamerican

_words = str.split
NOUNS = _words("""man woman child doctor teacher train bus car boat house garden river road bridge station market
kitchen table chair window door book letter paper phone computer machine server engine voice song movie picture camera
city town village country school hospital church office company bank shop store restaurant hotel room bed bag box
bottle cup glass knife plate apple bread cheese fish meat soup coffee tea water milk sugar salt dog cat horse bird cow
sheep tree flower leaf forest mountain valley lake beach island sea wind rain snow storm cloud sun moon star light
fire shadow sound music story question answer problem idea plan price money ticket map clock watch key lock coat hat
shoe dress shirt friend brother sister mother father uncle aunt cousin neighbor farmer driver pilot lawyer soldier
nurse painter writer singer king queen team game ball race prize field wall roof floor stone bone hand finger face eye
ear mouth foot knee heart head weekend holiday birthday party meeting message report test lesson class page word
language number project system network garage vehicle journey weather temperature measure treasure chocolate judge
jacket orange thing path people family government state world life year month week day hour minute night morning
evening afternoon summer winter spring autumn law war power energy history science art health body mind power reason
result change interest side end name case group place work point part kind way""")
ADJECTIVES = _words("""old new young small large big tall short long wide narrow deep quiet loud bright dark warm cold
hot cool dry wet clean dirty red blue green yellow black white brown gray happy sad angry tired hungry busy empty full
heavy light strong weak rich poor cheap expensive simple difficult easy early late fast slow soft hard sweet bitter
fresh strange famous local modern ancient beautiful wonderful dangerous careful important interesting popular private
public serious special useful usual different same other next last first second third good bad better best worse great
little own right wrong possible real whole free ready sure clear close open""")
PAST_TRANSITIVE = _words("""opened closed found lost bought sold carried moved watched followed painted repaired cleaned
washed built broke dropped lifted pushed pulled touched visited left reached crossed passed noticed remembered forgot
described explained checked counted measured changed finished started used borrowed returned kept hid showed sent
brought wanted needed liked loved hated chose drew wrote read heard saw made took gave told asked called knew thought
got put held met led won caught taught fought felt threw grew ate drank drove rode""")
PAST_INTRANSITIVE = _words("""slept waited walked talked laughed cried sang danced worked played rested arrived stayed
fell jumped swam ran stood sat smiled listened looked traveled climbed appeared disappeared returned cooked studied
shouted whispered thought came went happened changed ended began""")
VERBS = _words("""open close find take bring carry move watch follow paint repair clean build visit check count change
finish start use keep show send choose draw write read hear see buy sell book meet help ask know give wash call try
make get put let leave need want like remember forget understand explain believe think feel hold turn stop play pay
learn lose win break spend cut teach catch reach remove offer""")
ADVERBS = _words("""quickly slowly quietly carefully suddenly finally often never always sometimes usually early late again
together alone easily hardly nearly already soon later outside inside upstairs everywhere here there now then today
perhaps maybe almost really very too also just still even only once twice""")
PLACES = """in the park|at the station|near the river|on the hill|by the sea|behind the house|across the street|under the
bridge|in the middle of the town|next to the church|at home|in the office|on the table|along the coast|through the
forest|over the wall|around the corner|in front of the school|between the two rivers|beyond the valley|at the top of the
stairs|on the other side of the road|in the kitchen|at work|on the ground|above the clouds|below the surface|against the
wall|from the north|towards the lake|into the room|out of the window|off the shelf|inside the box|within a mile""".replace(
    "\n", " ").split("|")
TIMES = """yesterday|today|tomorrow|this morning|last night|every day|on Monday|on Tuesday|on Wednesday|on Thursday|on
Friday|on Saturday|on Sunday|in January|in February|in March|in April|in May|in June|in July|in August|in September|in
October|in November|in December|last year|next week|at noon|at midnight|before breakfast|after dinner|during the
summer|for a long time|an hour ago|for the first time|once a week|all night|until the end|since then|by the end of the
month|in a few minutes|as soon as possible|at the same time|right now""".replace("\n", " ").split("|")
FIRST_NAMES = _words("""John Mary Peter Anna David Sarah Michael Laura James Emma Robert Julia Thomas Alice George Helen
Henry Lucy Charles Jane Paul Kate Mark Susan Daniel Maria Frank Rose Simon Clara Oliver Grace Victor Ruth William Linda
Richard Barbara Joseph Jessica Christopher Karen Anthony Nancy Steven Lisa Andrew Betty Joshua Sandra Kenneth Ashley
Kevin Dorothy Brian Kimberly Edward Emily Ronald Donna""")
PHRASES = """hello|good morning|good evening|good night|how are you|thank you very much|you are welcome|excuse me|I am
sorry|of course|no problem|see you later|nice to meet you|what time is it|I do not know|I don't understand|that's all
right|it doesn't matter|let's go|come in|sit down please|have a nice day|happy birthday|well done|good luck|be
careful|wait a minute|never mind|yes|no|maybe|please|thanks|okay|I'm fine|you're right|we'll see|they've gone|it's
true|what's that|who's there|where is it|can I help you|how much is it|what happened|I can't hear you|speak louder
please|say that again|welcome home|this is a test|the end""".replace("\n", " ").split("|")
ONES = _words("""one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
eighteen nineteen""")
TENS = _words("twenty thirty forty fifty sixty seventy eighty ninety")
ORDINALS = _words("first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth twentieth thirtieth")
MONTHS = _words("January February March April May June July August September October November December")
FRAMES = """could you {v} {o}?|please {v} {o}|I would like to {v} {o}|do not {v} {o}|don't {v} {o}|we have to {v} {o}
{w}|can you tell me where {o} is?|there is {o} {p}|there are {n} {N} {p}|how much does {o} cost?|let us {v} {o} {w}|what did
{o} {v} {w}?|it is {n} minutes past {d}|turn left {p}|thank you for {o}|the number is {n} {n} {d}|they will {v} {o}
{w}|she has {x} {o} {p}|he is going to {v} {o}|who {x} {o}?|why is {o} so {a}?|I think that {s}|nobody knows why {s}|when
did you {v} {o}?|have you ever {x} {o}?|if you {v} {o}, {o} will {v} {o}|it was the {a} {N} {p}|{o} is not as {a} as
{o}|both {o} and {o} were {a}|neither {o} nor {o} {x} {o}|do you {v} {o} or {o}?|what a {a} {c}|the {c} of the {c} was
{a}|the {a} {c} of {o}|{f} said that {s}|{f} and {f} {x} {o}|I saw {f} {w}|{f}, {f}, and {f} {i} {p}|you should {v} {o}
before you {v} {o}|we were {g} {o} {p}|{g} {o} is {a}|{D} {o} {x} {o}|is it {a} to {v} {o}?|where can we {v} {o}?|he has
been {g} {o} for {n} years|the {c} that {o} {x} was {a}|my {c} is {a}, but yours is {a}|one of the {N} {i} {w}|in the
{o} year, {s}|according to {f}, {s}|as far as I know, {s}|for example, {s}|at first {s}, but then {s}""".replace("\n", " ").split("|")
JOINTS = [", and ", ", but ", " because ", " when ", " while ", ", so ", " although ", " before ", " after ", "; ", " until ", " if "]


def held_out(word):
    """Whether a word is kept out of every training text."""
    return hashlib.sha1(word.lower().encode()).digest()[0] < 13


class Lexicon:
    """The word list, cut into rough parts of speech by spelling alone."""

    def __init__(self, path=WORD_LIST):
        core = set(w.lower() for group in (NOUNS, ADJECTIVES, PAST_TRANSITIVE, PAST_INTRANSITIVE, VERBS, ADVERBS,
                                           FIRST_NAMES, ONES, TENS, ORDINALS, MONTHS) for w in group)
        for phrase in PLACES + TIMES + PHRASES + FRAMES:
            core.update(re.findall("[a-z]+", phrase.lower()))
        with open(path, encoding="utf-8") as f:
            lines = f.read().split()
        self.core = core
        words = [w for w in lines if re.fullmatch("[a-z]{2,14}", w) and (w in core or not held_out(w))]
        self.names = [w for w in lines if re.fullmatch("[A-Z][a-z]{2,12}", w) and (w.lower() in core or not held_out(w))]
        self.possessives = [w for w in lines if re.fullmatch("[A-Za-z]{3,11}'s", w) and not held_out(w[:-2])]
        ends = lambda *tails: [w for w in words if w.endswith(tails) and len(w) > 4]
        self.adverbs = ends("ly")
        self.past = ends("ed")
        self.gerunds = ends("ing")
        self.plurals = [w for w in ends("s") if not w.endswith(("ss", "us", "is"))]
        self.adjectives = ends("ful", "less", "ous", "ive", "able", "ible", "al", "ic", "ant", "ent", "ish", "ary", "y")
        tails = ("ly", "ed", "ing", "s", "ful", "less", "ous", "ive", "able", "ible")
        self.nouns = [w for w in words if not w.endswith(tails) and len(w) > 2]
        self.verbs = [w for w in ends("ize", "ate", "ify", "en", "ish", "ect", "ess", "ose", "ain", "ent", "ide")]
        self.words = words


class TextMaker:
    """A stream of different sentences, fixed by its seed.

    Dense texts teach spelling-to-sound: nearly every open word of theirs is a rare one, and half are mere lists.
    """

    def __init__(self, lexicon, seed, dense=False):
        self.lexicon, self.random = lexicon, random.Random(seed)
        self.more_lists, self.least_rare = (0.4, 0.85) if dense else (0.0, 0.0)

    def draws_rare(self, share):
        return self.random.random() < max(share, self.least_rare)

    def pick(self, core, rare, share=0.45):
        return self.random.choice(rare if rare and self.draws_rare(share) else core)

    def noun(self):
        return self.pick(NOUNS, self.lexicon.nouns)

    def adjective(self):
        return self.pick(ADJECTIVES, self.lexicon.adjectives)

    def adverb(self):
        return self.pick(ADVERBS, self.lexicon.adverbs)

    def name(self):
        return self.pick(FIRST_NAMES, self.lexicon.names, 0.6)

    def plural(self):
        if self.draws_rare(0.4):
            return self.random.choice(self.lexicon.plurals)
        noun = self.random.choice(NOUNS)
        if re.search("[^aeiou]y$", noun):
            return noun[:-1] + "ies"
        return noun + ("es" if re.search("(s|x|ch|sh)$", noun) else "s")

    def gerund(self):
        return self.random.choice(self.lexicon.gerunds)

    def verb(self):
        return self.pick(VERBS, self.lexicon.verbs, 0.3)

    def past(self):
        return self.pick(PAST_TRANSITIVE, self.lexicon.past)

    def small(self):
        return self.random.choice(ONES[:12])

    def number(self):
        """A number in words, or for a quarter of the draws in digits (the teacher reads them out)."""
        r = self.random
        k = r.random()
        if k < 0.25:
            return str(r.choice([r.randint(0, 20), r.randint(10, 100), r.randint(100, 1000), r.randint(1900, 2030)]))
        if k < 0.5:
            return r.choice(ONES)
        if k < 0.72:
            return r.choice(TENS) + " " + r.choice(ONES[:9])
        if k < 0.84:
            return r.choice(TENS)
        hundreds = r.choice(ONES[:9]) + " hundred"
        if k < 0.93:
            return hundreds + r.choice(["", " ", " and "]).rstrip() + " " + r.choice(ONES + TENS)
        return r.choice(ONES + TENS) + " " + r.choice(["thousand", "million", "thousand " + hundreds])

    def thing(self):
        k = self.random.random()
        if k < 0.13:
            return self.name()
        if k < 0.17:
            return self.random.choice(self.lexicon.possessives) + " " + self.noun()
        if k < 0.28:
            return self.number() + " " + (self.adjective() + " " if self.random.random() < 0.3 else "") + self.plural()
        if k < 0.36:
            return self.random.choice(_words("these those some many few all no the the")) + " " + self.plural()
        determiner = self.random.choice(_words("the the the the a a my your his her our their this that some every each no"))
        head = (self.adjective() + " " if self.random.random() < 0.45 else "") + self.noun()
        if determiner == "a" and head[0] in "aeiou":
            determiner = "an"
        return determiner + " " + head + (" of " + self.thing() if self.random.random() < 0.08 else "")

    def subject(self):
        if self.random.random() < 0.35:
            return self.random.choice(_words("he she they we I you it nobody everyone somebody this that what"))
        return self.thing()

    def clause(self):
        r = self.random
        k = r.random()
        if k < 0.4:
            s = f"{self.subject()} {self.past()} {self.thing()}"
        elif k < 0.55:
            s = f"{self.subject()} {r.choice(PAST_INTRANSITIVE)}"
        elif k < 0.7:
            modal = r.choice(["will", "would", "can", "could", "should", "must", "might", "may", "won't", "can't", "did not", "didn't"])
            s = f"{self.subject()} {modal} {self.verb()} {self.thing()}"
        elif k < 0.8:
            s = f"{r.choice(_words('he she it nobody everyone'))} {r.choice(['is', 'was', 'has been'])} {self.gerund()} {self.thing()}"
        else:
            copula = r.choice(["was", "is", "seems", "looked", "became", "was not", "isn't", "wasn't"])
            s = f"{self.thing()} {copula} {'very ' if r.random() < .2 else ''}{self.adjective()}"
        if r.random() < 0.25:
            s += " " + self.adverb()
        if r.random() < 0.4:
            s += " " + (r.choice(PLACES) if r.random() < 0.6 else
                        r.choice(_words("in at on by with for from under over about without")) + " " + self.thing())
        if r.random() < 0.25:
            s += " " + r.choice(TIMES)
        return s

    def framed(self):
        fill = {"v": self.verb, "o": self.thing, "w": lambda: self.random.choice(TIMES), "n": self.number, "d": self.small,
                "p": lambda: self.random.choice(PLACES), "x": self.past, "a": self.adjective, "s": self.clause,
                "N": self.plural, "c": self.noun, "f": self.name, "g": self.gerund, "D": self.adverb,
                "i": lambda: self.random.choice(PAST_INTRANSITIVE)}
        return re.sub(r"\{(\w)\}", lambda m: fill[m[1]](), self.random.choice(FRAMES))

    def figures(self):
        r = self.random
        k = r.randrange(9)
        if k == 0:
            return f"it is {r.choice(ONES[:12])} {r.choice(['o clock', 'thirty', 'fifteen', 'forty five', 'twenty'])}"
        if k == 1:
            return f"{r.choice(MONTHS)} {r.choice(ORDINALS)}, {r.choice(['nineteen', 'twenty'])} {r.choice(TENS)} {r.choice(ONES[:9])}"
        if k == 2:
            return " ".join(r.choice(ONES[:9] + ["zero"]) for _ in range(r.randint(3, 8)))
        if k == 3:
            return f"{self.number()} {r.choice(['plus', 'minus', 'times', 'and', 'or', 'divided by'])} {self.number()} is {self.number()}"
        if k == 4:
            return f"{self.number()} {r.choice(_words('dollars cents percent degrees miles meters pounds seconds minutes hours years'))}"
        if k == 5:
            return f"the meeting is at {r.randint(1, 12)}:{r.randint(10, 59)} {r.choice(TIMES)}"
        if k == 6:
            return f"chapter {self.number()}, page {self.number()}"
        if k == 7:
            return f"in {r.randint(1700, 2030)} {self.clause()}"
        return f"{r.choice(ORDINALS)} {self.noun()}, {r.choice(ORDINALS)} {self.noun()}"

    def listing(self):
        """Words strewn together: every word of the list gets its turn whatever its grammar."""
        r = self.random
        words = [r.choice(self.lexicon.words if r.random() < 0.85 else self.lexicon.names) for _ in range(r.randint(1, 7))]
        glue = r.choice([" ", " ", " ", ", ", " and ", " the ", " of "])
        return glue.join(words)

    def sentence(self):
        r = self.random
        if self.more_lists and r.random() < self.more_lists:
            return self.listing()
        k = r.random()
        if k < 0.24:
            return self.listing()
        if k < 0.27:
            return r.choice([self.number, self.noun, self.name, self.thing, lambda: r.choice(TIMES + PLACES)])()
        if k < 0.30:
            return r.choice(PHRASES) + (", " + self.name() if r.random() < 0.3 else "")
        if k < 0.37:
            return self.figures()
        if k < 0.62:
            return self.framed()
        if k < 0.82:
            return self.clause()
        s = self.clause() + r.choice(JOINTS) + self.clause()
        return s + r.choice(JOINTS) + self.clause() if r.random() < 0.2 else s

    def texts(self, count, longest=230):
        """`count` different sentences with capital and final mark."""
        seen, found = set(), []
        while len(found) < count:
            s = self.sentence().strip()
            asks = s.endswith("?")
            s = s[0].upper() + s[1:].replace("?", "")
            r = self.random.random()
            s += "?" if asks else "." if r < 0.85 else "!" if r < 0.92 else "" if r < 0.96 else "?"
            if len(s) <= longest and s not in seen:
                seen.add(s)
                found.append(s)
        return found
