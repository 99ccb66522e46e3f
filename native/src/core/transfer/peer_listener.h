// Accepts peers and reads the first bytes of every connection, with a deadline, before anything is made for it.
//
// One thread serves all handshakes. What does not begin like a peer is closed without an answer.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/base/unique_fd.h"
#include "core/transfer/frames.h"
#include "core/transfer/wait.h"

namespace drover {

struct Handshake {
  UniqueFd fd;  // not blocking, no delay; nothing behind the bytes below was read
  PreambleBytes preamble;
  std::optional<BulkHelloBytes> hello;  // on bulk connections
};

struct ListenerOptions {
  std::string host;
  uint16_t port;  // 0: the system chooses
  int64_t handshake_timeout_ms;
  size_t max_pending;  // connections inside their handshake; further ones are closed
  // Called on the listener's thread with every connection that began rightly; must not block.
  std::function<void(Handshake)> on_connection;
};

class PeerListener {
 public:
  // Errors: invalid_argument (host), system_call (port in use …), permission.
  static Result<std::unique_ptr<PeerListener>> open(ListenerOptions options);
  ~PeerListener();
  PeerListener(const PeerListener&) = delete;
  PeerListener& operator=(const PeerListener&) = delete;

  uint16_t port() const { return port_; }
  // Closes everything that was not handed over. Prompt, idempotent; not from on_connection.
  void close();

 private:
  struct Pending {
    UniqueFd fd;
    Deadline deadline;
    size_t have = 0;
    size_t want = kPreambleBytes;
    std::array<uint8_t, kPreambleBytes + kBulkHelloBytes> bytes;
  };
  enum class Step { wait, complete, refuse };

  PeerListener(ListenerOptions options, UniqueFd fd, uint16_t port, std::shared_ptr<CancelToken> cancel)
      : options_(std::move(options)), fd_(std::move(fd)), port_(port), cancel_(std::move(cancel)) {}
  void run();
  void accept_all();
  void advance(size_t index);
  static Step read_more(Pending& pending);

  const ListenerOptions options_;
  UniqueFd fd_;
  const uint16_t port_;
  const std::shared_ptr<CancelToken> cancel_;
  std::vector<Pending> pending_;        // the thread's own
  Deadline accept_again_ = Deadline{};  // accepting rests until then
  std::thread thread_;
};

}  // namespace drover
