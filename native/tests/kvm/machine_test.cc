#include "core/kvm/machine.h"

#include <thread>

#include "core/kvm/state/machine_state.h"
#include "kvm/test_machine.h"

namespace drover::kvm {
namespace {

TEST(KvmMachine, RunsTheBareGuestAndAnswersItsConsole) {
  SKIP_WITHOUT_KVM();
  TestMachine machine({});
  machine.boot("drover-guest.elf", "pages=64 rate=2000");
  ASSERT_TRUE(machine.read_until("READY\n"));
  machine.type("v");
  ASSERT_TRUE(machine.read_until("V ok pages=64 bad=0\n"));
  EXPECT_EQ(machine->state(), Machine::State::running);
}

TEST(KvmMachine, ShowsAllOfItsProcessorsToAnOperatingSystem) {
  SKIP_WITHOUT_KVM();
  TestMachine machine({.vcpus = 5});
  machine.boot("drover-state.elf", "check=processors");
  ASSERT_TRUE(machine.read_until("PROCESSORS 5 IOAPICS 1\n"));
}

TEST(KvmMachine, StandsStillFromPauseToResume) {
  SKIP_WITHOUT_KVM();
  TestMachine machine({});
  machine.boot("drover-guest.elf", "pages=256 rate=max");
  ASSERT_TRUE(machine.read_until("READY\n"));
  for (int round = 0; round < 5; ++round) {
    machine.pause();
    const auto digest_of = [&] {
      std::vector<uint8_t> all;
      for (uint64_t page = 0; page < machine.memory().memory->pages(); ++page) {
        all.insert(all.end(), machine.memory().page(page), machine.memory().page(page) + kPageSize);
      }
      return all;
    };
    const auto before = digest_of();
    std::this_thread::sleep_for(milliseconds(20));
    EXPECT_TRUE(before == digest_of()) << "the guest wrote while it was paused (R1)";
    ASSERT_TRUE(machine->resume().ok());
    ASSERT_TRUE(machine.read_until("\nB "));
  }
}

// A pause that is asked for at any moment arrives: before KVM_RUN, inside it, in an exit, at a halt.
TEST(KvmMachine, LosesNoPauseHoweverOftenItIsAskedFor) {
  SKIP_WITHOUT_KVM();
  for (const char* line : {"pages=64 rate=max", "pages=1 rate=0"}) {
    TestMachine machine({.vcpus = 3});
    machine.boot("drover-guest.elf", line);
    ASSERT_TRUE(machine.read_until("READY\n"));
    for (int round = 0; round < 2000; ++round) {
      Status paused = machine->pause(seconds(10));
      ASSERT_TRUE(paused.ok()) << paused.error().message << " in round " << round;
      if (round % 3 == 0) std::this_thread::sleep_for(std::chrono::microseconds(round % 500));
      ASSERT_TRUE(machine->resume().ok());
      if (round % 5 == 0) std::this_thread::sleep_for(std::chrono::microseconds(round % 700));
    }
    ASSERT_TRUE(machine.read_until("\nB "));
  }
}

TEST(KvmMachine, ReportsATripleFaultWithRegistersAndStops) {
  SKIP_WITHOUT_KVM();
  TestMachine machine({.vcpus = 2});
  machine.boot("drover-state.elf", "check=fault");
  const auto ending = machine.wait_for_end();
  ASSERT_TRUE(ending.has_value());
  EXPECT_EQ(ending->kind, Ending::Kind::failed);
  EXPECT_EQ(ending->vcpu, 0u);
  EXPECT_NE(ending->message.find("cpu0: "), std::string::npos) << ending->message;
  EXPECT_NE(ending->registers.find("rip=1"), std::string::npos) << ending->registers;
  EXPECT_EQ(machine->state(), Machine::State::ended);
  EXPECT_EQ(machine->resume().error().code, Code::closed);
  EXPECT_TRUE(machine->pause(seconds(1)).ok());
  EXPECT_EQ(machine->save().error().code, Code::closed);
}

TEST(KvmMachine, ReportsAnInstructionThatItCannotEmulateWithRegistersAndStops) {
  SKIP_WITHOUT_KVM();
  TestMachine machine({});
  machine.boot("drover-state.elf", "check=emulation");
  const auto ending = machine.wait_for_end();
  ASSERT_TRUE(ending.has_value());
  EXPECT_EQ(ending->kind, Ending::Kind::failed);
  EXPECT_NE(ending->message.find("KVM"), std::string::npos) << ending->message;
  EXPECT_NE(ending->registers.find("rip="), std::string::npos) << ending->registers;
  EXPECT_EQ(machine->state(), Machine::State::ended);
}

TEST(KvmMachine, ReportsWhatTheGuestWroteToTheDebugExitPort) {
  SKIP_WITHOUT_KVM();
  TestMachine machine({});
  machine.boot("drover-state.elf", "check=exit");
  const auto ending = machine.wait_for_end();
  ASSERT_TRUE(ending.has_value());
  EXPECT_EQ(ending->kind, Ending::Kind::debug_exit);
  EXPECT_EQ(ending->value, 21u);
}

TEST(KvmMachine, RefusesMoreProcessorsThanTheHostHas) {
  SKIP_WITHOUT_KVM();
  const TestMemory memory = make_memory({1024});
  for (const unsigned vcpus : {0u, 100000u}) {
    auto made = Machine::create({memory.memory, vcpus, Tracking::dirty_log, {}, {}});
    ASSERT_FALSE(made.ok());
    EXPECT_EQ(made.error().code, Code::limit);
  }
}

TEST(KvmMachine, RefusesWhatItsStateDoesNotAllow) {
  SKIP_WITHOUT_KVM();
  TestMachine machine({});
  EXPECT_EQ(machine->resume().error().code, Code::closed);
  EXPECT_EQ(machine->save().error().code, Code::closed);
  EXPECT_EQ(machine->take_console().error().code, Code::closed);
  machine.boot("drover-guest.elf", "pages=1");
  EXPECT_EQ(machine->boot({}).error().code, Code::closed);
  EXPECT_EQ(machine->save().error().code, Code::closed);
  EXPECT_EQ(machine->load({}, ClockMode::wall).error().code, Code::closed);
}

TEST(KvmMachine, EndsWithoutBeingPausedWhileItsGuestIsBusy) {
  SKIP_WITHOUT_KVM();
  for (int round = 0; round < 10; ++round) {
    TestMachine machine({.vcpus = 2});
    machine.boot("drover-guest.elf", "pages=64 rate=max");
    if (round % 2 == 0) std::this_thread::sleep_for(milliseconds(round));
  }
}

TEST(KvmMachine, GoesOnWhereNobodyReadsItsConsole) {
  SKIP_WITHOUT_KVM();
  TestMachine machine({});
  machine.boot("drover-guest.elf", "pages=16 rate=2000 beat-us=100 verify=0");
  ASSERT_TRUE(machine.read_until("READY\n"));
  std::this_thread::sleep_for(milliseconds(500));
  ASSERT_TRUE(machine.read_until("\nB "));
}

}  // namespace
}  // namespace drover::kvm
