#include "core/bhyve/vm_data.h"

#include <gtest/gtest.h>

#include <random>

#include "bhyve/fake_vm.h"

namespace drover::bhyve {
namespace {

TEST(BhyveData, AListLongerThanTheFirstCallIsReadInOneMore) {
  for (const uint32_t count : {0u, 1u, 63u, 64u, 65u, 512u}) {
    FakeSettings settings;
    settings.msrs.clear();
    for (uint32_t index = 0; index < count; ++index) settings.msrs.insert(0x1000 + index);
    TestVm made = make_vm(settings);
    auto data = read_data(made.vm->device(), kMsrClass, 0);
    ASSERT_TRUE(data.ok()) << data.error().message;
    EXPECT_EQ(data.value().size(), count * 16u);
  }
}

TEST(BhyveData, AListThatNoCallCarriesIsRefusedAndNotAllocated) {  // R6
  FakeSettings settings;
  for (uint32_t index = 0; index < 513; ++index) settings.msrs.insert(0x1000 + index);
  TestVm made = make_vm(settings);
  auto data = read_data(made.vm->device(), kMsrClass, 0);
  ASSERT_FALSE(data.ok());
  EXPECT_EQ(data.error().code, Code::limit);
  const std::vector<uint8_t> bytes(8192 + 16);
  EXPECT_EQ(write_data(made.vm->device(), kMsrClass, 0, bytes).error().code, Code::limit);
}

TEST(BhyveData, AListThatNeverHasRoomEndsInAnError) {
  // A device that always wants a little more.
  class Growing final : public Device {
   public:
    int control(int, uintptr_t argument) override {
      auto& xfer = *reinterpret_cast<abi::vm_data_xfer*>(argument);
      ++calls;
      xfer.vdx_result_len = xfer.vdx_len + 16;
      errno = ENOSPC;
      return -1;
    }
    Result<Mapping> map(uint64_t, uint64_t) override { return Mapping(); }
    int calls = 0;
  } device;
  auto data = read_data(device, kMsrClass, 0);
  ASSERT_FALSE(data.ok());
  EXPECT_EQ(data.error().error_number, ENOSPC);
  EXPECT_LT(device.calls, 10);
}

TEST(BhyveData, AFixedClassOfAnotherSizeIsRefusedByNameAndSize) {
  for (const uint16_t bytes : {199, 201, 208}) {
    FakeSettings settings;
    for (FakeClass& each : settings.classes) {
      if (each.entry.vve_class == abi::VDC_LAPIC) each.entry.vve_len_expect = bytes;
    }
    TestVm made = make_vm(settings);
    auto data = read_data(made.vm->device(), kLapicClass, 0);
    ASSERT_FALSE(data.ok());
    EXPECT_EQ(data.error().code, Code::unsupported);
    EXPECT_NE(data.error().message.find("lapic version 1 has " + std::to_string(bytes)), std::string::npos);
    Status checked = check_classes(made.vm->device(), {&kLapicClass, 1});
    EXPECT_EQ(checked.error().code, Code::unsupported);
  }
}

TEST(BhyveData, WhatIsWrittenIsReadAgain) {
  TestVm made = make_vm();
  std::mt19937 random(1);
  for (const DataClass& each :
       {kLapicClass, kIoapicClass, kPitClass, kPicClass, kHpetClass, kPmTimerClass, kRtcClass, kPmuClass}) {
    std::vector<uint8_t> bytes(each.fixed_bytes);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    const int vcpu = each.number == abi::VDC_LAPIC || each.number == abi::VDC_PMU_AMD ? 3 : abi::kWholeVm;
    ASSERT_TRUE(write_data(made.vm->device(), each, vcpu, bytes).ok()) << each.name;
    auto read = read_data(made.vm->device(), each, vcpu);
    ASSERT_TRUE(read.ok()) << each.name;
    EXPECT_EQ(read.value(), bytes);
    bytes.pop_back();
    EXPECT_EQ(write_data(made.vm->device(), each, vcpu, bytes).error().code, Code::invalid_argument);
  }
}

TEST(BhyveData, FieldsAreReadInTheOrderAskedForAndAnUnknownOneIsAnError) {
  TestVm made = make_vm();
  const std::vector<abi::vdi_field_entry_v1> entries = {{0xc0000081, 0, 7}, {0x277, 0, 9}};
  ASSERT_TRUE(write_data(made.vm->device(), kMsrClass, 1, {reinterpret_cast<const uint8_t*>(entries.data()), 32}).ok());
  auto values = read_fields(made.vm->device(), kMsrClass, 1, std::vector<uint32_t>{0x277, 0xc0000081, 0x10});
  ASSERT_TRUE(values.ok());
  EXPECT_EQ(values.value(), (std::vector<uint64_t>{9, 7, 0}));
  EXPECT_EQ(read_fields(made.vm->device(), kMsrClass, 1, std::vector<uint32_t>{0x9999}).error().error_number, EINVAL);
}

TEST(BhyveData, AClassThatTheHostLacksIsRefusedByNameAndVersion) {  // R7
  TestVm made = make_vm(version(17));
  EXPECT_TRUE(check_classes(made.vm->device(), {&kRtcClass, 1}).ok());
  Status checked = check_classes(made.vm->device(), {&kPmuClass, 1});
  ASSERT_FALSE(checked.ok());
  EXPECT_EQ(checked.error().code, Code::unsupported);
  EXPECT_NE(checked.error().message.find("pmu-amd in version 1"), std::string::npos);
}

}  // namespace
}  // namespace drover::bhyve
