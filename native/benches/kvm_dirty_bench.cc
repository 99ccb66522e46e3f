// What the trackers of /dev/kvm cost on a guest that is not written: starting, and collecting with arming again.
#include <cstring>
#include <thread>

#include "core/kvm/machine.h"
#include "core/memory/memfd.h"
#include "measure.h"

using namespace drover;

namespace {

double micros(const std::function<void()>& work) { return bench::measure(work).seconds * 1e6; }

int fail(const Error& error) {
  std::fprintf(stderr, "%s\n", error.message.c_str());
  return 1;
}

int run(const bench::Options& options, kvm::Tracking tracking, const char* name) {
  const uint64_t bytes = options.mib << 20;
  auto file = create_memfd("bench", bytes);
  if (!file) return fail(file.error());
  const RegionSpec specs[] = {{"ram", file.value().get(), 0, bytes}};
  auto memory = GuestMemory::open(specs);
  if (!memory) return fail(memory.error());
  // Every page is there, and clean.
  std::memset(memory.value()->region(0).data(), 1, bytes);
  auto machine = kvm::Machine::create({memory.value(), 1, tracking, {}, {}});
  if (!machine) return fail(machine.error());
  DirtyTracker& tracker = machine.value()->tracker();
  DirtyBitmap bitmap(memory.value()->pages());
  const double gib = static_cast<double>(bytes) / (1 << 30);
  const double start = micros([&] { (void)tracker.start().ok(); }) / gib;
  const double first = micros([&] { tracker.collect(bitmap); }) / gib;
  std::vector<double> clean;
  for (int index = 0; index < options.runs * 20; index++) {
    clean.push_back(micros([&] { tracker.collect(bitmap); }) / gib);
  }
  std::sort(clean.begin(), clean.end());
  const double median = clean[clean.size() / 2];
  if (options.json) {
    std::printf("{\"name\":\"%s\",\"microsPerGiB\":{\"start\":%.1f,\"first\":%.1f,\"clean\":%.1f,\"worst\":%.1f}}\n",
                name, start, first, median, clean.back());
  } else {
    std::printf("%-16s us per GiB: start %.1f, first collection %.1f, clean collection %.1f (worst %.1f)\n", name,
                start, first, median, clean.back());
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Options options = bench::parse(argc, argv);
  auto host = kvm::Host::open();
  if (!host) {
    std::fprintf(stderr, "skipped: %s\n", host.error().message.c_str());
    return 0;
  }
  if (host.value()->has_dirty_log() && run(options, kvm::Tracking::dirty_log, "kvm-dirty-log") != 0) return 1;
  if (host.value()->dirty_ring_bytes() > 0) return run(options, kvm::Tracking::dirty_ring, "kvm-dirty-ring");
  return 0;
}
