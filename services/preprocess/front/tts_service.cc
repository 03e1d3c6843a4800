#include "services/preprocess/front/tts_service.h"

#include "common/service/version.h"
#include "services/preprocess/front/request_parser.h"
#include "services/preprocess/front/streaming_call.h"
#include "services/preprocess/front/whole_file_call.h"

namespace shoal::preprocess {
namespace {

absl::Time DeadlineOf(const grpc::CallbackServerContext& call) {
  const auto deadline = call.deadline();
  return deadline == decltype(deadline)::max() ? absl::InfiniteFuture()
                                               : absl::FromChrono(deadline);
}

}  // namespace

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* TtsService::StreamingSynthesize(
    grpc::CallbackServerContext* call) {
  return new StreamingCall(context_, sessions_, DeadlineOf(*call), call);
}

grpc::ServerUnaryReactor* TtsService::Synthesize(grpc::CallbackServerContext* call,
                                                 const grpc::ByteBuffer* request,
                                                 grpc::ByteBuffer* response) {
  return new WholeFileCall(context_, sessions_, DeadlineOf(*call), *request, response);
}

grpc::ServerUnaryReactor* TtsService::GetServerInfo(
    grpc::CallbackServerContext* call, const tts::v1::GetServerInfoRequest* /*request*/,
    tts::v1::GetServerInfoResponse* response) {
  const ModelFacts& model = context_->model;
  const RequestLimits& limits = context_->options.request;
  response->set_version(service::Version());
  response->set_model(model.name);
  response->set_sample_rate_hz(model.sample_rate_hz);
  response->set_num_codebooks(model.num_codebooks);
  response->set_frame_rate_hz(static_cast<double>(model.sample_rate_hz) / model.frame_length);
  response->set_max_text_bytes(static_cast<uint32_t>(limits.max_text_bytes));
  response->set_max_reference_bytes(static_cast<uint32_t>(limits.max_reference_bytes));
  response->set_max_reference_seconds(limits.max_reference_seconds);
  response->set_max_references(static_cast<uint32_t>(limits.max_references));
  *response->mutable_sampling() = model.sampling;
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

}  // namespace shoal::preprocess
