// write_golden CHECKPOINT OUT: a golden folder for a checkpoint of any sizes, computed by the
// reference model. The golden tests run on it with SHOAL_GOLDEN_DIR=OUT, so that they show more
// than the sizes of tests/golden. Texts, token ids and the sampler's cases come from there.

#include <cstdio>
#include <exception>

#include "tests/reference_model/golden_cases.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: write_golden CHECKPOINT OUT\n");
    return 2;
  }
  try {
    shoal::reference::GoldenFolder folder(argv[2]);
    shoal::reference::WriteCheckpoint(argv[1], folder);
    shoal::reference::WriteTexts(folder);
    shoal::reference::WriteTransformers(folder);
    shoal::reference::WriteCodec(folder);
    folder.WriteManifest();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "write_golden: %s\n", error.what());
    return 1;
  }
  return 0;
}
