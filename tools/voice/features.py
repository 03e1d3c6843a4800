"""Log-mel spectra: what the quantiser is trained to tell, and what the waveform decoder is compared in."""

import functools
import math

import torch
import torch.nn.functional as F

STEP = 160  # samples between two rows of features: 10 ms
FRONT = ((1024, 80), (256, 40))  # (window, bands): pitch and envelope, and timing
BANDS = sum(bands for _, bands in FRONT)
FLOOR = 3e-4  # amplitudes below -70 dB are silence


@functools.lru_cache(None)
def mel_bank(window, bands, sample_rate=16000):
    """(bands, window / 2 + 1) triangles on the mel scale, for amplitudes of a Hann window."""
    mel = lambda hertz: 2595 * math.log10(1 + hertz / 700)
    hertz = lambda m: 700 * (10 ** (m / 2595) - 1)
    points = torch.tensor([hertz(m) for m in torch.linspace(0, mel(sample_rate / 2), bands + 2).tolist()])
    bins = torch.linspace(0, sample_rate / 2, window // 2 + 1)
    rising = (bins[None] - points[:-2, None]) / (points[1:-1] - points[:-2])[:, None]
    falling = (points[2:, None] - bins[None]) / (points[2:] - points[1:-1])[:, None]
    return torch.minimum(rising, falling).clamp(min=0) * (4 / window)


@functools.lru_cache(None)
def hann(window):
    return torch.hann_window(window)


def spectrum(audio, window, step):
    """(batch, samples) -> complex (batch, bins, steps); windows end where their step ends."""
    return torch.stft(F.pad(audio, (window - step, 0)), window, step, window=hann(window), center=False, return_complex=True)


def log_mel(audio, window, bands, step, floor=FLOOR):
    return torch.log10((mel_bank(window, bands) @ spectrum(audio, window, step).abs()).clamp(min=floor))


def front_features(audio):
    """(batch, samples) -> (batch, BANDS, samples / STEP): what can be known at the end of every step."""
    return torch.cat([log_mel(audio, window, bands, STEP) for window, bands in FRONT], 1)
