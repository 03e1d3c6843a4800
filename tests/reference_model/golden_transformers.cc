#include <algorithm>
#include <cmath>
#include <functional>
#include <stdexcept>

#include "common/checkpoint/tensor_values.h"
#include "tests/reference_model/dual_ar.h"
#include "tests/reference_model/golden_cases.h"
#include "tests/support/golden.h"

namespace shoal::reference {
namespace {

using testing::GoldenFile;

// The noise of float32 logits is about 1e-5; a choice nearer than this is not for exact tests.
constexpr double kNarrow = 2e-4;
constexpr int64_t kMostFrames = 20;

const nlohmann::json kTolerance = {{"tolerance", {{"float32", {{"atol", 1e-4}, {"rtol", 1e-4}}}}}};

double RoundToBf16(double value) {
  return checkpoint::BFloat16ToFloat(checkpoint::FloatToBFloat16(static_cast<float>(value)));
}

double Largest(const std::vector<double>& logits, int64_t but = -1) {
  double largest = -INFINITY;
  for (int64_t i = 0; i < static_cast<int64_t>(logits.size()); ++i) {
    if (i != but) largest = std::max(largest, logits[i]);
  }
  return largest;
}

// Prompts of tests/golden, longest first.
std::vector<Prompt> Prompts(const GoldenFolder& folder) {
  std::vector<Prompt> prompts;
  for (const std::string& path : testing::GoldenFiles("prompts/", ".safetensors")) {
    const auto opened = checkpoint::SafetensorsFile::Open(folder.Path(path));
    const auto codes = opened->Find("batch.0.codes");
    const auto values = checkpoint::ToInt64s(*codes);
    Prompt prompt;
    prompt.token_ids = checkpoint::ToInt64s(*opened->Find("batch.0.token_ids"));
    const int64_t length = codes->shape.at(1);
    for (int64_t n = 0; n < length; ++n) {
      prompt.codes.emplace_back();
      for (int64_t k = 0; k < codes->shape[0]; ++k) {
        prompt.codes.back().push_back(values[k * length + n]);
      }
    }
    prompts.push_back(prompt);
  }
  std::stable_sort(prompts.begin(), prompts.end(), [](const Prompt& a, const Prompt& b) {
    return a.token_ids.size() > b.token_ids.size();
  });
  return prompts;
}

Prompt FirstOf(const Prompt& prompt, int64_t length) {
  return {.token_ids = {prompt.token_ids.begin(), prompt.token_ids.begin() + length},
          .codes = {prompt.codes.begin(), prompt.codes.begin() + length}};
}

GoldenArray TokenIds(const Prompt& prompt) {
  return Integers("token_ids", {static_cast<int64_t>(prompt.token_ids.size())}, prompt.token_ids);
}

void WriteSlow(const DualAr& model, const std::string& name, const Prompt& prompt, bool layers,
               GoldenFolder& folder) {
  const Array hidden = model.Hidden(prompt);
  const auto logits = model.SemanticLogits(hidden.row(hidden.size(0) - 1));
  std::vector<GoldenArray> arrays = {
      TokenIds(prompt), Codes("codes", prompt.codes, model.config().num_codebooks),
      Floats("float32.hidden", hidden),
      Floats("float32.logits_last", std::vector<float>(logits.begin(), logits.end()))};
  if (layers) {
    const std::vector<Array> outputs = model.Layers(prompt);
    arrays.push_back(Floats("float32.embedding", outputs[0]));
    for (size_t i = 1; i < outputs.size(); ++i) {
      arrays.push_back(Floats("float32.layer." + std::to_string(i - 1), outputs[i]));
    }
  }
  folder.WriteArrays("slow_ar/" + name + ".safetensors", arrays, kTolerance);
}

Array RopeTable(int64_t positions, const checkpoint::TransformerConfig& config) {
  Array table({positions, config.head_dim / 2, 2});
  for (int64_t n = 0; n < positions; ++n) {
    for (int64_t pair = 0; pair < config.head_dim / 2; ++pair) {
      const Rotation r = RotationOf(n, pair, config.head_dim, config.rope_base);
      table.row(n)[2 * pair] = r.cos;
      table.row(n)[2 * pair + 1] = r.sin;
    }
  }
  return table;
}

// Greedy residual codes of some hidden states, rounded to bf16 so that any dtype holds them.
void WriteFast(const DualAr& model, const Prompt& prompt, GoldenFolder& folder) {
  constexpr int64_t kFrames = 5;
  const auto& config = model.config();
  const int64_t k_count = config.num_codebooks, entries = config.audio.vocab_size;
  const Array states = model.Hidden(prompt);
  Array hidden({kFrames, config.text.dim}), logits({kFrames, k_count, entries});
  std::vector<int64_t> semantic, all;
  for (int64_t n = 0; n < kFrames; ++n) {
    const double* from = states.row(n * (states.size(0) - 1) / kFrames);
    std::transform(from, from + config.text.dim, hidden.row(n), RoundToBf16);
    semantic.push_back((7 + 101 * n) % config.n_semantic());
    std::vector<int64_t> codes = {semantic.back()};
    while (static_cast<int64_t>(codes.size()) < k_count) {
      const auto found = model.ResidualLogits(hidden.row(n), codes);
      std::copy(found.begin(), found.end(), logits.row(n) + codes.size() * entries);
      codes.push_back(DualAr::Greedy(found));
      if (found[codes.back()] - Largest(found, codes.back()) < kNarrow) {
        throw std::runtime_error("fast_ar: a choice is too narrow");
      }
    }
    all.insert(all.end(), codes.begin(), codes.end());
  }
  folder.WriteArrays(
      "fast_ar/fast.safetensors",
      {Floats("hidden", hidden), Integers("semantic_code", {kFrames}, semantic),
       Floats("float32.logits", logits), Integers("float32.codes", {kFrames, k_count}, all)},
      kTolerance);
}

struct Greedy {
  std::vector<std::vector<int64_t>> codes;  // [frame][codebook]
  std::vector<int64_t> semantic;            // the end token included
  std::vector<double> top1, top2;           // (tokens, codebooks); 0 for codes of the end token
  bool narrow = false;                      // noise might have chosen otherwise
};

// Whether float32 noise could round one of the best logits to another bf16.
bool RoundsNarrowly(const std::vector<double>& logits) {
  constexpr double kNoise = 4e-5;
  const double best = Largest(logits);
  return std::any_of(logits.begin(), logits.end(), [&](double x) {
    return x > best - 0.01 * std::abs(best) && RoundToBf16(x - kNoise) != RoundToBf16(x + kNoise);
  });
}

Greedy Generate(const DualAr& model, const Prompt& prompt, bool round_logits) {
  Greedy run;
  const int64_t num_codebooks = model.config().num_codebooks;
  const auto choose = [&](const std::vector<double>& logits, int64_t frame, int64_t codebook,
                          const std::vector<int64_t>&) {
    std::vector<double> seen = logits;
    if (round_logits) std::transform(seen.begin(), seen.end(), seen.begin(), RoundToBf16);
    const int64_t chosen = DualAr::Greedy(seen);
    run.top1.resize((frame + 1) * num_codebooks);
    run.top2.resize((frame + 1) * num_codebooks);
    run.top1[frame * num_codebooks + codebook] = seen[chosen];
    run.top2[frame * num_codebooks + codebook] = Largest(seen, chosen);
    if (codebook == 0) run.semantic.push_back(chosen);
    run.narrow |=
        round_logits ? RoundsNarrowly(logits) : seen[chosen] - Largest(seen, chosen) < kNarrow;
    return chosen;
  };
  run.codes = model.Generate(prompt, kMostFrames, choose);
  return run;
}

void WriteGeneration(const DualAr& model, const std::string& name, const Prompt& prompt,
                     const Greedy& run, const Greedy& rounded, GoldenFolder& folder) {
  const auto& config = model.config();
  const int64_t tokens = run.semantic.size();
  std::vector<int64_t> raw;
  for (const int64_t code : run.semantic) {
    raw.push_back(code == config.n_semantic() ? config.eos_token_id : config.semantic_start + code);
  }
  Array top1({tokens, config.num_codebooks}), top2 = top1;
  top1.data = run.top1;
  top2.data = run.top2;
  folder.WriteArrays(
      "generate/" + name + ".safetensors",
      {TokenIds(prompt), Codes("prompt_codes", prompt.codes, config.num_codebooks),
       Codes("codes", run.codes, config.num_codebooks), Integers("semantic_token", {tokens}, raw),
       Floats("top1", top1), Floats("top2", top2),
       Codes("codes_bf16_logits", rounded.codes, config.num_codebooks)},
      {{"tolerance", "codes exact"}});
}

// Beginnings of a prompt, until one speaks on and one ends by itself.
void WriteGenerations(const DualAr& model, const Prompt& prompt, GoldenFolder& folder) {
  bool plain = false, eos = false;
  for (int64_t length = 23; length < 90 && !(plain && eos); ++length) {
    const Prompt some = FirstOf(prompt, length);
    const Greedy run = Generate(model, some, false);
    const bool ended = run.semantic.size() > run.codes.size();
    if (run.narrow || run.codes.empty() || (ended ? eos : plain)) continue;
    const Greedy rounded = Generate(model, some, true);
    if (rounded.narrow) continue;
    (ended ? eos : plain) = true;
    WriteGeneration(model, ended ? "eos" : "plain", some, run, rounded, folder);
  }
  if (!plain) throw std::runtime_error("generate: every case has a choice that is too narrow");
  if (!eos) throw std::runtime_error("generate: no case ends by itself");
}

}  // namespace

void WriteTransformers(GoldenFolder& folder) {
  const DualAr model(folder.Path("checkpoint"));
  const std::vector<Prompt> prompts = Prompts(folder);
  const Prompt& longest = prompts.front();
  const Prompt& voiced = prompts.at(prompts.size() / 2);
  WriteSlow(model, "short", FirstOf(voiced, 19), false, folder);
  WriteSlow(model, "medium", voiced, true, folder);
  WriteSlow(model, "long", FirstOf(longest, 301), false, folder);
  folder.WriteArrays(
      "slow_ar/rope.safetensors",
      {Floats("slow", RopeTable(500, model.config().text)),
       Floats("fast", RopeTable(model.config().num_codebooks, model.config().audio))},
      {{"tolerance", "exact"}});
  WriteFast(model, voiced, folder);
  WriteGenerations(model, voiced, folder);
}

}  // namespace shoal::reference
