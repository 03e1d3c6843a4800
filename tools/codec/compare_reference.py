"""Times the published PyTorch codec and this repository's decoder on the same checkpoint.

The reference is the user's: a checkout of fish-speech (github.com/fishaudio/fish-speech) and the
unpacked descript-audio-codec 1.0.0 wheel. Nothing of it is kept here, and what decoding does not
need (hydra, audiotools, einops) is replaced by empty stand-ins.

    python tools/codec/compare_reference.py --fish-speech CHECKOUT --dac UNPACKED_WHEEL \
        --checkpoint tests/golden/checkpoint --golden tests/golden/codec/long.safetensors

Both run in turn on one thread; a figure is the least processor time of many calls.
"""

import argparse
import functools
import json
import pathlib
import subprocess
import sys
import time
import types

import torch
from safetensors.torch import load_file


def stand_in(name, **attributes):
    module = types.ModuleType(name)
    module.__dict__.update(attributes)
    sys.modules[name] = module
    return module


def import_reference(fish_speech, dac):
    """The reference's modules, without what their packages import for training and files."""
    class CodecMixin:
        def get_delay(self):
            return 0

    machine_learning = stand_in("audiotools.ml", BaseModel=torch.nn.Module)
    stand_in("audiotools", AudioSignal=None, ml=machine_learning)
    stand_in("einops", rearrange=None)  # only encoding rearranges
    stand_in("dac", __path__=[str(pathlib.Path(dac) / "dac")])
    stand_in("dac.nn", __path__=[str(pathlib.Path(dac) / "dac" / "nn")])
    stand_in("dac.model", __path__=[])
    stand_in("dac.model.base", CodecMixin=CodecMixin)
    sys.path.insert(0, str(fish_speech))
    from fish_speech.models.dac import modded_dac, rvq
    return modded_dac, rvq


def reference_decoder(modded_dac, rvq, checkpoint):
    """The reference model with a checkpoint's weights; what only encoding uses is left out."""
    config = json.loads((checkpoint / "codec.json").read_text())
    quantizer = config["quantizer"]
    sizes = dict(config["quantizer_transformer"])
    window = sizes.pop("window_size")
    post_module = modded_dac.WindowLimitedTransformer(
        causal=True, window_size=window, input_dim=config["latent_dim"],
        config=modded_dac.ModelArgs(block_size=2048, n_local_heads=-1, channels_first=True, **sizes))
    rates = len(config["encoder_rates"])
    model = modded_dac.DAC(
        encoder_dim=config["encoder_dim"], encoder_rates=config["encoder_rates"],
        latent_dim=config["latent_dim"], decoder_dim=config["decoder_dim"],
        decoder_rates=config["decoder_rates"], sample_rate=config["sample_rate"], causal=True,
        encoder_transformer_layers=[0] * rates, decoder_transformer_layers=[0] * rates,
        transformer_general_config=functools.partial(modded_dac.ModelArgs),
        quantizer=rvq.DownsampleResidualVectorQuantize(
            input_dim=quantizer["input_dim"], n_codebooks=quantizer["n_residual_codebooks"],
            codebook_dim=quantizer["codebook_dim"],
            codebook_size=quantizer["residual_codebook_size"],
            semantic_codebook_size=quantizer["semantic_codebook_size"],
            downsample_factor=quantizer["downsample_factor"], post_module=post_module))
    weights = load_file(checkpoint / "codec.safetensors")
    missing, _ = model.load_state_dict(weights, strict=False)
    absent = [name for name in missing if "freqs_cis" not in name and "causal_mask" not in name]
    if absent:
        sys.exit(f"the checkpoint lacks {absent[:5]}")
    return model.eval(), config


def least_seconds(call, seconds=2.0):
    least, begin = float("inf"), time.process_time()
    while time.process_time() - begin < seconds:
        start = time.process_time()
        call()
        least = min(least, time.process_time() - start)
    return least


def ours(bench, checkpoint, size):
    """ms a frame of a decode step of `size` (STREAMSxFRAMES)."""
    output = subprocess.run([bench, "1", checkpoint, size], check=True, text=True,
                            stdout=subprocess.PIPE).stdout
    name = f"codec_decode_{size} "
    return next(float(line.split()[1]) for line in output.splitlines() if line.startswith(name))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fish-speech", required=True, type=pathlib.Path)
    parser.add_argument("--dac", required=True, type=pathlib.Path)
    parser.add_argument("--checkpoint", required=True, type=pathlib.Path)
    parser.add_argument("--golden", type=pathlib.Path, help="codes and waveform to check it with first")
    parser.add_argument("--bench", default="build/cpu/bin/codec_bench")
    parser.add_argument("--frames", type=int, nargs="+", default=[1, 8, 32, 128, 512])
    options = parser.parse_args()

    torch.set_num_threads(1)
    model, config = reference_decoder(*import_reference(options.fish_speech, options.dac),
                                      options.checkpoint)
    codebooks = 1 + config["quantizer"]["n_residual_codebooks"]
    with torch.inference_mode():
        if options.golden:
            arrays = load_file(options.golden)
            audio = model.from_indices(arrays["codes"][None].clone())[0, 0]
            difference = (audio - arrays["waveform"]).abs().max()
            print(f"reference_to_golden {difference:.2g} largest difference")
        best = float("inf")
        for frames in options.frames:
            codes = torch.randint(0, config["quantizer"]["residual_codebook_size"],
                                  (1, codebooks, frames))
            took = 1e3 * least_seconds(lambda: model.from_indices(codes)) / frames
            best = min(best, took)
            print(f"reference_one_shot_{frames}_frames {took:.4f} ms/frame", flush=True)
    for size in ["1x1", "1x8", "8x8"]:
        took = ours(options.bench, str(options.checkpoint), size)
        print(f"ours_{size} {took:.4f} ms/frame\nreference_best_to_ours_{size} {best / took:.2f} ratio",
              flush=True)


if __name__ == "__main__":
    main()
