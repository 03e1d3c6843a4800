// Runs one operation on a text of a given shape and length, for callgrind to count.
// Usage: text_cost SHAPE BYTES; "text_cost shapes" lists the shapes.
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

#include "services/preprocess/text/text_splitter.h"
#include "services/preprocess/text/tokenizer.h"
#include "tests/support/golden.h"

namespace {

using shoal::preprocess::ControlTokens;
using shoal::preprocess::TextSplitter;
using shoal::preprocess::Tokenizer;

constexpr struct {
  const char* name;
  const char* unit;  // repeated
} kShapes[] = {{"one_letter", "a"},     {"spaces", " "},          {"newlines", "\n"},
               {"space_lines", " \n"},  {"digits", "7"},          {"marks", "\u0301\u0323"},
               {"angles", "<|"},        {"half_tokens", "<|im_"}, {"apostrophes", "it's"},
               {"ideographs", "\u6F22"}};

std::string Text(const std::string& shape, size_t bytes) {
  std::string text;
  if (shape == "word" || shape == "splitter") {
    std::mt19937 random(1);
    while (text.size() < bytes) {
      const bool space = shape == "splitter" && random() % 6 == 0;
      text += space ? ' ' : "etaoinshrdlucmfwypvbgkjqxz"[random() % 26];
    }
  }
  for (const auto& known : kShapes) {
    while (shape == known.name && text.size() < bytes) text += known.unit;
  }
  return text;
}

}  // namespace

// What is counted. Not inlined, by name.
extern "C" __attribute__((noinline, visibility("default"))) size_t CountedEncode(
    const Tokenizer& tokenizer, const std::string& text) {
  const auto ids = tokenizer.Encode(text, ControlTokens::kAsText);
  return ids.ok() ? ids->size() : 0;
}

extern "C" __attribute__((noinline, visibility("default"))) size_t CountedSplit(
    TextSplitter& splitter, const std::string& text) {
  const auto turns = splitter.Append(text);
  return turns.ok() ? turns->size() : 0;
}

int main(int argc, char** argv) {
  if (argc == 2 && std::string(argv[1]) == "shapes") {
    std::puts("word splitter");
    for (const auto& shape : kShapes) std::puts(shape.name);
    return 0;
  }
  // Loaded before the text is made: a hash table's cost depends on its address a little, and that
  // must be the same for every length.
  const auto tokenizer = Tokenizer::Load(shoal::testing::GoldenCheckpoint() + "/tokenizer.json");
  if (!tokenizer.ok()) {
    std::fprintf(stderr, "%s\n", tokenizer.status().ToString().c_str());
    return 1;
  }
  const std::string text = argc == 3 ? Text(argv[1], std::strtoull(argv[2], nullptr, 10)) : "";
  if (text.empty()) {
    std::fprintf(stderr, "usage: text_cost SHAPE BYTES | text_cost shapes\n");
    return 2;
  }
  if (std::string(argv[1]) == "splitter") {
    auto splitter = TextSplitter::Create(200);
    return splitter.ok() && CountedSplit(*splitter, text) > 0 ? 0 : 1;
  }
  return CountedEncode(*tokenizer, text) > 0 ? 0 : 1;
}
