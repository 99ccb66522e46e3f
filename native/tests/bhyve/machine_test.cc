#include "core/bhyve/machine.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "bhyve/fake_vm.h"

namespace drover::bhyve {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint64_t kPages = 64;

struct TestMachine {
  std::shared_ptr<FakeHost> host;
  std::shared_ptr<Machine> machine;
};

TestMachine make_machine(FakeSettings settings, Machine::Options options = {}) {
  TestMachine made{std::make_shared<FakeHost>(std::move(settings)), nullptr};
  options.devices = made.host;
  options.vm = {"guest", kPages * kPageSize, true, false};
  auto machine = Machine::create(std::move(options));
  EXPECT_TRUE(machine.ok()) << machine.error().message;
  made.machine = machine.take();
  return made;
}

abi::vm_exit exit_of(int32_t code) {
  abi::vm_exit exit{};
  exit.exitcode = code;
  return exit;
}

abi::vm_exit reads_port(uint16_t port) {
  abi::vm_exit exit = exit_of(abi::VM_EXITCODE_INOUT);
  exit.u.inout = {0, port, 1, abi::INOUT_IN, 0, 0};
  return exit;
}

abi::vm_exit suspended(int32_t how) {
  abi::vm_exit exit = exit_of(abi::VM_EXITCODE_SUSPENDED);
  exit.u.suspended.how = how;
  return exit;
}

// Waits for what must come.
template <typename Condition>
void wait_for(const Condition& condition) {
  const auto deadline = std::chrono::steady_clock::now() + seconds(20);
  while (!condition()) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
}

class EveryMachine : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Bhyve, EveryMachine, testing::Range(12, 19));

TEST_P(EveryMachine, APauseStopsEveryProcessorAndTheKernelsDevicesAndAResumeStartsThem) {
  Machine::Options options;
  options.vcpus = 3;
  TestMachine made = make_machine(version(GetParam()), options);
  std::atomic<uint64_t> steps[3] = {};
  for (int index = 0; index < 3; ++index) {
    made.host->vm().vcpus[index].guest = [&steps, index](const abi::vm_entry&) {
      ++steps[index];
      return std::optional<abi::vm_exit>();
    };
  }
  for (int round = 0; round < 5; ++round) {
    ASSERT_TRUE(made.machine->resume().ok());
    for (auto& each : steps) {
      const uint64_t before = each;
      wait_for([&] { return each > before; });
    }
    Status paused = made.machine->pause(seconds(10));
    ASSERT_TRUE(paused.ok()) << paused.error().message;
    EXPECT_EQ(made.machine->state(), Machine::State::paused);
    EXPECT_TRUE(made.host->vm().paused);
    const uint64_t before[] = {steps[0], steps[1], steps[2]};
    std::this_thread::sleep_for(milliseconds(3));
    for (int index = 0; index < 3; ++index) EXPECT_EQ(steps[index], before[index]);
    EXPECT_TRUE(made.machine->pause(seconds(10)).ok());
  }
}

TEST_P(EveryMachine, APauseNeverStopsBetweenAnAccessAndItsAnswer) {  // R3
  std::atomic<uint64_t> asked = 0, answered = 0;
  Machine::Options options;
  options.on_port = [&](const PortAccess& access) {
    EXPECT_EQ(access.port, 0x3fd);
    EXPECT_TRUE(access.in);
    return 0x60u;
  };
  TestMachine made = make_machine(version(GetParam()), options);
  made.host->vm().vcpus[0].guest = [&](const abi::vm_entry& entry) -> std::optional<abi::vm_exit> {
    if (entry.cmd == abi::VEC_FULFILL_INOUT) {
      EXPECT_EQ(entry.u.inout.eax, 0x60u);
      EXPECT_EQ(entry.u.inout.port, 0x3fd);
      ++answered;
    }
    ++asked;
    return reads_port(0x3fd);
  };
  for (int round = 0; round < 30; ++round) {
    ASSERT_TRUE(made.machine->resume().ok());
    const uint64_t before = answered;
    wait_for([&] { return answered > before; });
    ASSERT_TRUE(made.machine->pause(seconds(10)).ok());
    EXPECT_FALSE(made.host->vm().vcpus[0].pending.has_value());
  }
}

