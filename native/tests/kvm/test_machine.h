// A machine with a guest for tests, and its console as text.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <fstream>
#include <iterator>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/kvm/machine.h"
#include "guest_image.h"
#include "memory/test_memory.h"

// The reason of a skip, where machines do not run here.
#define SKIP_WITHOUT_KVM()                                                                 \
  if (auto host = ::drover::kvm::Host::open(); !host) {                                    \
    GTEST_SKIP() << "needs /dev/kvm, which cannot be used here: " << host.error().message; \
  }

namespace drover::kvm {

using std::chrono::milliseconds;
using std::chrono::seconds;

inline constexpr auto kPatience = seconds(20);

class TestMachine {
 public:
  struct Setup {
    std::vector<uint64_t> regions = {8192};  // pages: 32 MiB
    unsigned vcpus = 1;
    Tracking tracking = Tracking::dirty_log;
    DirtyRingSettings ring{};
  };
  explicit TestMachine(const Setup& setup) : setup_(setup), memory_(make_memory(setup.regions)) {
    auto made = Machine::create({memory_.memory, setup.vcpus, setup.tracking, setup.ring, [this](const Ending& ending) {
                                   std::lock_guard lock(mutex_);
                                   ending_ = ending;
                                   ended_.notify_all();
                                 }});
    EXPECT_TRUE(made.ok()) << made.error().message;
    machine_ = made.take();
    console_ = machine_->take_console().take();
  }

  Machine& operator*() { return *machine_; }
  Machine* operator->() { return machine_.get(); }
  const TestMemory& memory() const { return memory_; }

  void boot(const std::string& guest, const std::string& line) {
    const std::vector<uint8_t> image = guest_image(guest);
    Status booted = machine_->boot({image, {}, line});
    ASSERT_TRUE(booted.ok()) << booted.error().message;
    Status resumed = machine_->resume();
    ASSERT_TRUE(resumed.ok()) << resumed.error().message;
  }

  void pause() {
    Status paused = machine_->pause(seconds(5));
    ASSERT_TRUE(paused.ok()) << paused.error().message;
  }

  // A new machine with this one's memory and state; this one stays paused.
  std::unique_ptr<TestMachine> successor() {
    auto next = std::make_unique<TestMachine>(setup_);
    for (uint64_t page = 0; page < memory_.memory->pages(); ++page) {
      std::memcpy(next->memory_.page(page), memory_.page(page), kPageSize);
    }
    auto state = machine_->save();
    EXPECT_TRUE(state.ok()) << state.error().message;
    Status loaded = (*next)->load(state.value(), ClockMode::wall);
    EXPECT_TRUE(loaded.ok()) << loaded.error().message;
    return next;
  }

  void type(const std::string& text) {
    ASSERT_EQ(::write(console_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

  // Reads the console until `text` comes; everything since the last call up to its end, or nothing at the deadline.
  std::optional<std::string> read_until(const std::string& text) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    for (;;) {
      const size_t at = unread_.find(text);
      if (at != std::string::npos) {
        std::string head = unread_.substr(0, at + text.size());
        unread_.erase(0, at + text.size());
        return head;
      }
      pollfd wait{console_.get(), POLLIN, 0};
      if (std::chrono::steady_clock::now() >= deadline || ::poll(&wait, 1, 1000) < 0) {
        ADD_FAILURE() << "\"" << text << "\" did not come, but: " << unread_.size() << " bytes ending in "
                      << unread_.substr(unread_.size() - std::min<size_t>(unread_.size(), 300));
        return std::nullopt;
      }
      char bytes[4096];
      const ssize_t got = ::read(console_.get(), bytes, sizeof bytes);
      if (got > 0) unread_.append(bytes, static_cast<size_t>(got));
    }
  }

  std::optional<Ending> wait_for_end() {
    std::unique_lock lock(mutex_);
    ended_.wait_for(lock, kPatience, [&] { return ending_.has_value(); });
    return ending_;
  }

 private:
  const Setup setup_;
  TestMemory memory_;
  std::mutex mutex_;
  std::condition_variable ended_;
  std::optional<Ending> ending_;
  std::string unread_;
  UniqueFd console_;
  // Last: its threads call back.
  std::shared_ptr<Machine> machine_;
};

}  // namespace drover::kvm
