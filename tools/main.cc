// `shoal-checkpoint COMMAND ...`: looks at, converts, makes and verifies checkpoint directories.
// Exits 0 when all is well, 2 with one line that says what is wrong otherwise.

#include <cstdio>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/service/flag_set.h"
#include "common/service/version.h"
#include "tools/convert_codec.h"
#include "tools/inspect.h"
#include "tools/make_tiny.h"
#include "tools/verify.h"

namespace shoal::tools {
namespace {

constexpr char kProgram[] = "shoal-checkpoint";

// Parses the flags and the one argument that every command takes.
std::string ParseCommand(service::FlagSet& flags, const char* argument, int argc,
                         const char* const* argv) {
  std::vector<std::string> arguments;
  flags.AllowPositional(argument, &arguments);
  flags.ParseOrExit(argc, argv);
  if (arguments.size() != 1) {
    flags.Fail(absl::StrCat("expected one argument, ", argument, ", not ", arguments.size()));
  }
  return arguments[0];
}

service::FlagSet Flags(const char* command, const char* purpose) {
  return service::FlagSet(absl::StrCat(kProgram, " ", command), purpose);
}

void Inspect(int argc, const char* const* argv) {
  bool tensors = false;
  service::FlagSet flags = Flags("inspect", "Says what a checkpoint directory holds.");
  flags.Add("tensors", &tensors, "list every tensor");
  const std::string directory = ParseCommand(flags, "DIR", argc, argv);
  const absl::StatusOr<std::string> text = InspectCheckpoint(directory, tensors);
  if (!text.ok()) flags.Fail(text.status().message());
  std::fputs(text->c_str(), stdout);
}

void Convert(int argc, const char* const* argv) {
  std::string output;
  service::FlagSet flags =
      Flags("convert-codec",
            "Turns a codec.pth into codec.safetensors and codec.json, executing nothing.");
  flags.Add("output", &output,
            "folder to write to, which may hold codec.json; empty: that of codec.pth");
  flags.Short('o', "output");
  const std::string path = ParseCommand(flags, "codec.pth", argc, argv);
  const absl::StatusOr<ConvertedCodec> result = ConvertCodec(path, output);
  if (!result.ok()) flags.Fail(result.status().message());
  std::printf("%s/codec.safetensors: %lld tensors, sizes of %s; %lld other tensors skipped\n",
              result->directory.c_str(), static_cast<long long>(result->tensors),
              result->sizes_from.c_str(), static_cast<long long>(result->skipped));
}

void AddModelFlags(service::FlagSet& flags, TinyOptions& o) {
  flags.Add("layers", &o.layers, "layers of the slow transformer");
  flags.Add("dim", &o.dim, "its width");
  flags.Add("heads", &o.heads, "its attention heads");
  flags.Add("kv-heads", &o.kv_heads, "its key/value heads");
  flags.Add("head-dim", &o.head_dim, "their width");
  flags.Add("ffn", &o.ffn, "its feed-forward width");
  flags.Add("max-seq-len", &o.max_seq_len, "its positions");
  flags.Add("vocab-size", &o.vocab_size,
            "rows of its embedding; 0: the tokenizer's and some padding");
  flags.Add("untied", &o.untied, "give it a head of its own");
  flags.Add("qk-norm", &o.qk_norm, "normalise its queries and keys");
  flags.Add("attention-bias", &o.attention_bias, "give attention projections a bias");
  flags.Add("codebooks", &o.codebooks, "codes a frame, the semantic one included");
  flags.Add("semantic-entries", &o.semantic_entries, "entries of the semantic codebook");
  flags.Add("residual-entries", &o.residual_entries, "entries of each residual codebook");
  flags.Add("fast-entries", &o.fast_entries,
            "outputs of the fast transformer; 0: semantic-entries");
  flags.Add("fast-layers", &o.fast_layers, "layers of the fast transformer");
  flags.Add("fast-dim", &o.fast_dim, "its width; 0: dim, or 3/4 of it with --project-in");
  flags.Add("fast-heads", &o.fast_heads, "its attention heads");
  flags.Add("fast-kv-heads", &o.fast_kv_heads, "its key/value heads");
  flags.Add("fast-head-dim", &o.fast_head_dim, "their width");
  flags.Add("fast-ffn", &o.fast_ffn, "its feed-forward width");
  flags.Add("fast-qk-norm", &o.fast_qk_norm, "normalise its queries and keys");
  flags.Add("project-in", &o.project_in, "make its width another than the slow one's");
}

void AddCodecFlags(service::FlagSet& flags, TinyOptions& o) {
  flags.Add("sample-rate", &o.sample_rate, "samples a second");
  flags.Add("rates", &o.rates, "the codec encoder's strides; the decoder's are the same, reversed");
  flags.Add("downsample", &o.downsample, "the quantizer's strides");
  flags.Add("encoder-dim", &o.encoder_dim,
            "first channels of the codec encoder; they double per stride");
  flags.Add("latent-dim", &o.latent_dim, "channels between encoder, quantizer and decoder");
  flags.Add("decoder-dim", &o.decoder_dim,
            "first channels of the codec decoder; they halve per stride");
  flags.Add("codebook-dim", &o.codebook_dim, "width of a codebook's entries");
  flags.Add("codec-layers", &o.codec_layers, "layers of each of the codec's transformers");
  flags.Add("codec-dim", &o.codec_dim, "width of the quantizer's transformers; 0: latent-dim");
  flags.Add("codec-head-dim", &o.codec_head_dim, "width of their heads");
  flags.Add("codec-window", &o.codec_window, "positions that they see");
  flags.Add("encoder-transformer", &o.encoder_transformer, "give the codec encoder a transformer");
}

void MakeTiny(int argc, const char* const* argv) {
  TinyOptions options;
  service::FlagSet flags = Flags(
      "make-tiny", "Writes a small random checkpoint: it speaks noise, but everything works.");
  flags.Add("seed", &options.seed, "equal seeds and sizes give equal bytes");
  flags.Add("shards", &options.shards, "files to cut the transformers' weights into");
  AddModelFlags(flags, options);
  AddCodecFlags(flags, options);
  const std::string directory = ParseCommand(flags, "DIR", argc, argv);
  const absl::Status status = MakeTinyCheckpoint(directory, options);
  if (!status.ok()) flags.Fail(status.message());
  std::printf("%s: made\n", directory.c_str());
}

void Verify(int argc, const char* const* argv) {
  service::FlagSet flags =
      Flags("verify", "Checks that a checkpoint directory can be served, reading every byte.");
  const std::string directory = ParseCommand(flags, "DIR", argc, argv);
  const absl::StatusOr<Verified> result = VerifyCheckpoint(directory);
  if (!result.ok()) flags.Fail(result.status().message());
  for (const std::string& note : result->notes) std::printf("note: %s\n", note.c_str());
  std::printf("%s: good (%lld tensors of the transformers, %lld of the codec)\n", directory.c_str(),
              static_cast<long long>(result->transformer_tensors),
              static_cast<long long>(result->codec_tensors));
}

struct Command {
  const char* name;
  const char* usage;
  void (*run)(int argc, const char* const* argv);
};
constexpr Command kCommands[] = {
    {"inspect", "inspect DIR                    says what a checkpoint directory holds", Inspect},
    {"convert-codec", "convert-codec codec.pth [-o DIR]  turns it into what servers read", Convert},
    {"make-tiny", "make-tiny DIR                  writes a small random checkpoint", MakeTiny},
    {"verify", "verify DIR                     checks that a checkpoint can be served", Verify},
};

std::string Usage() {
  std::string text = absl::StrCat("usage: ", kProgram, " COMMAND ...\n\n");
  for (const Command& command : kCommands) absl::StrAppend(&text, "  ", command.usage, "\n");
  absl::StrAppend(&text, "\n", kProgram, " COMMAND --help lists the command's flags.\n");
  return text;
}

int Run(int argc, const char* const* argv) {
  const absl::string_view name = argc > 1 ? argv[1] : "";
  if (name == "--help" || name == "-h") {
    std::fputs(Usage().c_str(), stdout);
    return 0;
  }
  if (name == "--version") {
    std::printf("%s %s (%s)\n", kProgram, service::Version(), service::Compiler());
    return 0;
  }
  for (const Command& command : kCommands) {
    if (name != command.name) continue;
    command.run(argc - 1, argv + 1);
    return 0;
  }
  std::fprintf(stderr,
               "%s: expected a command (inspect, convert-codec, make-tiny or verify), not \"%s\"\n",
               kProgram, std::string(name).c_str());
  return 2;
}

}  // namespace
}  // namespace shoal::tools

int main(int argc, char** argv) { return shoal::tools::Run(argc, argv); }
