// Reads JSON values one by one and remembers the first that is wrong, by its path.
//
// A JsonReader serves one file and one thread; nodes point into the parsed document, which its
// caller owns. After a failure every value reads as empty, so callers look at status() at the end.
#ifndef SHOAL_SERVICES_PREPROCESS_TEXT_TOKENIZER_JSON_H_
#define SHOAL_SERVICES_PREPROCESS_TEXT_TOKENIZER_JSON_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace shoal::preprocess {

// A value and where it stands, e.g. "model.merges[3]"; "" is the whole file.
struct JsonNode {
  const nlohmann::json* value;
  std::string path;
};

class JsonReader {
 public:
  const absl::Status& status() const { return status_; }
  void Fail(const JsonNode& node, absl::string_view what);

  // The object's member, or null when there is none.
  JsonNode Member(const JsonNode& object, const std::string& key);
  std::vector<JsonNode> Elements(const JsonNode& array);
  void RefuseOtherKeys(const JsonNode& object, std::initializer_list<absl::string_view> known);

  bool Bool(const JsonNode& node);
  bool BoolOr(const JsonNode& node, bool absent);
  std::string String(const JsonNode& node);
  int32_t TokenId(const JsonNode& node);
  // Refuses something that is not supported unless it is absent, null or `neutral`.
  void RequireUnset(const JsonNode& node, const nlohmann::json& neutral = nullptr);

 private:
  absl::Status status_;
  const nlohmann::json null_;
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_TEXT_TOKENIZER_JSON_H_
