// The teacher: speaks one text per line of standard input with Flite's built-in `rms` voice.
//
//   teacher OUT < texts      writes
//   OUT.i16   all audio, 16-bit mono at 16 kHz, one utterance after the other
//   OUT.tsv   per utterance: first_sample  n_samples  text  words  phones
//             words:  token:first_phone:end_phone joined by blanks (token as Flite cut it from the text, in order)
//             phones: name:end_ms joined by blanks
#include <flite/flite.h>
#include <stdio.h>
#include <string.h>

cst_voice *register_cmu_us_rms(const char *);

// Numbers the segments, then walks token -> word -> syllable -> segment.
static void write_words(FILE *out, cst_utterance *u) {
  int count = 0;
  for (cst_item *s = relation_head(utt_relation(u, "Segment")); s; s = item_next(s))
    item_set_int(s, "index", count++);
  const char *gap = "";
  for (cst_item *t = relation_head(utt_relation(u, "Token")); t; t = item_next(t)) {
    int first = -1, end = -1;
    for (cst_item *w = item_daughter(t); w; w = item_next(w)) {
      cst_item *ws = item_as(w, "SylStructure");
      for (cst_item *sy = ws ? item_daughter(ws) : NULL; sy; sy = item_next(sy))
        for (cst_item *sg = item_daughter(sy); sg; sg = item_next(sg)) {
          int i = item_feat_int(sg, "index");
          if (first < 0) first = i;
          end = i + 1;
        }
    }
    fprintf(out, "%s%s:%d:%d", gap, item_feat_string(t, "name"), first, end);
    gap = " ";
  }
}

static void write_phones(FILE *out, cst_utterance *u) {
  const char *gap = "";
  for (cst_item *s = relation_head(utt_relation(u, "Segment")); s; s = item_next(s)) {
    fprintf(out, "%s%s:%d", gap, item_feat_string(s, "name"),
            (int)(item_feat_float(s, "end") * 1000 + .5));
    gap = " ";
  }
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: teacher OUT < texts\n");
    return 2;
  }
  char path[4096], line[4096];
  flite_init();
  cst_voice *voice = register_cmu_us_rms(NULL);
  snprintf(path, sizeof path, "%s.i16", argv[1]);
  FILE *audio = fopen(path, "wb");
  snprintf(path, sizeof path, "%s.tsv", argv[1]);
  FILE *table = fopen(path, "w");
  if (!audio || !table) {
    perror(path);
    return 1;
  }
  long start = 0;
  while (fgets(line, sizeof line, stdin)) {
    line[strcspn(line, "\r\n")] = 0;
    if (!line[0]) continue;
    cst_utterance *u = flite_synth_text(line, voice);
    cst_wave *wave = utt_wave(u);
    fwrite(wave->samples, 2, wave->num_samples, audio);
    fprintf(table, "%ld\t%d\t%s\t", start, wave->num_samples, line);
    start += wave->num_samples;
    write_words(table, u);
    fputc('\t', table);
    write_phones(table, u);
    fputc('\n', table);
    delete_utterance(u);
  }
  return fclose(audio) || fclose(table);
}
