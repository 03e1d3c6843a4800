#include "services/preprocess/front/request_parser.h"

#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/unknown_field_set.h"
#include "grpcpp/support/slice.h"
#include "services/preprocess/errors/errors.h"
#include "services/preprocess/text/utf8.h"

namespace shoal::preprocess {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::UnknownField;
using google::protobuf::UnknownFieldSet;

std::string Join(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string joined;
  if (!buffer.Dump(&slices).ok()) return joined;
  joined.reserve(buffer.Length());
  for (const grpc::Slice& slice : slices) {
    joined.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return joined;
}

// Path of the first string field of `bytes`, read as a `type`, that is not UTF-8; empty when there
// is none or the bytes are no message at all. `prefix` is the path of the message itself.
// The depth is that of the message types, which do not nest in themselves.
std::string FindBadString(const std::string& bytes, const Descriptor* type,
                          const std::string& prefix) {
  UnknownFieldSet fields;
  if (!fields.ParseFromString(bytes)) return "";
  std::map<int, int> seen;
  for (int i = 0; i < fields.field_count(); ++i) {
    const UnknownField& field = fields.field(i);
    const FieldDescriptor* known = type->FindFieldByNumber(field.number());
    if (known == nullptr || field.type() != UnknownField::TYPE_LENGTH_DELIMITED) continue;
    std::string path = absl::StrCat(prefix, prefix.empty() ? "" : ".", known->name());
    if (known->is_repeated()) absl::StrAppend(&path, "[", seen[field.number()]++, "]");
    if (known->type() == FieldDescriptor::TYPE_STRING) {
      if (FindInvalidUtf8(field.length_delimited())) return path;
    } else if (known->type() == FieldDescriptor::TYPE_MESSAGE) {
      std::string inner = FindBadString(field.length_delimited(), known->message_type(), path);
      if (!inner.empty()) return inner;
    }
  }
  return "";
}

}  // namespace

absl::Status ParseRequest(const grpc::ByteBuffer& bytes, google::protobuf::Message* request) {
  const std::string joined = Join(bytes);
  if (request->ParseFromString(joined)) return absl::OkStatus();
  const std::string field = FindBadString(joined, request->GetDescriptor(), "");
  if (!field.empty()) {
    return InvalidField(field, "not valid UTF-8; expected UTF-8 text", reason::kTextNotUtf8);
  }
  return WithReason(absl::InvalidArgumentError(
                        absl::StrCat("not a ", request->GetDescriptor()->full_name(), " message")),
                    reason::kMalformed);
}

grpc::ByteBuffer SerializeResponse(const google::protobuf::Message& response) {
  const grpc::Slice slice(response.SerializeAsString());
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace shoal::preprocess
