// The bulk pass over loopback TCP, sender and receiver in this process: incompressible memory, by channels, by what is
// there at the destination, and by the size of a data frame.
#include <sys/mman.h>
#include <unistd.h>

#include <memory>

#include "core/transfer/bulk_receiver.h"
#include "core/transfer/bulk_sender.h"
#include "core/transfer/peer_listener.h"
#include "measure.h"

using namespace drover;

namespace {

[[noreturn]] void die(const Error& error) {
  std::fprintf(stderr, "%s\n", error.message.c_str());
  std::exit(1);
}

template <typename T>
T need(Result<T> result) {
  if (!result) die(result.error());
  return result.take();
}

std::shared_ptr<GuestMemory> make_memory(uint64_t bytes) {
  const UniqueFd fd(::memfd_create("drover-bench", MFD_CLOEXEC));
  if (::ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) die(errno_error("ftruncate", "cannot make memory"));
  const RegionSpec spec{"ram", fd.get(), 0, bytes};
  return need(GuestMemory::open({&spec, 1}));
}

void fill(const GuestMemory& memory) {
  auto* words = reinterpret_cast<uint64_t*>(memory.region(0).data());
  for (uint64_t i = 0; i < memory.pages() * kPageSize / 8; i++) words[i] = (i + 1) * 0x9e3779b97f4a7c15;
}

bench::Sample pass(const std::shared_ptr<GuestMemory>& source, uint16_t channels, bool populated,
                   uint32_t frame_pages) {
  const uint64_t bytes = source->pages() * kPageSize;
  const auto destination = make_memory(bytes);
  if (populated) std::memset(destination->region(0).data(), 1, bytes);
  auto receiver = need(BulkReceiver::create({destination, channels, 1, 10'000, 0, {}}));
  auto listener = need(PeerListener::open({"127.0.0.1", 0, 10'000, 100, [&](Handshake handshake) {
                                             need(receiver->add_channel(std::move(handshake.fd), *handshake.hello));
                                           }}));
  auto sender = need(
      BulkSender::create({source, "127.0.0.1", listener->port(), channels, 1, {}, 10'000, 10'000, "", 0, frame_pages}));
  need(sender->connect());
  auto torn = std::make_shared<DirtyBitmap>(source->pages());
  const bench::Sample sample = bench::measure([&] { need(sender->send_round(0, nullptr, torn)); });
  sender->close();
  receiver->close();
  return sample;
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Options options = bench::parse(argc, argv);
  const auto source = make_memory(options.mib << 20);
  fill(*source);
  std::vector<bench::Case> channels;
  for (const bool populated : {false, true}) {
    for (const uint16_t count : {1, 2, 4}) {
      channels.push_back({std::to_string(count) + (count == 1 ? " channel, " : " channels, ") +
                              (populated ? "populated destination" : "fresh destination"),
                          [&source, count, populated] { return pass(source, count, populated, kFramePages); }});
    }
  }
  bench::compare("bulk pass by channels", options, channels);
  std::vector<bench::Case> frames;
  for (const bool populated : {false, true}) {
    for (const uint32_t pages : {8, 16, 32, 64, 128, 256}) {
      frames.push_back(
          {"2 channels, " + std::to_string(pages) + " pages a frame, " + (populated ? "populated" : "fresh"),
           [&source, pages, populated] { return pass(source, 2, populated, pages); }});
    }
  }
  bench::compare("bulk pass by frame size", options, frames);
  return 0;
}
