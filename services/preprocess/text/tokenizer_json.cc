#include "services/preprocess/text/tokenizer_json.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"

namespace shoal::preprocess {

void JsonReader::Fail(const JsonNode& node, absl::string_view what) {
  if (!status_.ok()) return;
  status_ = absl::InvalidArgumentError(
      absl::StrCat(node.path.empty() ? "the file" : node.path, ": ", what));
}

JsonNode JsonReader::Member(const JsonNode& object, const std::string& key) {
  const std::string path = object.path.empty() ? key : absl::StrCat(object.path, ".", key);
  if (!object.value->is_object()) {
    Fail(object, "expected an object");
    return {&null_, path};
  }
  const auto found = object.value->find(key);
  return {found == object.value->end() ? &null_ : &*found, path};
}

std::vector<JsonNode> JsonReader::Elements(const JsonNode& array) {
  std::vector<JsonNode> elements;
  if (!array.value->is_array()) Fail(array, "expected an array");
  if (!status_.ok()) return elements;
  elements.reserve(array.value->size());
  for (size_t i = 0; i < array.value->size(); ++i) {
    elements.push_back({&(*array.value)[i], absl::StrCat(array.path, "[", i, "]")});
  }
  return elements;
}

void JsonReader::RefuseOtherKeys(const JsonNode& object,
                                 std::initializer_list<absl::string_view> known) {
  if (!object.value->is_object()) return Fail(object, "expected an object");
  for (const auto& item : object.value->items()) {
    const bool is_known = std::find(known.begin(), known.end(), item.key()) != known.end();
    if (!is_known) Fail(Member(object, item.key()), "unknown key");
  }
}

bool JsonReader::Bool(const JsonNode& node) {
  if (!node.value->is_boolean()) Fail(node, "expected true or false");
  return status_.ok() && node.value->get<bool>();
}

bool JsonReader::BoolOr(const JsonNode& node, bool absent) {
  return node.value->is_null() ? absent : Bool(node);
}

std::string JsonReader::String(const JsonNode& node) {
  if (!node.value->is_string()) Fail(node, "expected a string");
  return status_.ok() ? node.value->get<std::string>() : std::string();
}

int32_t JsonReader::TokenId(const JsonNode& node) {
  const bool fits = node.value->is_number_unsigned() &&
                    node.value->get<uint64_t>() < std::numeric_limits<int32_t>::max();
  if (!fits) Fail(node, "expected a token id, a whole number from 0 to 2147483646");
  return status_.ok() ? node.value->get<int32_t>() : 0;
}

void JsonReader::RequireUnset(const JsonNode& node, const nlohmann::json& neutral) {
  if (node.value->is_null() || *node.value == neutral) return;
  Fail(node, absl::StrCat("not supported, expected ", neutral.is_null() ? "null" : neutral.dump()));
}

}  // namespace shoal::preprocess
