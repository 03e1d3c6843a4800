"""The page: figures, then every sentence with its players, spectrograms and what was heard."""

import html
import os

import numpy as np

import audio

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #1c2733; }
h1 { font-size: 1.5rem; } table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .3rem .9rem .3rem 0; text-align: right; font-variant-numeric: tabular-nums; } th:first-child, td:first-child { text-align: left; }
thead th { border-bottom: 1px solid #9aa7b4; font-weight: 600; } section { border-top: 1px solid #d6dde4; padding: .8rem 0; }
.text { font-size: 1.1rem; } .takes { display: flex; flex-wrap: wrap; gap: 1.2rem; margin-top: .5rem; } .take { width: 21rem; }
.take img { width: 100%; height: 8.5rem; display: block; border-radius: 3px; } audio { width: 100%; height: 2rem; margin-top: .2rem; }
.heard { color: #51606e; } .bad { color: #a3261b; } small { color: #51606e; }
"""


def figure(value, places=3):
    return "" if value is None else f"{value:.{places}f}"


def summary(run):
    parts = [f"WER {run['wer']:.3f}", f"CER {run['cer']:.3f}"]
    parts += [f"{label} {run[key]:.3f}" for key, label in (("rtf", "RTF"), ("dnsmos", "DNSMOS"), ("similarity", "similarity"))
              if run[key] is not None]
    return f"{run['name']}: {', '.join(parts)}, {run['audio_seconds']:.0f} s of audio, {run['failed']} failed"


def spectrogram(samples, path, window=400, hop=100):
    """A PNG of 0 to 8 kHz over time, 80 dB deep."""
    import matplotlib
    matplotlib.use("agg")
    from matplotlib import pyplot

    padded = np.pad(audio.as_float(samples), (0, window))
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop] * np.hanning(window)
    level = 20 * np.log10(np.abs(np.fft.rfft(frames, 512)).T + 1e-7)
    top = level.max() if len(samples) else 0
    pyplot.imsave(path, level[::-1], cmap="magma", vmin=top - 80, vmax=top)


def take_html(folder, run, line):
    picture = os.path.splitext(line["recording"])[0] + ".png"
    spectrogram(audio.read(os.path.join(folder, line["recording"])), os.path.join(folder, picture))
    notes = [f"CER {line['cer']:.2f}", f"{line['audio_seconds']:.1f} s"]
    notes += [f"{label} {line[key]:.2f}" for key, label in (("dnsmos", "DNSMOS"), ("similarity", "similarity"))
              if line[key] is not None]
    heard = html.escape(line["heard"]) or "<i>nothing</i>"
    error = f'<div class="bad">{html.escape(line["error"])}</div>' if line["error"] else ""
    return (f'<div class="take"><small>{html.escape(run["name"])}: {", ".join(notes)}</small>'
            f'<img src="{picture}" alt="spectrogram"><audio controls preload="none" src="{line["recording"]}"></audio>'
            f'<div class="heard{" bad" if line["cer"] > 0.3 else ""}">{heard}</div>{error}</div>')


def write_html(folder, result):
    runs = result["runs"] + ([result["teacher"]] if result["teacher"] else [])
    rows = "".join(
        f"<tr><td>{html.escape(r['name'])}</td><td>{figure(r['wer'])}</td><td>{figure(r['cer'])}</td><td>{figure(r['rtf'])}</td>"
        f"<td>{figure(r['dnsmos'], 2)}</td><td>{figure(r['similarity'], 2)}</td><td>{r['audio_seconds']:.0f}</td>"
        f"<td>{r['failed']}</td></tr>" for r in runs)
    parts = [f"<!doctype html><meta charset=utf-8><title>Speech evaluation</title><style>{STYLE}</style>",
             f"<h1>Speech evaluation</h1><p>{result['sentences']} sentences, heard by {html.escape(result['recogniser'])}. "
             f"Median over the seeds: WER {result['median']['wer']:.3f}, CER {result['median']['cer']:.3f}.</p>",
             "<table><thead><tr><th>speaker<th>WER<th>CER<th>RTF<th>DNSMOS<th>similarity<th>audio, s<th>failed</tr></thead>",
             f"<tbody>{rows}</tbody></table>"]
    for i in range(result["sentences"]):
        takes = "".join(take_html(folder, r, r["sentences"][i]) for r in runs)
        parts.append(f'<section><div class="text">{html.escape(runs[0]["sentences"][i]["text"])}</div>'
                     f'<div class="takes">{takes}</div></section>')
    with open(os.path.join(folder, "report.html"), "w", encoding="utf-8") as f:
        f.write("\n".join(parts))
