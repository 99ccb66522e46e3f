#include <algorithm>
#include <thread>

#include "core/kvm/state/cpu_access.h"
#include "core/kvm/state/machine_state.h"
#include "core/kvm/stopped_clock.h"
#include "kvm/test_machine.h"

namespace drover::kvm {
namespace {

// Nothing that the guest checks may have gone wrong up to where it prints `text`.
void expect_good_until(TestMachine& machine, const std::string& text) {
  const auto read = machine.read_until(text);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->find("BAD"), std::string::npos) << *read;
}

TEST(KvmState, KeepsTicksTimeRegistersAndMsrsOverTenHops) {
  SKIP_WITHOUT_KVM();
  auto machine = std::make_unique<TestMachine>(TestMachine::Setup{.vcpus = 2});
  machine->boot("drover-state.elf", "check=run");
  expect_good_until(*machine, "\nT 40\n");
  for (int hop = 0; hop < 10; ++hop) {
    machine->pause();
    auto next = machine->successor();
    machine = std::move(next);
    ASSERT_TRUE((*machine)->resume().ok());
    expect_good_until(*machine, "\nT ");
  }
}

TEST(KvmState, KeepsInputThatWaitsInTheSerialPort) {
  SKIP_WITHOUT_KVM();
  TestMachine machine({});
  machine.boot("drover-state.elf", "check=input");
  ASSERT_TRUE(machine.read_until("STATE\n"));
  machine.type("half-full");
  ASSERT_TRUE(machine.read_until("DATA\n"));
  std::this_thread::sleep_for(milliseconds(50));
  machine.pause();
  auto state = read_payloads((*machine).save().value(), 1);
  ASSERT_TRUE(state.ok());
  ASSERT_EQ(state.value().serial.port.received_bytes, 9);
  auto next = machine.successor();
  ASSERT_TRUE((*next)->resume().ok());
  ASSERT_TRUE(next->read_until("INPUT half-full\n"));
}

TEST(KvmState, DeliversAnInterruptThatWasPendingAtThePause) {
  SKIP_WITHOUT_KVM();
  TestMachine machine({});
  machine.boot("drover-state.elf", "check=pending");
  ASSERT_TRUE(machine.read_until("PENDING\n"));
  machine.pause();
  auto state = read_payloads((*machine).save().value(), 1);
  ASSERT_TRUE(state.ok());
  ASSERT_EQ(state.value().pics[0].chip.irr & 1, 1) << "the timer's interrupt is not pending";
  auto next = machine.successor();
  ASSERT_TRUE((*next)->resume().ok());
  ASSERT_TRUE(next->read_until("DELIVERED\n"));
}

// What a machine took on it gives out again, but for what goes on by itself: the times, the timer and its interrupt.
TEST(KvmState, IsLoadedAheadOfMemoryWhereThatTouchesNone_R3) {
  SKIP_WITHOUT_KVM();
  TestMachine machine({});
  machine.boot("drover-state.elf", "check=run");
  ASSERT_TRUE(machine.read_until("STATE\n"));
  machine.pause();
  const auto payloads = (*machine).save().value();
  TestMachine next({});
  auto ahead = (*next).load_ahead(payloads, ClockMode::wall);
  ASSERT_TRUE(ahead.ok()) << ahead.error().message;
  EXPECT_TRUE(ahead.value());
  EXPECT_EQ((*next).state(), Machine::State::paused);
  EXPECT_TRUE((*next).finish_load().ok()) << "nothing is left to do";
  EXPECT_FALSE((*next).load_ahead(payloads, ClockMode::wall).ok()) << "a machine is loaded once";
}

TEST(KvmState, WaitsForMemoryWhereLoadingItTouchesSome_R3) {
  SKIP_WITHOUT_KVM();
  TestMachine machine({});
  machine.boot("drover-state.elf", "check=run");
  ASSERT_TRUE(machine.read_until("STATE\n"));
  machine.pause();
  auto state = read_payloads((*machine).save().value(), 1).take();
  // Paging whose directories KVM reads as it is told of it.
  state.cpus[0].sregs.cr0 |= 1ull << 31;
  state.cpus[0].sregs.cr4 |= 1u << 5;
  const auto payloads = write_payloads(state);
  TestMachine next({});
  auto ahead = (*next).load_ahead(payloads, ClockMode::wall);
  ASSERT_TRUE(ahead.ok()) << ahead.error().message;
  EXPECT_FALSE(ahead.value());
  EXPECT_EQ((*next).state(), Machine::State::made);
  EXPECT_EQ((*next).resume().error().code, Code::closed) << "nothing runs before it is loaded";
  EXPECT_FALSE((*next).load_ahead(payloads, ClockMode::wall).ok()) << "one state is kept";
  ASSERT_TRUE((*next).finish_load().ok());
  EXPECT_EQ((*next).state(), Machine::State::paused);
}

TEST(KvmState, TouchesMemoryByPagingWithoutLongModeAndByTheRegistersThatNamePlacesInIt) {
  CpuState plain{};
  EXPECT_FALSE(touches_memory(plain));
  CpuState pae = plain;
  pae.sregs.cr0 = 1ull << 31;
  EXPECT_FALSE(touches_memory(pae)) << "paging of 32 bits";
  pae.sregs.cr4 = 1u << 5;
  EXPECT_TRUE(touches_memory(pae));
  pae.sregs.efer = 1u << 10;
  EXPECT_FALSE(touches_memory(pae)) << "long mode walks its tables when it needs them";
  for (const uint32_t index : {0x11u, 0x12u, 0x4b564d00u, 0x4b564d01u, 0x4b564d02u, 0x4b564d03u, 0x4b564d04u,
                               0x4b564d06u, 0x40000001u, 0x40000021u}) {
    CpuState named = plain;
    named.msrs = {{index, 0}};
    EXPECT_FALSE(touches_memory(named)) << "not in use: " << index;
    named.msrs = {{0x174, 1}, {index, 0x1001}};
    EXPECT_TRUE(touches_memory(named)) << index;
  }
  CpuState flags = plain;
  flags.msrs = {{0x4b564d05, 1}, {0x4b564d08, 1}, {0x277, 6}};
  EXPECT_FALSE(touches_memory(flags));
}

TEST(KvmState, IsTheSameWhenItIsSavedAgain) {
  SKIP_WITHOUT_KVM();
  TestMachine machine({.vcpus = 3});
  machine.boot("drover-state.elf", "check=run");
  ASSERT_TRUE(machine.read_until("\nT "));
  machine.pause();
  auto next = machine.successor();
  const auto before = machine->save().value();
  const auto after = (*next)->save().value();
  ASSERT_EQ(before.size(), after.size());
  for (size_t index = 0; index < before.size(); ++index) {
    EXPECT_EQ(describe(before[index]), describe(after[index]));
    const std::string& instance = before[index].instance;
    if (instance == "time0" || instance == "pit0" || instance == "pic0" || instance == "ioapic0") continue;
    EXPECT_TRUE(before[index] == after[index]) << describe(before[index]);
  }
}

TEST(KvmState, LetsTimeGoOnByTheTimeThatPassed) {
  SKIP_WITHOUT_KVM();
  TestMachine machine({.vcpus = 2});
  machine.boot("drover-state.elf", "check=run");
  ASSERT_TRUE(machine.read_until("\nT "));
  machine.pause();
  const auto payloads = machine->save().value();
  const TimeState before = read_payloads(payloads, 2).value().time;
  std::this_thread::sleep_for(milliseconds(300));
  auto next = machine.successor();
  const TimeState after = read_payloads((*next)->save().value(), 2).value().time;
  const int64_t passed = after.wall_ns - before.wall_ns;
  EXPECT_GE(passed, 300000000);
  EXPECT_NEAR(static_cast<int64_t>((after.tscs[0] - before.tscs[0]) * 1000000 / before.tsc_khz), passed, 20e6);
  EXPECT_NEAR(static_cast<int64_t>(after.clock_ns - before.clock_ns), passed, 20e6);
  EXPECT_EQ(after.tscs[1] - after.tscs[0], before.tscs[1] - before.tscs[0]) << "the processors' TSCs drifted apart";
}

TEST(KvmState, LetsTimeStandStillWhereThatIsAskedFor) {
  SKIP_WITHOUT_KVM();
  TestMachine machine({.vcpus = 2});
  machine.boot("drover-state.elf", "check=run");
  ASSERT_TRUE(machine.read_until("\nT "));
  machine.pause();
  const auto payloads = machine->save().value();
  std::this_thread::sleep_for(milliseconds(300));
  TestMachine next({.vcpus = 2});
  Status loaded = next->load(payloads, ClockMode::stopped);
  // What the probe says beforehand is what happens.
  const Status probed = check_stopped_clock(Host::open().take());
  EXPECT_EQ(probed.ok(), loaded.ok()) << (probed.ok() ? "" : probed.error().message);
  if (!loaded && loaded.error().code == Code::unsupported) {
    EXPECT_NE(loaded.error().message.find("MSR 0x10 (IA32_TSC)"), std::string::npos) << loaded.error().message;
    GTEST_SKIP() << "needs a KVM that can set a guest's TSC: " << loaded.error().message;
  }
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  const TimeState before = read_payloads(payloads, 2).value().time;
  const TimeState after = read_payloads(next->save().value(), 2).value().time;
  // Only what passed since its own clocks were set.
  const int64_t slept = after.wall_ns - before.wall_ns;
  EXPECT_LT(static_cast<int64_t>(after.clock_ns - before.clock_ns), slept - 250000000);
  EXPECT_LT(static_cast<int64_t>((after.tscs[0] - before.tscs[0]) * 1000000 / before.tsc_khz), slept - 250000000);
}

class KvmPayloads : public testing::Test {
 protected:
  void SetUp() override {
    MachineState state;
    state.cpuids.resize(2);
    state.cpus.resize(2);
    state.cpus[0].xsave.resize(4096, 7);
    state.cpus[1].msrs = {{0x174, 5}, {0x6e0, 9}};
    state.time.tscs = {1, 2};
    payloads_ = write_payloads(state);
  }
  Payload& payload(const std::string& instance, const std::string& kind) {
    return *std::find_if(payloads_.begin(), payloads_.end(),
                         [&](const Payload& p) { return p.instance == instance && p.kind == kind; });
  }
  void expect_refused(Code code, const std::string& part) {
    auto read = read_payloads(payloads_, 2);
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(read.error().code, code);
    EXPECT_NE(read.error().message.find(part), std::string::npos) << read.error().message;
  }
  std::vector<Payload> payloads_;
};

TEST_F(KvmPayloads, ReadBackWhatWasWritten) {
  auto read = read_payloads(payloads_, 2);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(read.value().cpus[1].msrs, (std::vector<MsrValue>{{0x174, 5}, {0x6e0, 9}}));
  EXPECT_TRUE(write_payloads(read.value()) == payloads_) << "(R8)";
}

TEST_F(KvmPayloads, MayComeInAnyOrder) {
  std::reverse(payloads_.begin(), payloads_.end());
  EXPECT_TRUE(read_payloads(payloads_, 2).ok());
}

TEST_F(KvmPayloads, AreRefusedByNameWhereOneIsMissing) {
  for (size_t index = 0; index < payloads_.size(); ++index) {
    auto some = payloads_;
    some.erase(some.begin() + static_cast<ptrdiff_t>(index));
    auto read = read_payloads(some, 2);
    ASSERT_FALSE(read.ok());
    EXPECT_NE(read.error().message.find(payloads_[index].instance + " (" + payloads_[index].kind + ") is missing"),
              std::string::npos)
        << read.error().message;
  }
}

TEST_F(KvmPayloads, AreRefusedByNameWhereOneIsThereTwice) {
  payloads_.push_back(payload("com1", "machine/serial"));
  expect_refused(Code::invalid_argument, "com1 (machine/serial version 1) is there twice");
}

TEST_F(KvmPayloads, AreRefusedByNameWhereOneIsOfAnotherMachine) {
  payload("cpu1", "machine/cpu").instance = "cpu2";
  expect_refused(Code::invalid_argument, "cpu2 (machine/cpu version 1)");
}

TEST_F(KvmPayloads, AreRefusedByNameWhereTheKindIsUnknown) {
  payloads_.push_back({"rtc0", "machine/rtc", 1, {}});
  expect_refused(Code::invalid_argument, "rtc0 (machine/rtc version 1) is of a kind that this release does not know");
}

TEST_F(KvmPayloads, AreRefusedByNameWhereTheVersionIsAnother) {
  payload("pit0", "machine/pit").version = 2;
  expect_refused(Code::unsupported, "pit0 (machine/pit version 2) cannot be read: this release reads version 1");
}

TEST_F(KvmPayloads, AreRefusedByNameAtEveryTruncationAndAnySurplus) {
  for (size_t index = 0; index < payloads_.size(); ++index) {
    const Payload whole = payloads_[index];
    for (size_t bytes = 0; bytes < whole.data.size(); bytes += 1 + bytes / 16) {
      payloads_[index].data.assign(whole.data.begin(), whole.data.begin() + static_cast<ptrdiff_t>(bytes));
      expect_refused(Code::invalid_argument, describe(whole));
    }
    payloads_[index] = whole;
    payloads_[index].data.push_back(0);
    expect_refused(Code::invalid_argument, "1 bytes left over");
    payloads_[index] = whole;
  }
}

TEST_F(KvmPayloads, WithAHugeListAreRefusedBeforeAnythingIsAllocated) {
  // The first number of these layouts is a list's length.
  payload("cpu0", "machine/cpuid").data = {0xff, 0xff, 0xff, 0xff};
  expect_refused(Code::invalid_argument,
                 "cpu0 (machine/cpuid version 1) is cut short or holds a list that is too long");
}

class KvmLoad : public testing::Test {
 protected:
  void SetUp() override {
    SKIP_WITHOUT_KVM();
    TestMachine machine({});
    machine.boot("drover-state.elf", "check=run");
    ASSERT_TRUE(machine.read_until("STATE\n"));
    machine.pause();
    auto state = read_payloads(machine->save().value(), 1);
    ASSERT_TRUE(state.ok());
    state_ = state.take();
  }
  void expect_refused(Code code, const std::string& part) {
    TestMachine fresh({});
    Status loaded = fresh->load(write_payloads(state_), ClockMode::wall);
    ASSERT_FALSE(loaded.ok());
    EXPECT_EQ(loaded.error().code, code);
    EXPECT_NE(loaded.error().message.find(part), std::string::npos) << loaded.error().message;
    EXPECT_EQ(fresh->resume().error().code, Code::closed);
  }
  MachineState state_;
};

TEST_F(KvmLoad, NamesTheProcessorFeaturesThatTheHostLacks) {
  for (kvm_cpuid_entry2& entry : state_.cpuids[0].entries) {
    if (entry.function == 0x7 && entry.index == 0) entry.ebx |= 1u << 16 | 1u << 12;
  }
  expect_refused(Code::unsupported, "avx512f");
  expect_refused(Code::unsupported, "cqm");
}

TEST_F(KvmLoad, NamesTheRegisterThatTheHostCannotSet) {
  state_.cpus[0].msrs.push_back({0x12345678, 1});
  expect_refused(Code::unsupported, "MSR 0x12345678");
}

TEST_F(KvmLoad, NamesThePartOfTheStateThatTheHostCannotTakeOn) {
  state_.cpus[0].xcrs = {{0, 0, uint64_t{1} << 40}};
  expect_refused(Code::unsupported, "extended control registers (XCR0)");
}

TEST_F(KvmLoad, RefusesMoreExtendedRegistersThanTheHostKeeps) {
  state_.cpus[0].xsave.resize(16384, 1);
  expect_refused(Code::unsupported, "bytes of extended registers");
}

TEST_F(KvmLoad, RefusesAFrequencyThatTheHostCannotHave) {
  state_.time.tsc_khz = 1;
  expect_refused(Code::unsupported, "1 kHz");
}

TEST_F(KvmLoad, RefusesASerialPortThatCannotBe) {
  state_.serial.port.received_bytes = 17;
  expect_refused(Code::invalid_argument, "com1");
}

TEST_F(KvmLoad, RefusesATimeThatOverflows) {
  state_.time.clock_ns = UINT64_MAX;
  expect_refused(Code::invalid_argument, "time");
}

}  // namespace
}  // namespace drover::kvm
