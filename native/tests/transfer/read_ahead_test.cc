#include "core/transfer/read_ahead.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <optional>
#include <random>
#include <thread>

#include "core/transfer/cancel.h"

namespace drover {
namespace {

struct Pair {
  Pair() {
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) std::abort();
    sender = UniqueFd(fds[0]);
    auto adopted = Stream::adopt(UniqueFd(fds[1]), 2000, *token);
    stream.emplace(adopted.take());
  }
  std::shared_ptr<CancelToken> token = CancelToken::create().take();
  UniqueFd sender;
  std::optional<Stream> stream;
};

std::vector<uint8_t> numbered(size_t bytes) {
  std::vector<uint8_t> all(bytes);
  for (size_t at = 0; at < bytes; at++) all[at] = static_cast<uint8_t>(at * 31 + at / 251);
  return all;
}

// Whatever the pieces are that bytes come in and are asked for in, every byte is handed out once and in order.
TEST(ReadAhead, HandsOutEveryByteOnceAndInOrder) {
  for (uint32_t seed = 0; seed < 30; seed++) {
    std::mt19937 random(seed);
    const auto all = numbered(1 << 20);
    Pair pair;
    std::thread writer([&, written = std::mt19937(seed + 1000)]() mutable {
      for (size_t at = 0; at < all.size();) {
        const size_t piece = std::min<size_t>(all.size() - at, 1 + written() % 40000);
        const ssize_t sent = send(pair.sender.get(), all.data() + at, piece, MSG_NOSIGNAL);
        if (sent < 0) return;
        at += static_cast<size_t>(sent);
      }
      pair.sender.reset();
    });
    ReadAhead ahead(*pair.stream);
    std::vector<uint8_t> got;
    while (got.size() < all.size()) {
      const size_t most = all.size() - got.size();
      const size_t wanted = std::min<size_t>(most, random() % 3 == 0 ? 1 + random() % 300000 : 1 + random() % 5000);
      if (random() % 2 == 0) {
        auto taken = ahead.take(wanted);
        ASSERT_TRUE(taken.ok());
        got.insert(got.end(), taken.value().begin(), taken.value().end());
      } else {
        std::vector<uint8_t> into(wanted);
        ASSERT_TRUE(ahead.receive(into).ok());
        got.insert(got.end(), into.begin(), into.end());
      }
    }
    EXPECT_EQ(got, all) << seed;
    uint8_t none;
    auto more = ahead.receive_unless_ended({&none, 1});
    ASSERT_TRUE(more.ok());
    EXPECT_FALSE(more.value());
    writer.join();
  }
}

TEST(ReadAhead, AnEndInTheMiddleIsALostConnection) {
  Pair pair;
  const auto some = numbered(100);
  ASSERT_EQ(send(pair.sender.get(), some.data(), some.size(), 0), 100);
  pair.sender.reset();
  ReadAhead ahead(*pair.stream);
  ASSERT_TRUE(ahead.take(60).ok());
  auto rest = ahead.take(60);
  ASSERT_FALSE(rest.ok());
  EXPECT_EQ(rest.error().code, Code::connection_lost);
}

}  // namespace
}  // namespace drover
