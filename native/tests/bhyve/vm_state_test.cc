#include "core/bhyve/state/vm_state.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "bhyve/fake_vm.h"
#include "core/bhyve/cpu_state.h"

namespace drover::bhyve {
namespace {

constexpr int kVcpus = 2;
constexpr auto kWall = machine::ClockMode::wall;

// A paused VM whose every device and register holds something of its own.
TestVm filled_vm(FakeSettings settings = {}) {
  TestVm made = make_vm(std::move(settings));
  EXPECT_TRUE(made.vm->pause().ok());
  std::mt19937_64 random(1);
  FakeVm& vm = made.host->vm();
  for (const FakeClass& each : made.host->settings.classes) {
    for (int vcpu = -1; vcpu < kVcpus; ++vcpu) {
      if (each.per_vcpu != (vcpu >= 0)) continue;
      std::vector<uint8_t>& bytes = vm.data[{each.entry.vve_class, vcpu}];
      const size_t entries = each.entry.vve_class == abi::VDC_MSR ? made.host->settings.msrs.size() : 4;
      bytes.resize(each.entry.vve_len_expect == 0 ? entries * 8 : each.entry.vve_len_expect);
      for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    }
  }
  for (int index = 0; index < kVcpus; ++index) {
    FakeVcpu& vcpu = vm.vcpus[index];
    for (const int32_t number : register_numbers()) vcpu.registers[number] = random();
    for (const int32_t number : segment_numbers()) {
      vcpu.segments[number] = {index, number, random(), static_cast<uint32_t>(random()),
                               static_cast<uint32_t>(random())};
    }
    vcpu.run_state = {index, 6, static_cast<uint8_t>(random()), {}};
    vcpu.fpu.resize(made.host->settings.fpu_bytes);
    for (uint8_t& byte : vcpu.fpu) byte = static_cast<uint8_t>(random());
  }
  vm.time.vt_guest_tsc = 12345;
  return made;
}

std::vector<Payload> saved(const TestVm& vm) {
  auto payloads = save(*vm.vm, kVcpus);
  EXPECT_TRUE(payloads.ok()) << payloads.error().message;
  return payloads.take();
}

TestVm paused_vm(FakeSettings settings = {}) {
  TestVm made = make_vm(std::move(settings));
  EXPECT_TRUE(made.vm->pause().ok());
  return made;
}

Payload& named(std::vector<Payload>& payloads, const std::string& kind) {
  return *std::find_if(payloads.begin(), payloads.end(), [&](const Payload& each) { return each.kind == kind; });
}

TEST(BhyveState, WhatIsSavedAndLoadedIsTheSameInEveryDeviceAndRegister) {  // R3
  for (int number = 13; number <= 18; ++number) {
    TestVm source = filled_vm(version(number));
    TestVm destination = paused_vm(version(number));
    Status loaded = load(*destination.vm, kVcpus, saved(source), kWall);
    ASSERT_TRUE(loaded.ok()) << loaded.error().message;
    const FakeVm& from = source.host->vm();
    const FakeVm& to = destination.host->vm();
    for (const auto& [key, bytes] : from.data) {
      if (key.first == abi::VDC_VERSION || key.first == abi::VDC_VMM_TIME) continue;  // the host's own
      EXPECT_EQ(to.data.at(key), bytes) << key.first << " of " << key.second;
    }
    for (int index = 0; index < kVcpus; ++index) {
      const FakeVcpu& a = from.vcpus[index];
      const FakeVcpu& b = to.vcpus[index];
      EXPECT_EQ(a.registers, b.registers);
      EXPECT_EQ(a.fpu, b.fpu);
      EXPECT_EQ(a.run_state.state, b.run_state.state);
      EXPECT_EQ(a.run_state.sipi_vector, b.run_state.sipi_vector);
      ASSERT_EQ(a.segments.size(), b.segments.size());
      for (const auto& [segment, value] : a.segments) {
        EXPECT_EQ(value.base, b.segments.at(segment).base);
        EXPECT_EQ(value.limit, b.segments.at(segment).limit);
        EXPECT_EQ(value.access, b.segments.at(segment).access);
      }
    }
    EXPECT_EQ(saved(destination).size(), saved(source).size());
    // Every MSR and event of every processor, and every register that the calls know.
    EXPECT_EQ(from.vcpus[0].registers.size(), 39u);
    EXPECT_EQ(from.vcpus[0].segments.size(), 10u);
  }
}

TEST(BhyveState, EveryPayloadHasAKindAndTheVersionThatIsWritten) {
  for (const Payload& payload : saved(filled_vm())) {
    const auto& kinds = payload_kinds();
    const auto at =
        std::find_if(kinds.begin(), kinds.end(), [&](const PayloadKind& kind) { return payload.kind == kind.name; });
    ASSERT_NE(at, kinds.end()) << payload.kind;
    EXPECT_EQ(at->versions.back(), payload.version);
  }
}

TEST(BhyveState, TheGuestsClocksGoOnByTheTimeThatPassed) {
  TestVm source = filled_vm();
  FakeSettings later;
  later.hrtime = 77;
  later.wall_seconds += 3;
  TestVm destination = paused_vm(later);
  ASSERT_TRUE(load(*destination.vm, kVcpus, saved(source), kWall).ok());
  EXPECT_EQ(destination.host->vm().time.vt_guest_tsc, 12345 + 3 * later.tsc_hz);
  EXPECT_EQ(destination.host->vm().time.vt_boot_hrtime, 77 - 3000000000);
  TestVm stopped = paused_vm(later);
  ASSERT_TRUE(load(*stopped.vm, kVcpus, saved(source), machine::ClockMode::stopped).ok());
  EXPECT_EQ(stopped.host->vm().time.vt_guest_tsc, 12345u);
}

TEST(BhyveState, TimeIsSetBeforeEveryTimerAndTheRunStateLast) {
  TestVm destination = paused_vm();
  std::vector<Payload> payloads = saved(filled_vm());
  std::reverse(payloads.begin(), payloads.end());  // the order in which they come is nobody's to rely on
  ASSERT_TRUE(load(*destination.vm, kVcpus, payloads, kWall).ok());
  const std::vector<int>& changes = destination.host->changes;
  EXPECT_EQ(changes.front(), abi::VDC_VMM_TIME);
  EXPECT_EQ(changes.back(), abi::VM_SET_RUN_STATE);
}

TEST(BhyveState, APayloadThatIsMissingIsNamedAndNothingIsSet) {
  const std::vector<Payload> all = saved(filled_vm());
  for (size_t left_out = 0; left_out < all.size(); ++left_out) {
    std::vector<Payload> payloads = all;
    payloads.erase(payloads.begin() + static_cast<long>(left_out));
    TestVm destination = paused_vm();
    Status loaded = load(*destination.vm, kVcpus, payloads, kWall);
    if (all[left_out].kind == "bhyve/pmu-amd") {
      EXPECT_TRUE(loaded.ok());
      continue;
    }
    ASSERT_FALSE(loaded.ok());
    EXPECT_EQ(loaded.error().code, Code::invalid_argument);
    EXPECT_NE(loaded.error().message.find(all[left_out].kind), std::string::npos) << loaded.error().message;
    EXPECT_TRUE(destination.host->vm().vcpus[0].registers.empty());
  }
}

TEST(BhyveState, APayloadThereTwiceOrOfNoDeviceOrUnknownIsRefusedByName) {
  const std::vector<Payload> all = saved(filled_vm());
  struct Change {
    Payload added;
    Code code;
  };
  const Change changes[] = {
      {all[3], Code::invalid_argument},
      {{"cpu2", "bhyve/fpu", 1, {}}, Code::invalid_argument},
      {{"com1", "machine/serial", 1, {}}, Code::invalid_argument},
      {{"rtc0", "bhyve/rtc", 1, {}}, Code::unsupported},
      {{"time0", "bhyve/time", 2, {}}, Code::unsupported},
  };
  for (const Change& change : changes) {
    std::vector<Payload> payloads = all;
    payloads.push_back(change.added);
    TestVm destination = paused_vm();
    Status loaded = load(*destination.vm, kVcpus, payloads, kWall);
    ASSERT_FALSE(loaded.ok());
    EXPECT_EQ(loaded.error().code, change.code) << loaded.error().message;
    EXPECT_NE(loaded.error().message.find(change.added.instance + " (" + change.added.kind), std::string::npos);
    EXPECT_TRUE(destination.host->vm().vcpus[0].registers.empty());
  }
}

TEST(BhyveState, EveryPayloadCutShortOrTooLongIsRefusedAndNothingIsSet) {  // R6
  const std::vector<Payload> all = saved(filled_vm());
  for (size_t index = 0; index < all.size(); ++index) {
    for (const int change : {-1, 1}) {
      std::vector<Payload> payloads = all;
      payloads[index].data.resize(payloads[index].data.size() + static_cast<size_t>(change));
      TestVm destination = paused_vm();
      Status loaded = load(*destination.vm, kVcpus, payloads, kWall);
      ASSERT_FALSE(loaded.ok()) << all[index].kind;
      // Only this host knows how long the FPU's is.
      if (all[index].kind == "bhyve/fpu") {
        EXPECT_EQ(loaded.error().code, Code::unsupported);
        continue;
      }
      EXPECT_NE(loaded.error().message.find(all[index].kind), std::string::npos) << loaded.error().message;
      EXPECT_TRUE(destination.host->vm().vcpus[0].registers.empty());
    }
  }
}

TEST(BhyveState, AnyBytesAsPayloadsEndInAnAnswer) {  // R6
  std::mt19937 random(2);
  const std::vector<Payload> all = saved(filled_vm());
  TestVm destination = paused_vm();
  for (int round = 0; round < 300; ++round) {
    std::vector<Payload> payloads = all;
    Payload& victim = payloads[random() % payloads.size()];
    if (random() % 2 == 0) victim.data.resize(random() % 600);
    for (int flip = 0; flip < 8 && !victim.data.empty(); ++flip) {
      victim.data[random() % victim.data.size()] = static_cast<uint8_t>(random());
    }
    (void)load(*destination.vm, kVcpus, payloads, kWall).ok();
  }
}

TEST(BhyveState, ARegisterThatItsVersionDoesNotHaveIsRefusedByNumber) {
  std::vector<Payload> payloads = saved(filled_vm());
  named(payloads, "bhyve/registers").data[4] = 200;  // the first number after the count
  Status loaded = load(*paused_vm().vm, kVcpus, payloads, kWall);
  ASSERT_FALSE(loaded.ok());
  EXPECT_NE(loaded.error().message.find("register 200"), std::string::npos) << loaded.error().message;
}

TEST(BhyveState, AnMsrThatTheHostLacksIsRefusedByName) {
  FakeSettings other;
  other.msrs.erase(0x277);
  Status loaded = load(*paused_vm(other).vm, kVcpus, saved(filled_vm()), kWall);
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.error().code, Code::unsupported);
  EXPECT_NE(loaded.error().message.find("0x277"), std::string::npos) << loaded.error().message;
}

TEST(BhyveState, AnFpuOfAnotherSizeIsRefusedWithBothSizes) {
  FakeSettings other;
  other.fpu_bytes = 2696;
  Status loaded = load(*paused_vm(other).vm, kVcpus, saved(filled_vm()), kWall);
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.error().code, Code::unsupported);
  EXPECT_NE(loaded.error().message.find("832"), std::string::npos);
  EXPECT_NE(loaded.error().message.find("2696"), std::string::npos);
  other.fpu_bytes = 8193;
  EXPECT_EQ(check_host(*make_vm(other).vm).error().code, Code::unsupported);
}

