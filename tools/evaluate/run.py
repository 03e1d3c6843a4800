"""Speaks a list of sentences through a running server and measures what comes out.

usage: evaluate --texts FILE | --meta FILE [--server HOST:PORT] [--seeds 1,2,3] [--teacher COMMAND] [--out FOLDER] ...

Every sentence is spoken once a seed with `shoal say`. FOLDER gets the recordings, report.json and report.html (players,
spectrograms, what was heard). --gate cer=0.15,wer=0.30 makes the exit status 1 when a median over the seeds is above.
"""

import argparse
import json
import os
import statistics
import sys

import audio
import measures
import report
import sentences
import speakers


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--texts", help="one sentence a line")
    what.add_argument("--meta", help="seed-tts-eval list: name|transcript|recording|text")
    parser.add_argument("--server", default="127.0.0.1:50051")
    parser.add_argument("--client", default=os.path.join(os.path.dirname(__file__), "../../build/cpu/bin/shoal"))
    parser.add_argument("--say", default="", help="more flags for `shoal say`, in one string")
    parser.add_argument("--seeds", default="1", type=lambda text: [int(s) for s in text.split(",")])
    parser.add_argument("--first", type=int, help="only so many sentences")
    parser.add_argument("--teacher", help="command with {text} and {wav} that speaks the same sentences, as a ceiling")
    parser.add_argument("--recogniser", help="command with {wav} that prints what it hears; default: pocketsphinx")
    parser.add_argument("--no-quality", action="store_true", help="without DNSMOS and speaker similarity")
    parser.add_argument("--gate", default="", help="such as cer=0.15,wer=0.30")
    parser.add_argument("--out", default="evaluation")
    return parser.parse_args()


def parse_gate(text):
    gate = dict(part.split("=", 1) for part in text.split(",") if part)
    if unknown := set(gate) - {"cer", "wer", "rtf"}:
        raise SystemExit(f"--gate: expected cer, wer or rtf, got {', '.join(sorted(unknown))}")
    return {key: float(value) for key, value in gate.items()}


class Evaluation:
    """Measures one speaker after another with the same instruments."""

    def __init__(self, options, chosen):
        self.sentences, self.folder = chosen, options.out
        self.recogniser = measures.RecogniserCommand(options.recogniser) if options.recogniser else measures.PocketSphinx()
        self.dnsmos = None if options.no_quality else measures.Dnsmos()
        cloned = any(s.reference for s in chosen) and not options.no_quality
        self.similarity = measures.SpeakerSimilarity() if cloned else None

    def run(self, name, speaker, seed):
        folder = os.path.join(self.folder, name)
        os.makedirs(folder, exist_ok=True)
        lines = []
        for i, sentence in enumerate(self.sentences):
            if sys.stderr.isatty():
                print(f"\r{name}: {i + 1} of {len(self.sentences)}", end="", file=sys.stderr)
            lines.append(self.measure(sentence, speaker, seed, os.path.join(folder, sentence.name + ".wav")))
        errors = [line.pop("errors") for line in lines]
        wer, cer = measures.rates(errors)
        seconds, spoken = sum(l["wall_seconds"] for l in lines), sum(l["audio_seconds"] for l in lines)
        qualities = [l["dnsmos"] for l in lines if l["dnsmos"] is not None]
        alike = [l["similarity"] for l in lines if l["similarity"] is not None]
        return dict(name=name, seed=seed, wer=wer, cer=cer, rtf=seconds / spoken if seconds and spoken else None,
                    audio_seconds=spoken, failed=sum(bool(l["error"]) for l in lines),
                    dnsmos=statistics.mean(qualities) if qualities else None,
                    similarity=statistics.mean(alike) if alike else None, sentences=lines)

    def measure(self, sentence, speaker, seed, path):
        spoken = speaker.speak(sentence, seed, path)
        heard = self.recogniser.hear(spoken.samples, path)
        errors = measures.Errors(sentence.text, heard)
        audio.write(path, spoken.samples)
        line = dict(name=sentence.name, text=sentence.text, heard=heard, error=spoken.error, errors=errors,
                    wer=errors.wrong_words / max(1, errors.words), cer=errors.wrong_characters / max(1, errors.characters),
                    audio_seconds=len(spoken.samples) / audio.RATE, wall_seconds=spoken.seconds,
                    first_audio_ms=spoken.first_audio_ms, recording=os.path.relpath(path, self.folder),
                    dnsmos=self.dnsmos.of(spoken.samples) if self.dnsmos else None, similarity=None)
        if self.similarity and sentence.reference:
            line["similarity"] = self.similarity.of(spoken.samples, sentence.reference)
        return line


def medians(runs):
    """Of the figures over the seeds."""
    return {key: statistics.median(values) for key in ("wer", "cer", "rtf", "dnsmos", "similarity")
            if (values := [r[key] for r in runs if r[key] is not None])}


def main():
    options = arguments()
    gate = parse_gate(options.gate)
    chosen = sentences.read_texts(options.texts) if options.texts else sentences.read_meta(options.meta)
    chosen = chosen[:options.first]
    if not chosen:
        raise SystemExit("there is no sentence to speak")
    evaluation = Evaluation(options, chosen)
    server = speakers.Server(options.client, options.server, options.say)
    runs = [evaluation.run(f"seed-{seed}", server, seed) for seed in options.seeds]
    teacher = evaluation.run("teacher", speakers.Program(options.teacher), 0) if options.teacher else None
    median = medians(runs)
    result = dict(recogniser=evaluation.recogniser.name, say=options.say, sentences=len(chosen), median=median, gate=gate,
                  failed_gate=[k for k, most in gate.items() if median.get(k, 1e9) > most], runs=runs, teacher=teacher)
    with open(os.path.join(options.out, "report.json"), "w", encoding="utf-8") as f:
        json.dump(result, f, indent=1, ensure_ascii=False)
    report.write_html(options.out, result)
    for r in runs + ([teacher] if teacher else []):
        print(report.summary(r))
    print("median over the seeds:", ", ".join(f"{k} {v:.3f}" for k, v in median.items()))
    if result["failed_gate"]:
        raise SystemExit(f"above the gate: {', '.join(result['failed_gate'])}")


if __name__ == "__main__":
    main()
