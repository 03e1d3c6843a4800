"""Runs the stages of a training in order, each resumed where it stands.

usage: pipeline.py [--state DIR] [--plan default|tiny] [--threads N] [--stage NAME [--until STEP]]
"""

import argparse
import json
import os
import warnings

warnings.simplefilter("ignore", FutureWarning)

import torch

import corpus
import encode
import evaluate
import export
import plan as plans
import release
import trainer
from state import STATE, saved_modules, trained_models
from train_ar import ArStage, Utterances
from train_decoder import DecoderStage
from train_encoder import EncoderStage
from train_grpo import GrpoStage
from train_tokens import TokensStage


def _shards(plan, state):
    return os.path.join(state, "corpus"), range(plan["corpus"]["shards"])


def _track(plan, state):
    folder, shards = _shards(plan, state)
    return corpus.Track(folder, shards[:plan["corpus"]["audio_shards"]])


def run_corpus(plan, state, until=None):
    p = plan["corpus"]
    corpus.make_shards(*_shards(plan, state), plan["seed"], p["texts_per_shard"], p["dense_from"])


def run_tokens(plan, state, until=None):
    trainer.run(TokensStage(plan, _track(plan, state)), state, plan["seed"], until)


def run_decoder(plan, state, until=None):
    stage = DecoderStage(plan, _track(plan, state))
    stage.start_from(saved_modules(state, "tokens"))
    trainer.run(stage, state, plan["seed"], until)


def run_gate(plan, state, until=None):
    """No transformer is worth training on codes that cannot be understood."""
    result, _ = evaluate.measure("front", plan, state, evaluate.held_out_lines())
    print("reconstructions:", json.dumps(result), flush=True)
    if result["cer"] > plan["gate_cer"]:
        raise SystemExit(f"character error rate of reconstructions {result['cer']} is above {plan['gate_cer']}")


def run_codes(plan, state, until=None):
    stage = DecoderStage(plan)
    stage.start_from(saved_modules(state, "tokens"))
    folder, shards = _shards(plan, state)
    encode.encode_shards(stage, folder, os.path.join(state, "codes"), shards)


def run_ar(plan, state, until=None):
    stage = ArStage(plan, plan["model"], Utterances(os.path.join(state, "codes"), _shards(plan, state)[1]))
    trainer.run(stage, state, plan["seed"], until)
    print("held out:", stage.held_out_losses(), flush=True)


def run_grpo(plan, state, until=None):
    codec, model = trained_models(plan, state)
    utterances = Utterances(os.path.join(state, "codes"), _shards(plan, state)[1])
    trainer.run(GrpoStage(plan, model, codec.eval(), utterances), state, plan["seed"], until)


def run_encoder(plan, state, until=None):
    stage = EncoderStage(plan, _track(plan, state))
    stage.start_from(saved_modules(state, "tokens"))
    trainer.run(stage, state, plan["seed"], until)


def run_export(plan, state, until=None):
    export.export(os.path.join(state, "export"), *trained_models(plan, state, plan["speaks"]), plan["sampling"])


def run_score(plan, state, until=None):
    for what in ("teacher", "codec"):
        print(json.dumps(evaluate.measure(what, plan, state, evaluate.held_out_lines())[0]), flush=True)


def run_served(plan, state, until=None):
    """After tools/voice/measure: the server that speaks is no part of this kit."""
    print(json.dumps(evaluate.record_served(state)), flush=True)


def run_release(plan, state, until=None):
    release.release(plan, state)


STAGES = dict(corpus=run_corpus, tokens=run_tokens, decoder=run_decoder, gate=run_gate, codes=run_codes, ar=run_ar,
              encoder=run_encoder, grpo=run_grpo, export=run_export, score=run_score)
AFTERWARDS = dict(served=run_served, release=run_release)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--state", default=STATE)
    arguments.add_argument("--plan", default="default")
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--stage", choices=[*STAGES, *AFTERWARDS])
    arguments.add_argument("--until", type=int)
    a = arguments.parse_args()
    torch.set_num_threads(a.threads)
    plan = dict(default=plans.DEFAULT, tiny=plans.TINY)[a.plan]
    torch.manual_seed(plan["seed"])
    os.makedirs(a.state, exist_ok=True)
    for name in [a.stage] if a.stage else STAGES:
        (STAGES | AFTERWARDS)[name](plan, a.state, a.until)


if __name__ == "__main__":
    main()
