"""Every size, seed and length of a training run. DEFAULT makes models/default; TINY serves the tests."""

import copy

import prompts


def _codec(latent, encoder, decoder, heads, layers, inner, semantic, residual, stages, rates):
    hop = 160
    transformer = dict(n_layer=layers, n_head=heads, head_dim=latent // heads, dim=latent, intermediate_size=inner,
                       window_size=128, rope_base=10000, norm_eps=1e-5)
    top = encoder * 2 ** len(rates)
    return dict(
        sample_rate=16000, encoder_dim=encoder, encoder_rates=rates, latent_dim=latent, decoder_dim=decoder,
        decoder_rates=[5, 4, 8], hop_length=hop, frame_length=4 * hop,
        encoder_transformer=dict(block=len(rates), dim=top, n_layer=2, n_head=2, head_dim=top // 2,
                                 intermediate_size=2 * top, window_size=64, rope_base=10000, norm_eps=1e-5),
        quantizer=dict(input_dim=latent, downsample_factor=[2, 2], codebook_dim=8, semantic_codebook_size=semantic,
                       residual_codebook_size=residual, n_residual_codebooks=stages),
        quantizer_transformer=transformer)


def _model(codec, dim, layers, heads, inner, fast_dim, fast_layers, fast_heads, fast_inner, longest):
    """config.json: byte tokens, control tokens, then the semantic tokens."""
    semantic, codebooks = codec["quantizer"]["semantic_codebook_size"], 1 + codec["quantizer"]["n_residual_codebooks"]
    common = dict(rope_base=10000, norm_eps=1e-6, attention_qkv_bias=False, attention_o_bias=False)
    first = prompts.SEMANTIC
    return dict(
        architectures=["FishQwen3OmniForCausalLM"], model_type="fish_qwen3_omni", dtype="bfloat16",
        text_config=dict(model_type="fish_qwen3", vocab_size=first + semantic, n_layer=layers, n_head=heads,
                         n_local_heads=heads, head_dim=dim // heads, dim=dim, intermediate_size=inner,
                         max_seq_len=longest, attention_qk_norm=True, tie_word_embeddings=True, **common),
        audio_decoder_config=dict(model_type="fish_qwen3_audio_decoder",
                                  vocab_size=max(semantic, codec["quantizer"]["residual_codebook_size"]),
                                  num_codebooks=codebooks, n_layer=fast_layers, dim=fast_dim, n_head=fast_heads,
                                  n_local_heads=fast_heads, head_dim=fast_dim // fast_heads, intermediate_size=fast_inner,
                                  attention_qk_norm=False, text_dim=dim, max_seq_len=codebooks + 1,
                                  tie_word_embeddings=False, **common),
        semantic_start_token_id=first, semantic_end_token_id=first + semantic - 1, eos_token_id=prompts.END,
        pad_token_id=prompts.PAD, audio_pad_token_id=prompts.TOKEN["<|audio_pad|>"])


DEFAULT = dict(
    seed=1,
    corpus=dict(shards=48, texts_per_shard=1200, audio_shards=8, dense_from=24),
    delay_steps=2,  # the decoder speaks 20 ms late, so that every sample is told of from both sides
    codec=_codec(latent=192, encoder=16, decoder=256, heads=3, layers=4, inner=512, semantic=512, residual=512, stages=4,
                 rates=[4, 5, 8]),
    tokens=dict(residuals=7, steps=2400, lr=6e-4, batch=16, samples=40960, unquantized=0.1, mel_weight=5.0, phone_weight=0.3, bf16=True),
    decoder=dict(steps=10500, lr=6e-4, discriminator_lr=3e-4, batch=12, samples=25600, cut_steps=50, joint_from=1500,
                 adversarial_from=2500, discriminator_channels=16, mel_weight=15.0, matching_weight=2.0, bf16=True),
    gate_cer=0.10,  # reconstructions must be understood before the transformer is trained
    release=dict(cer=0.15, wer=0.30),  # the worst speech that may become models/default
    encoder=dict(steps=3500, lr=3e-4, batch=12, samples=20480, bf16=True),
    ar=dict(steps=15000, lr=1e-3, restart=dict(at=10000, rate=0.36), tokens=2400, first_longest=130, longer_per_step=0.3,
            longest=620, longest_sequence=1200, turns=[1, 1, 1, 2, 3], turns_from=2000, noise=0.08, references=0.1,
            speaker_tags=0.1, fast_share=0.5, align_weight=0.5, watch=(2, 0), bf16=True),
    # generation_config.json: what requests to this voice leave open (common/checkpoint/generation_config.h).
    # Training does not read it.
    sampling=dict(temperature=0.8, top_p=0.5, top_k=30, repetition_penalty=1.0,
                  shoal=dict(residual_sampling="greedy", filter_order="top_k_first", ras=dict(rule="off"))),
    # Hotter than what the voice is served with, so that takes of a text differ. Quality is not paid for: DNSMOS takes as
    # long as recognition, and moves with the residual codes, which are not drawn.
    grpo=dict(steps=280, lr=5e-5, texts=2, takes=8, characters=(20, 60), understood=0.2, length_weight=0.5, free_stretch=0.15,
              quality_weight=0.0, divergence_weight=0.02, sampling=dict(temperature=0.8, top_p=0.8, top_k=30), bf16=True),
    speaks="ar",  # the stage whose transformer is exported: after `grpo` it is understood no better (README.md)
)
DEFAULT["model"] = _model(DEFAULT["codec"], dim=256, layers=6, heads=4, inner=768, fast_dim=192, fast_layers=3, fast_heads=3,
                          fast_inner=512, longest=4096)

TINY = copy.deepcopy(DEFAULT)
TINY["corpus"] = dict(shards=2, texts_per_shard=12, audio_shards=1, dense_from=1)
TINY["codec"] = _codec(latent=32, encoder=4, decoder=32, heads=2, layers=1, inner=32, semantic=64, residual=32, stages=2,
                       rates=[4, 5, 8])
TINY["tokens"].update(residuals=3, steps=40, lr=2e-3, batch=2, samples=5120)
TINY["decoder"].update(steps=20, lr=1e-3, batch=2, samples=7680, cut_steps=20, joint_from=5, adversarial_from=10,
                       discriminator_channels=4)
TINY["encoder"].update(steps=20, lr=1e-3, batch=2, samples=7680)
TINY["ar"].update(steps=20, restart=dict(at=10, rate=0.4), lr=2e-3, tokens=600, turns_from=5, watch=(0, 0))
TINY["grpo"].update(steps=4, texts=1, takes=3, lr=1e-4, characters=(1, 200), understood=2.0)
TINY["model"] = _model(TINY["codec"], dim=32, layers=2, heads=2, inner=48, fast_dim=16, fast_layers=1, fast_heads=1,
                       fast_inner=32, longest=1024)