TEST_P(EveryMachine, APageWrittenWhileRunningReachesTheTracker) {  // R5
  TestMachine made = make_machine(version(GetParam()));
  std::atomic<uint64_t> next = 0;
  made.host->vm().vcpus[0].guest = [&](const abi::vm_entry&) {
    made.host->guest_writes((next++ % kPages) * kPageSize, static_cast<uint8_t>(next));
    return std::optional<abi::vm_exit>();
  };
  ASSERT_TRUE(made.machine->tracker().start().ok());
  ASSERT_TRUE(made.machine->resume().ok());
  DirtyBitmap seen(kPages);
  for (int round = 0; round < 20; ++round) made.machine->tracker().collect(seen);
  wait_for([&] { return next >= kPages; });
  ASSERT_TRUE(made.machine->pause(seconds(10)).ok());
  made.machine->tracker().collect(seen);
  EXPECT_EQ(seen.count(), kPages);
  DirtyBitmap none(kPages);
  EXPECT_EQ(made.machine->tracker().collect(none).dirty_pages, 0u);
}

TEST_P(EveryMachine, AStateMovesToAFreshMachineAndOnlyToAFreshOne) {
  TestMachine source = make_machine(version(GetParam()));
  EXPECT_EQ(source.machine->save().error().code, Code::closed);
  ASSERT_TRUE(source.machine->resume().ok());
  EXPECT_EQ(source.machine->save().error().code, Code::closed);
  ASSERT_TRUE(source.machine->pause(seconds(10)).ok());
  source.host->vm().vcpus[0].registers[abi::VM_REG_GUEST_RIP] = 0x1234;
  auto state = source.machine->save();
  ASSERT_TRUE(state.ok()) << state.error().message;
  TestMachine destination = make_machine(version(GetParam()));
  Status loaded = destination.machine->load(state.value(), machine::ClockMode::wall);
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  EXPECT_TRUE(destination.host->vm().paused);
  EXPECT_EQ(destination.host->vm().vcpus[0].registers[abi::VM_REG_GUEST_RIP], 0x1234u);
  EXPECT_EQ(destination.machine->load(state.value(), machine::ClockMode::wall).error().code, Code::closed);
  ASSERT_TRUE(destination.machine->resume().ok());
  EXPECT_FALSE(destination.host->vm().paused);
}

TEST(BhyveMachine, APauseThatTimesOutStaysAskedForAndAResumeTakesItBack) {
  std::atomic<bool> stuck = true;
  Machine::Options options;
  std::atomic<int> entered = 0;
  options.on_port = [&](const PortAccess&) {
    ++entered;
    while (stuck) std::this_thread::sleep_for(std::chrono::microseconds(100));
    return 0u;
  };
  TestMachine made = make_machine({}, options);
  made.host->vm().vcpus[0].guest = [](const abi::vm_entry&) { return std::optional(reads_port(1)); };
  ASSERT_TRUE(made.machine->resume().ok());
  wait_for([&] { return entered > 0; });
  Status paused = made.machine->pause(milliseconds(5));
  ASSERT_FALSE(paused.ok());
  EXPECT_EQ(paused.error().code, Code::timeout);
  EXPECT_FALSE(made.host->vm().paused);
  stuck = false;
  ASSERT_TRUE(made.machine->pause(seconds(10)).ok());
  EXPECT_TRUE(made.host->vm().paused);

  ASSERT_TRUE(made.machine->resume().ok());
  stuck = true;
  int before = entered;
  wait_for([&] { return entered > before; });
  EXPECT_EQ(made.machine->pause(milliseconds(5)).error().code, Code::timeout);
  ASSERT_TRUE(made.machine->resume().ok());
  stuck = false;
  before = entered;
  wait_for([&] { return entered > before + 5; });
}

TEST(BhyveMachine, AGuestThatEndsOrFailsIsReportedOnceWithItsRegisters) {
  struct Case {
    abi::vm_exit exit;
    Ending::Kind kind;
    const char* says;
  };
  const Case cases[] = {
      {suspended(abi::VM_SUSPEND_TRIPLEFAULT), Ending::Kind::failed, "triple fault"},
      {exit_of(abi::VM_EXITCODE_INST_EMUL), Ending::Kind::failed, "cannot emulate"},
      {exit_of(abi::VM_EXITCODE_PAGING), Ending::Kind::failed, "exit 8"},
      {exit_of(99), Ending::Kind::failed, "exit 99"},
      {suspended(abi::VM_SUSPEND_RESET), Ending::Kind::reset, "reset"},
      {suspended(abi::VM_SUSPEND_POWEROFF), Ending::Kind::power_off, "switched itself off"},
  };
  for (const Case& each : cases) {
    std::mutex mutex;
    std::vector<Ending> endings;
    Machine::Options options;
    options.vcpus = 2;
    options.on_end = [&](const Ending& ending) {
      std::lock_guard lock(mutex);
      endings.push_back(ending);
    };
    TestMachine made = make_machine({}, options);
    for (int index = 0; index < 2; ++index) {
      made.host->vm().vcpus[index].guest = [&](const abi::vm_entry&) { return std::optional(each.exit); };
      made.host->vm().vcpus[index].registers[abi::VM_REG_GUEST_RIP] = 0xabc;
    }
    ASSERT_TRUE(made.machine->resume().ok());
    wait_for([&] { return made.machine->state() == Machine::State::ended; });
    EXPECT_TRUE(made.machine->pause(seconds(10)).ok());
    EXPECT_EQ(made.machine->resume().error().code, Code::closed);
    EXPECT_EQ(made.machine->save().error().code, Code::closed);
    made.machine.reset();
    ASSERT_EQ(endings.size(), 1u) << each.says;
    EXPECT_EQ(endings[0].kind, each.kind);
    EXPECT_NE(endings[0].message.find(each.says), std::string::npos) << endings[0].message;
    EXPECT_EQ(endings[0].registers.find("rip=abc") != std::string::npos, each.kind == Ending::Kind::failed);
  }
}

