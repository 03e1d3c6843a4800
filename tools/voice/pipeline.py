"""Runs the stages of a training in order, each resumed where it stands.

usage: pipeline.py [--state DIR] [--plan default|tiny] [--threads N] [--stage NAME [--until STEP]]
"""

import argparse
import os
import warnings

warnings.simplefilter("ignore", FutureWarning)

import torch

import corpus
import encode
import export
import plan as plans
import trainer
from ar import DualAR
from codec import Codec
from train_ar import ArStage, Utterances
from train_decoder import DecoderStage
from train_encoder import EncoderStage
from train_tokens import TokensStage

HERE = os.path.dirname(os.path.abspath(__file__))
STATE = os.path.join(os.path.dirname(os.path.dirname(HERE)), ".cache", "voice")


def saved_modules(state, stage):
    """The modules that `stage` saved last."""
    path = os.path.join(state, stage + ".pt")
    if not os.path.exists(path):
        raise SystemExit(f"{path} is missing: stage {stage} has to run first")
    return torch.load(path, map_location="cpu", weights_only=True)["modules"]


def run_corpus(plan, state, until=None):
    corpus.make_shards(os.path.join(state, "corpus"), plan["seed"], plan["corpus"]["shards"], plan["corpus"]["texts_per_shard"])


def track(plan, state):
    return corpus.Track(os.path.join(state, "corpus"), range(min(plan["corpus"]["audio_shards"], plan["corpus"]["shards"])))


def run_tokens(plan, state, until=None):
    trainer.run(TokensStage(plan, track(plan, state)), state, plan["seed"], until)


def run_decoder(plan, state, until=None):
    stage = DecoderStage(plan, track(plan, state))
    stage.start_from(saved_modules(state, "tokens"))
    trainer.run(stage, state, plan["seed"], until)


def run_encoder(plan, state, until=None):
    stage = EncoderStage(plan, track(plan, state))
    stage.start_from(saved_modules(state, "tokens"))
    trainer.run(stage, state, plan["seed"], until)


def run_codes(plan, state, until=None):
    stage = DecoderStage(plan)
    stage.start_from(saved_modules(state, "tokens"))
    encode.encode_shards(stage, os.path.join(state, "corpus"), os.path.join(state, "codes"), range(plan["corpus"]["shards"]))


def run_ar(plan, state, until=None):
    utterances = Utterances(os.path.join(state, "codes"), range(plan["corpus"]["shards"]))
    stage = ArStage(plan, plan["model"], utterances)
    trainer.run(stage, state, plan["seed"], until)
    print("held out:", stage.held_out_losses())


def exported_models(plan, state):
    """(codec, transformer or None) of what the stages have saved so far."""
    codec = Codec(plan["codec"])
    own = codec.state_dict()
    for stage, part in (("decoder", ""), ("encoder", "encoder.")):
        if os.path.exists(os.path.join(state, stage + ".pt")):
            found = saved_modules(state, stage)
            own.update({k.removeprefix("codec."): v for k, v in found.items() if k.startswith("codec." + part)})
    codec.load_state_dict(own)
    if not os.path.exists(os.path.join(state, "ar.pt")):
        return codec, None
    model = DualAR(plan["model"])
    model.load_state_dict({k.removeprefix("model."): v for k, v in saved_modules(state, "ar").items()})
    return codec, model


def run_export(plan, state, until=None):
    codec, model = exported_models(plan, state)
    export.export(os.path.join(state, "export"), codec, model)


STAGES = dict(corpus=run_corpus, tokens=run_tokens, decoder=run_decoder, codes=run_codes, ar=run_ar, encoder=run_encoder,
              export=run_export)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--state", default=STATE)
    arguments.add_argument("--plan", default="default")
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--stage", choices=list(STAGES))
    arguments.add_argument("--until", type=int)
    a = arguments.parse_args()
    torch.set_num_threads(a.threads)
    plan = dict(default=plans.DEFAULT, tiny=plans.TINY)[a.plan]
    torch.manual_seed(plan["seed"])
    os.makedirs(a.state, exist_ok=True)
    for name in [a.stage] if a.stage else STAGES:
        STAGES[name](plan, a.state, a.until)


if __name__ == "__main__":
    main()
