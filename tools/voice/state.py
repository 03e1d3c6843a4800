"""Where a training lives on disk, and what its stages have left there."""

import os

import torch

from ar import DualAR
from codec import Codec

KIT = os.path.dirname(os.path.abspath(__file__))
STATE = os.environ.get("SHOAL_VOICE_STATE", os.path.join(os.path.dirname(os.path.dirname(KIT)), ".cache", "voice"))


def saved_modules(state, stage):
    """The modules that `stage` saved last."""
    path = os.path.join(state, stage + ".pt")
    if not os.path.exists(path):
        raise SystemExit(f"{path} is missing: stage {stage} has to run first")
    return torch.load(path, map_location="cpu", weights_only=True)["modules"]


def trained_models(plan, state, transformer="ar"):
    """(codec, transformer or None) of what the stages have saved so far; transformer: the stage that it is taken from."""
    codec = Codec(plan["codec"])
    own = codec.state_dict()
    for stage, part in (("decoder", "codec."), ("encoder", "codec.encoder.")):
        if os.path.exists(os.path.join(state, stage + ".pt")):
            own.update({name.removeprefix("codec."): value for name, value in saved_modules(state, stage).items()
                        if name.startswith(part)})
    codec.load_state_dict(own)
    if not os.path.exists(os.path.join(state, transformer + ".pt")):
        return codec, None
    modules = saved_modules(state, transformer)
    part = "average.module." if modules.get("average.n_averaged", 0) > 0 else "model."
    model = DualAR(plan["model"])
    model.load_state_dict({name.removeprefix(part): value for name, value in modules.items() if name.startswith(part)})
    return codec, model
