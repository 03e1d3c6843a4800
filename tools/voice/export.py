"""Writes a checkpoint in the S2 layout: config.json, model.safetensors, codec.json, codec.safetensors, tokenizer.json,
and generation_config.json with the sampling that suits it."""

import json
import os

import torch
from safetensors.torch import save_file

import prompts

UNSAVED = ("usage",)  # buffers of training


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(value, f, ensure_ascii=False, indent=1)
        f.write("\n")


def weights(module, dtype):
    return {name: value.detach().to(dtype).contiguous() for name, value in module.state_dict().items()
            if not name.endswith(UNSAVED)}


def export(folder, codec, model, sampling=None, codec_dtype=torch.bfloat16):
    """codec: Codec; model: DualAR or None (a codec alone); sampling: the server's defaults for it, None: its own."""
    os.makedirs(folder, exist_ok=True)
    write_json(os.path.join(folder, "codec.json"), codec.c)
    save_file(weights(codec, codec_dtype), os.path.join(folder, "codec.safetensors"), {"format": "pt"})
    if model is None:
        return
    write_json(os.path.join(folder, "config.json"), model.config)
    write_json(os.path.join(folder, "tokenizer.json"), prompts.tokenizer(model.semantic_entries))
    if sampling is not None:
        write_json(os.path.join(folder, "generation_config.json"), sampling)
    save_file(weights(model, torch.bfloat16), os.path.join(folder, "model.safetensors"), {"format": "pt"})
