"""Recordings as every measure wants them: mono, 16 kHz, int16."""

import wave

import numpy as np

RATE = 16000


def nothing():
    return np.zeros(0, np.int16)


def read(path):
    """Any recording that libsndfile reads."""
    import soundfile
    import soxr

    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = samples.mean(1)
    if rate != RATE and len(mono):
        mono = soxr.resample(mono, rate, RATE)
    return (np.clip(mono, -1, 1) * 32767).astype(np.int16)


def write(path, samples):
    """samples: int16 at RATE."""
    with wave.open(path, "wb") as w:
        w.setnchannels(1)
        w.setsampwidth(2)
        w.setframerate(RATE)
        w.writeframes(samples.tobytes())


def as_float(samples):
    return samples.astype(np.float32) / 32768
