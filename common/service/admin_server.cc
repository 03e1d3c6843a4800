#include "common/service/admin_server.h"

#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "boost/asio.hpp"
#include "boost/beast/core.hpp"
#include "boost/beast/http.hpp"
#include "common/service/host_port.h"

namespace shoal::service {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;

// Everything but the constructor runs on the one thread of `context_`.
class AdminServer::Server {
 public:
  explicit Server(Options options)
      : options_(std::move(options)), context_(1), acceptor_(context_), pause_(context_) {}

  absl::Status Listen() {
    const absl::StatusOr<HostPort> where = ParseHostPort(options_.listen);
    if (!where.ok()) return where.status();
    beast::error_code error;
    const auto fail = [&](absl::string_view what) {
      return absl::UnavailableError(
          absl::StrCat("cannot ", what, " ", options_.listen, ": ", error.message()));
    };
    const auto found = tcp::resolver(context_).resolve(where->host, absl::StrCat(where->port),
                                                       tcp::resolver::numeric_service, error);
    if (error) return fail("resolve");
    const tcp::endpoint endpoint = found.begin()->endpoint();
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (!error) bound_ = acceptor_.local_endpoint(error);
    if (error) return fail("listen on");
    return absl::OkStatus();
  }

  void Run() {
    Accept();
    thread_ = std::thread([this] { context_.run(); });
  }

  void Stop() {
    context_.stop();
    if (thread_.joinable()) thread_.join();
    stopped_ = true;
  }

  const tcp::endpoint& bound() const { return bound_; }

 private:
  class Connection;

  // Waits until there is room: a connection beyond the limit stays in the kernel's backlog.
  void Accept() {
    if (connections_ >= options_.max_connections) {
      accepting_ = false;
      return;
    }
    accepting_ = true;
    acceptor_.async_accept([this](beast::error_code error, tcp::socket socket) {
      if (!error) {
        Serve(std::move(socket));
        Accept();
      } else {
        // Out of file descriptors, most likely: try again later instead of spinning.
        pause_.expires_after(std::chrono::milliseconds(100));
        pause_.async_wait([this](beast::error_code) { Accept(); });
      }
    });
  }

  void Serve(tcp::socket socket);

  void ConnectionEnded() {
    --connections_;
    if (!accepting_ && !stopped_) Accept();
  }

  http::response<http::string_body> Answer(const http::request<http::empty_body>& request) const;

  const Options options_;
  size_t connections_ = 0;
  bool accepting_ = false;
  bool stopped_ = false;
  asio::io_context context_;  // its destructor ends connections, so what they use stands before it
  tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  tcp::endpoint bound_;
  std::thread thread_;
};

// One connection, kept alive by its pending operation.
class AdminServer::Server::Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Server* server, tcp::socket socket) : server_(server), stream_(std::move(socket)) {
    ++server_->connections_;
  }
  ~Connection() { server_->ConnectionEnded(); }

  void Read() {
    parser_.emplace();
    parser_->header_limit(static_cast<uint32_t>(server_->options_.max_header_bytes));
    stream_.expires_after(absl::ToChronoNanoseconds(server_->options_.timeout));
    http::async_read(
        stream_, buffer_, *parser_,
        [self = shared_from_this()](beast::error_code error, size_t) { self->OnRead(error); });
  }

 private:
  void OnRead(beast::error_code error) {
    if (!error) {
      response_ = server_->Answer(parser_->get());
    } else if (error.category() == beast::error_code(http::error::end_of_stream).category() &&
               error != http::error::end_of_stream && error != http::error::partial_message) {
      // The parser's errors: the peer is there and has sent something that is no such request.
      response_ = {};
      response_.result(error == http::error::header_limit
                           ? http::status::request_header_fields_too_large
                           : http::status::bad_request);
      response_.keep_alive(false);
      response_.prepare_payload();
    } else {
      return;
    }
    stream_.expires_after(absl::ToChronoNanoseconds(server_->options_.timeout));
    http::async_write(
        stream_, response_,
        [self = shared_from_this()](beast::error_code error, size_t) { self->OnWritten(error); });
  }

  void OnWritten(beast::error_code error) {
    if (error) return;
    if (response_.keep_alive()) {
      Read();
    } else {
      stream_.socket().shutdown(tcp::socket::shutdown_send, error);
    }
  }

  Server* const server_;
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_{server_->options_.max_header_bytes + 1024};
  std::optional<http::request_parser<http::empty_body>> parser_;
  http::response<http::string_body> response_;
};

void AdminServer::Server::Serve(tcp::socket socket) {
  std::make_shared<Connection>(this, std::move(socket))->Read();
}

http::response<http::string_body> AdminServer::Server::Answer(
    const http::request<http::empty_body>& request) const {
  http::response<http::string_body> response(http::status::ok, request.version());
  response.set(http::field::content_type, "text/plain; charset=utf-8");
  response.set(http::field::cache_control, "no-store");
  response.keep_alive(request.keep_alive());
  const auto target = request.target().substr(0, request.target().find('?'));
  const bool known = target == "/metrics" || target == "/health" || target == "/readyz";
  const bool head = request.method() == http::verb::head;
  if (!known) {
    response.result(http::status::not_found);
    response.body() = "not found: there are /metrics, /health and /readyz\n";
  } else if (request.method() != http::verb::get && !head) {
    response.result(http::status::method_not_allowed);
    response.set(http::field::allow, "GET, HEAD");
    response.body() = "only GET and HEAD\n";
  } else if (target == "/metrics") {
    response.set(http::field::content_type, "text/plain; version=0.0.4; charset=utf-8");
    if (options_.metrics) response.body() = options_.metrics();
  } else if (target == "/health") {
    response.body() = "ok\n";
  } else {
    const std::string reason = options_.not_ready ? options_.not_ready() : "";
    if (!reason.empty()) response.result(http::status::service_unavailable);
    response.body() = reason.empty() ? "ready\n" : reason + "\n";
  }
  response.prepare_payload();
  if (head) response.body().clear();  // Content-Length stays
  return response;
}

AdminServer::AdminServer(std::unique_ptr<Server> server) : server_(std::move(server)) {}

AdminServer::~AdminServer() { server_->Stop(); }

absl::StatusOr<std::unique_ptr<AdminServer>> AdminServer::Start(Options options) {
  try {  // Asio throws when it cannot have a file descriptor or a thread
    auto server = std::make_unique<Server>(std::move(options));
    if (absl::Status status = server->Listen(); !status.ok()) return status;
    server->Run();
    return std::unique_ptr<AdminServer>(new AdminServer(std::move(server)));
  } catch (const std::exception& error) {
    return absl::ResourceExhaustedError(absl::StrCat("admin server: ", error.what()));
  }
}

uint16_t AdminServer::port() const { return server_->bound().port(); }

std::string AdminServer::address() const {
  const asio::ip::address address = server_->bound().address();
  const std::string host = address.to_string();
  return absl::StrCat(address.is_v6() ? absl::StrCat("[", host, "]") : host, ":", port());
}

}  // namespace shoal::service
