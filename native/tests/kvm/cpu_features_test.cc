#include "core/kvm/cpu_features.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "core/kvm/cpuid.h"
#include "kvm/test_machine.h"

namespace drover::kvm {
namespace {

using Names = std::vector<std::string>;

kvm_cpuid_entry2 entry(uint32_t leaf, uint32_t subleaf, uint32_t eax, uint32_t ebx, uint32_t ecx, uint32_t edx) {
  kvm_cpuid_entry2 made{};
  made.function = leaf;
  made.index = subleaf;
  made.eax = eax;
  made.ebx = ebx;
  made.ecx = ecx;
  made.edx = edx;
  return made;
}

TEST(CpuFeatures, AreCalledWhatLinuxCallsThem) {
  const std::vector<kvm_cpuid_entry2> cpuid = {
      entry(0x1, 0, 0, 0, 1u << 19 | 1u << 24 | 1u << 30, 1u << 0 | 1u << 26),
      entry(0x7, 0, 0, 1u << 16 | 1u << 5, 1u << 14, 1u << 24),
      entry(0x7, 1, 1u << 4, 0, 0, 0),
      entry(0xd, 1, 1u << 3, 0, 0, 0),
      entry(0x80000001, 0, 0, 0, 1u << 5, 1u << 20),
      entry(0x40000001, 0, 1u << 24, 0, 0, 0),
  };
  EXPECT_EQ(features_in(cpuid),
            (Names{"abm", "amx_tile", "avx2", "avx512_vpopcntdq", "avx512f", "avx_vnni", "fpu", "kvmclock_stable_bit",
                   "nx", "rdrand", "sse2", "sse4_1", "tsc_deadline_timer", "xsaves"}));
}

TEST(CpuFeatures, WithoutANameAreCalledByTheirPlace) {
  EXPECT_EQ(features_in(std::vector{entry(0x7, 0, 0, 1u << 22, 0, 0), entry(0x7, 2, 0, 0, 0, 1u << 31)}),
            (Names{"cpuid_7.0_ebx_22", "cpuid_7.2_edx_31"}));
}

TEST(CpuFeatures, AreOfTheHostAndNotOfTheNumberOfProcessorsOrWhatTheGuestSwitchedOn) {
  const std::vector<kvm_cpuid_entry2> shown = {entry(0x1, 0, 0, 0, 1u << 27 | 1u << 31, 1u << 28),
                                               entry(0x7, 0, 0, 0, 1u << 4, 0),
                                               entry(0x80000001, 0, 0, 0, 0, 0x0183f3ff)};
  EXPECT_EQ(features_in(shown), Names{});
  EXPECT_EQ(missing_features(shown, {}), Names{});
}

// Against the plain idea: a bit that is set in the one and not in the other.
TEST(CpuFeatures, ThatAreMissingAreThoseOfTheOneWithoutThoseOfTheOther) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<kvm_cpuid_entry2> wanted, offered;
    for (const uint32_t leaf : {0x1u, 0x6u, 0x7u, 0xdu, 0x80000001u, 0x80000008u}) {
      if (random() % 4 != 0) wanted.push_back(entry(leaf, 0, random(), random(), random(), random()));
      if (random() % 4 != 0) offered.push_back(entry(leaf, 0, random(), random(), random(), random()));
    }
    const Names all = features_in(wanted);
    const Names have = features_in(offered);
    Names expected;
    std::set_difference(all.begin(), all.end(), have.begin(), have.end(), std::back_inserter(expected));
    Names missing = missing_features(wanted, offered);
    std::sort(missing.begin(), missing.end());
    EXPECT_EQ(missing, expected);
  }
}

TEST(CpuFeatures, OfThisHostAreAllThereForAGuestThatWasMadeHere) {
  SKIP_WITHOUT_KVM();
  TestMachine machine({.vcpus = 2});
  const CpuDefinition definition = machine->cpu_definition();
  const auto host = Host::open();
  EXPECT_TRUE(missing_parts(definition, *host.value()).none());
  EXPECT_FALSE(vendor_in(definition.cpuid).empty());
  EXPECT_GT(features_in(definition.cpuid).size(), 20u);
  EXPECT_GT(definition.msrs.size(), 10u);
}

TEST(CpuFeatures, AndRegistersThatThisHostLacksAreNamed) {
  SKIP_WITHOUT_KVM();
  TestMachine machine({});
  CpuDefinition definition = machine->cpu_definition();
  for (kvm_cpuid_entry2& each : definition.cpuid) {
    if (each.function == 0x80000007) each.edx |= 1u << 31;
    if (each.function == 0) each.ebx ^= 0x20;
  }
  definition.msrs.push_back(0xda1);
  const auto host = Host::open();
  const MissingParts missing = missing_parts(definition, *host.value());
  EXPECT_EQ(missing.features, (Names{"the vendor " + vendor_in(definition.cpuid), "cpuid_80000007.0_edx_31"}));
  EXPECT_EQ(missing.msrs, Names{"MSR 0xda1"});
}

// A guest keeps the registers that it was made with: those that a newer host has besides are not added to its state, so
// that it can go back to where it came from.
TEST(CpuFeatures, AndRegistersOfAGuestStayWhatTheyWereWhereverItGoes) {
  SKIP_WITHOUT_KVM();
  TestMachine first({.vcpus = 2});
  first.boot("drover-state.elf", "check=run");
  ASSERT_TRUE(first.read_until("\nT "));
  first.pause();
  auto state = read_payloads(first->save().value(), 2).take();
  const uint32_t dropped = 0x277;  // IA32_PAT
  for (CpuState& cpu : state.cpus) {
    std::erase_if(cpu.msrs, [&](const MsrValue& msr) { return msr.index == dropped; });
  }
  TestMachine next({.vcpus = 2});
  ASSERT_TRUE(next->load(write_payloads(state), ClockMode::wall).ok());
  const auto msrs = next->cpu_definition().msrs;
  EXPECT_EQ(std::count(msrs.begin(), msrs.end(), dropped), 0);
  EXPECT_EQ(msrs.size(), state.cpus[0].msrs.size());
  const auto saved = read_payloads(next->save().value(), 2).take();
  EXPECT_EQ(saved.cpus[1].msrs.size(), state.cpus[1].msrs.size());
}

}  // namespace
}  // namespace drover::kvm