TEST(BhyveMachine, AFailureOfOneProcessorStopsTheOthers) {
  Machine::Options options;
  options.vcpus = 2;
  TestMachine made = make_machine({}, options);
  std::atomic<uint64_t> steps = 0;
  made.host->vm().vcpus[0].guest = [&](const abi::vm_entry&) -> std::optional<abi::vm_exit> {
    if (steps > 3) return exit_of(abi::VM_EXITCODE_INST_EMUL);
    return std::nullopt;
  };
  made.host->vm().vcpus[1].guest = [&](const abi::vm_entry&) {
    ++steps;
    return std::optional<abi::vm_exit>();
  };
  ASSERT_TRUE(made.machine->resume().ok());
  wait_for([&] { return made.machine->state() == Machine::State::ended; });
  wait_for([&] {
    std::lock_guard lock(made.host->mutex);
    return !made.host->vm().vcpus[1].in_guest && made.host->vm().vcpus[1].suspended;
  });
  EXPECT_EQ(made.machine->resume().error().code, Code::closed);
}

TEST(BhyveMachine, AnUnknownMsrIsAFaultForTheGuestAndMemoryWithoutADeviceReadsAsOnes) {
  TestMachine made = make_machine({});
  std::atomic<int> step = 0;
  std::atomic<uint64_t> read = 0;
  made.host->vm().vcpus[0].guest = [&](const abi::vm_entry& entry) -> std::optional<abi::vm_exit> {
    if (entry.cmd == abi::VEC_FULFILL_MMIO) read = entry.u.mmio.data;
    switch (step++) {
      case 0: return exit_of(abi::VM_EXITCODE_RDMSR);
      case 1: return exit_of(abi::VM_EXITCODE_WRMSR);
      case 2: {
        abi::vm_exit exit = exit_of(abi::VM_EXITCODE_MMIO);
        exit.u.mmio = {4, 1, {}, 0xd0000000, 0};
        return exit;
      }
      default: return std::nullopt;
    }
  };
  ASSERT_TRUE(made.machine->resume().ok());
  wait_for([&] { return step > 3; });
  ASSERT_TRUE(made.machine->pause(seconds(10)).ok());
  EXPECT_EQ(made.host->vm().vcpus[0].faults, 2);
  EXPECT_EQ(read, UINT64_MAX);
  EXPECT_EQ(made.machine->state(), Machine::State::paused);
}

TEST(BhyveMachine, MoreProcessorsThanBhyveHasAreRefusedBeforeAnyCall) {
  for (const int vcpus : {0, -1, 33}) {
    Machine::Options options;
    options.vcpus = vcpus;
    auto host = std::make_shared<FakeHost>();
    options.devices = host;
    options.vm = {"guest", kPageSize, true, false};
    auto machine = Machine::create(options);
    ASSERT_FALSE(machine.ok());
    EXPECT_EQ(machine.error().code, Code::limit);
  }
  Machine::Options options;
  options.vcpus = 32;
  EXPECT_NE(make_machine({}, options).machine, nullptr);
}

TEST(BhyveMachine, ARunningMachineEndsAtOnceAndLeavesNothing) {  // R12
  for (int number = 12; number <= 18; ++number) {
    TestMachine made = make_machine(version(number));
    ASSERT_TRUE(made.machine->resume().ok());
    made.machine.reset();
    EXPECT_TRUE(made.host->vms.empty());
  }
}

}  // namespace
}  // namespace drover::bhyve
