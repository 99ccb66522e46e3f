// Ways to get runs of 64 pages from 2 loopback connections into shared memory: what the receiver's choice rests on.
// Both ends look at every page once (zero scan and CRC32C on one side, CRC32C on the other), as a transfer does.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "core/base/unique_fd.h"
#include "core/memory/guest_memory.h"
#include "core/simd/crc32c.h"
#include "core/simd/zero_scan.h"
#include "measure.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

using namespace drover;

namespace {

constexpr size_t kConnections = 2;
constexpr size_t kRun = 64 * kPageSize;

enum class Way { straight, populate_run, ask_then_straight, bounce_and_write };

void check(bool ok, const char* what) {
  if (ok) return;
  std::perror(what);
  std::exit(1);
}

struct Connection {
  UniqueFd near;
  UniqueFd far;
};

Connection connection() {
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  check(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), length) == 0, "bind");
  check(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0, "getsockname");
  check(::listen(listener.get(), 1) == 0, "listen");
  Connection both{UniqueFd(::socket(AF_INET, SOCK_STREAM, 0)), {}};
  check(::connect(both.near.get(), reinterpret_cast<sockaddr*>(&address), length) == 0, "connect");
  both.far = UniqueFd(::accept(listener.get(), nullptr, nullptr));
  return both;
}

void send_all(int fd, const uint8_t* from, size_t length) {
  for (size_t at = 0; at < length; at += kRun) {
    for (size_t page = 0; page < kRun; page += kPageSize) check(!is_zero(from + at + page, kPageSize), "zero page");
    volatile uint32_t crc = crc32c(0, from + at, kRun);
    static_cast<void>(crc);
    for (size_t sent = 0; sent < kRun;) {
      const ssize_t bytes = ::send(fd, from + at + sent, kRun - sent, MSG_NOSIGNAL);
      check(bytes > 0, "send");
      sent += static_cast<size_t>(bytes);
    }
  }
}

void receive_all(int fd, int file, uint8_t* mapping, size_t offset, size_t length, Way way) {
  std::vector<uint8_t> bounce(kRun);
  for (size_t at = offset; at < offset + length; at += kRun) {
    if (way == Way::populate_run) check(::madvise(mapping + at, kRun, MADV_POPULATE_WRITE) == 0, "madvise");
    std::array<unsigned char, kRun / kPageSize> resident;
    if (way == Way::ask_then_straight) check(::mincore(mapping + at, kRun, resident.data()) == 0, "mincore");
    uint8_t* to = way == Way::bounce_and_write ? bounce.data() : mapping + at;
    for (size_t have = 0; have < kRun;) {
      const ssize_t bytes = ::recv(fd, to + have, kRun - have, 0);
      check(bytes > 0, "recv");
      have += static_cast<size_t>(bytes);
    }
    volatile uint32_t crc = crc32c(0, to, kRun);
    static_cast<void>(crc);
    if (way == Way::bounce_and_write) {
      check(::pwrite(file, to, kRun, static_cast<off_t>(at)) == static_cast<ssize_t>(kRun), "pwrite");
    }
  }
}

bench::Sample run(const uint8_t* source, size_t bytes, Way way, bool populated) {
  const UniqueFd file(::memfd_create("drover-bench", MFD_CLOEXEC));
  check(::ftruncate(file.get(), static_cast<off_t>(bytes)) == 0, "ftruncate");
  auto* mapping = static_cast<uint8_t*>(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0));
  check(mapping != MAP_FAILED, "mmap");
  if (populated) std::memset(mapping, 1, bytes);
  std::vector<Connection> connections;
  for (size_t index = 0; index < kConnections; index++) connections.push_back(connection());
  const size_t part = bytes / kConnections;
  const bench::Sample sample = bench::measure([&] {
    std::vector<std::thread> threads;
    for (size_t index = 0; index < kConnections; index++) {
      threads.emplace_back([&, index] { send_all(connections[index].near.get(), source + index * part, part); });
      threads.emplace_back(
          [&, index] { receive_all(connections[index].far.get(), file.get(), mapping, index * part, part, way); });
    }
    for (std::thread& thread : threads) thread.join();
  });
  ::munmap(mapping, bytes);
  return sample;
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Options options = bench::parse(argc, argv);
  const size_t bytes = options.mib << 20;
  auto* source =
      static_cast<uint8_t*>(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  check(source != MAP_FAILED, "mmap");
  for (size_t i = 0; i < bytes / 8; i++) reinterpret_cast<uint64_t*>(source)[i] = (i + 1) * 0x9e3779b97f4a7c15;
  std::vector<bench::Case> cases;
  for (const bool populated : {false, true}) {
    const std::string memory = populated ? "populated: " : "fresh: ";
    for (const auto& [name, way] :
         std::initializer_list<std::pair<const char*, Way>>{{"recv() straight", Way::straight},
                                                            {"mincore(), recv() straight", Way::ask_then_straight},
                                                            {"MADV_POPULATE_WRITE a run, recv()", Way::populate_run},
                                                            {"recv() to a buffer, pwrite()", Way::bounce_and_write}}) {
      cases.push_back({memory + name, [=, way = way] { return run(source, bytes, way, populated); }});
    }
  }
  bench::compare("receiving", options, cases);
  return 0;
}
