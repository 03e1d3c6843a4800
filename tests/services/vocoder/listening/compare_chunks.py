#!/usr/bin/env python3
"""Shows and lets one hear that speech decoded in chunks is speech decoded at once.

    compare_chunks.py DECODE_CHUNKS CHECKPOINT CODES.npz OUT [UTTERANCE]

DECODE_CHUNKS is the binary of that name, CODES.npz one of the voice kit's
(codes: (codebooks, frames), frames: of each utterance). Writes OUT.png, and
OUT.once.wav, OUT.chunked.wav and OUT.fresh.wav: at once; in chunks that follow
a listener's buffer, with the stream lost and replayed on the way; and, for
comparison, the same chunks without carried state. Needs numpy and matplotlib.
"""
import pathlib
import subprocess
import sys
import wave

import matplotlib
import numpy as np

matplotlib.use('Agg')
import matplotlib.pyplot as plt  # noqa: E402

FLOOR_DB = -140


def decode(binary, checkpoint, codes, prefix):
    """Runs the binary; -> signals by name, chunk starts, frame of the loss, rate, frame length."""
    np.ascontiguousarray(codes.T, dtype='<i4').tofile(f'{prefix}.codes')
    lines = subprocess.run([binary, checkpoint, f'{prefix}.codes', prefix], check=True, text=True,
                           stdout=subprocess.PIPE).stdout.splitlines()
    names = ('once', 'chunked', 'fresh')
    signals = {name: np.fromfile(f'{prefix}.{name}', dtype='<f4') for name in names}
    for name in names + ('codes',):
        pathlib.Path(f'{prefix}.{name}').unlink()
    rate, length = map(int, lines[2].split())
    return signals, [int(x) for x in lines[0].split()], int(lines[1]), rate, length


def spectrogram(samples, window=512, hop=128):
    """-> (bins, time) in dB of full scale."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, window)[::hop] * np.hanning(window)
    power = np.abs(np.fft.rfft(frames)) / (window / 4)
    return np.maximum(20 * np.log10(power + 1e-12), FLOOR_DB).T


def write_wav(path, samples, rate):
    with wave.open(str(path), 'wb') as file:
        file.setparams((1, 2, rate, 0, 'NONE', ''))
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype('<i2').tobytes())


def draw(path, signals, chunks, lost, rate, length):
    once = signals['once']
    difference = signals['chunked'] - once
    fresh = signals['fresh'] - once
    rows = [('decoded at once', once), (f'decoded in {len(chunks)} chunks', signals['chunked']),
            (f'their difference: at most {np.abs(difference).max():.1e}', difference),
            (f'chunks without carried state, difference: {np.abs(fresh).max():.1e}', fresh)]
    figure, axes = plt.subplots(len(rows), 1, figsize=(14, 11), sharex=True, layout='constrained')
    seconds = len(once) / rate
    for axis, (title, samples) in zip(axes, rows):
        image = axis.imshow(spectrogram(samples), origin='lower', aspect='auto', cmap='magma',
                            vmin=FLOOR_DB, vmax=0, extent=(0, seconds, 0, rate / 2000))
        axis.set(title=title, ylabel='kHz')
        for chunk in chunks:
            axis.axvline(chunk * length / rate, ymax=0.04, color='cyan', linewidth=1)
        axis.axvline(lost * length / rate, color='lime', linewidth=1, linestyle=':')
    axes[-1].set_xlabel('seconds; cyan: where chunks begin, green: stream lost and replayed')
    figure.colorbar(image, ax=axes, label='dB')
    figure.savefig(path, dpi=80)


def main(binary, checkpoint, codes_file, out, utterance='0'):
    kit = np.load(codes_file)
    ends = np.cumsum(kit['frames'])
    end = int(ends[int(utterance)])
    codes = kit['codes'][:, end - int(kit['frames'][int(utterance)]):end]
    signals, chunks, lost, rate, length = decode(binary, checkpoint, codes, out)
    for name, samples in signals.items():
        write_wav(f'{out}.{name}.wav', samples, rate)
    draw(f'{out}.png', signals, chunks, lost, rate, length)
    sizes = np.diff(chunks + [codes.shape[1]])
    print('frames', codes.shape[1], 'chunks', len(chunks), 'of', sizes.tolist())
    for name in ('chunked', 'fresh'):
        print(name, 'differs by at most', float(np.abs(signals[name] - signals['once']).max()))


if __name__ == '__main__':
    main(*sys.argv[1:])
