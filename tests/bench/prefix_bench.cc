// Hit rates of the prefix cache: lines `name value unit`. Needs no model.
#include "tests/bench/prefix_hits.h"

int main() { shoal::bench::BenchPrefixHits(); }