TEST(BhyveState, AnOptionalUnitThatOnlyTheSourceHasIsRefused) {
  Status loaded = load(*paused_vm(version(17)).vm, kVcpus, saved(filled_vm(version(18))), kWall);
  ASSERT_FALSE(loaded.ok());
  EXPECT_NE(loaded.error().message.find("bhyve/pmu-amd"), std::string::npos);
  EXPECT_TRUE(load(*paused_vm(version(18)).vm, kVcpus, saved(filled_vm(version(17))), kWall).ok());
}

TEST(BhyveState, AHostThatDoesNotLetStateBeWrittenSaysHowToAllowIt) {
  FakeSettings settings = version(12);
  settings.allow_state_writes = false;
  Status loaded = load(*paused_vm(settings).vm, kVcpus, saved(filled_vm(version(12))), kWall);
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.error().code, Code::permission);
  EXPECT_NE(loaded.error().message.find("vmm_allow_state_writes"), std::string::npos) << loaded.error().message;
  settings.allow_state_writes = true;
  EXPECT_TRUE(load(*paused_vm(settings).vm, kVcpus, saved(filled_vm(version(12))), kWall).ok());
}

TEST(BhyveState, AHostThatLacksAClassIsRefusedByItsName) {  // R7
  FakeSettings settings;
  std::erase_if(settings.classes, [](const FakeClass& each) { return each.entry.vve_class == abi::VDC_HPET; });
  Status checked = check_host(*make_vm(settings).vm);
  ASSERT_FALSE(checked.ok());
  EXPECT_NE(checked.error().message.find("hpet"), std::string::npos);
  EXPECT_TRUE(check_host(*make_vm().vm).ok());
}

}  // namespace
}  // namespace drover::bhyve
