#include "core/bhyve/vm.h"

#include <gtest/gtest.h>

#include "bhyve/fake_vm.h"

namespace drover::bhyve {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;

Error refusal(const FakeSettings& settings, const Vm::Options& options) {
  auto host = std::make_shared<FakeHost>(settings);
  auto vm = Vm::create(*host, options);
  EXPECT_FALSE(vm.ok());
  EXPECT_TRUE(host->vms.empty()) << "a VM was left behind";
  return vm ? Error{Code::system_call, ""} : vm.error();
}

TEST(BhyveVm, EveryKnownInterfaceVersionIsTakenAndEveryOtherRefusedByItsNumber) {  // R7
  for (int number = 0; number <= 40; ++number) {
    auto host = std::make_shared<FakeHost>(version(number));
    auto vm = Vm::create(*host, {"guest", kPageSize, true, false});
    EXPECT_EQ(vm.ok(), number >= 12 && number <= 18) << number;
    if (vm) continue;
    EXPECT_EQ(vm.error().code, Code::unsupported);
    EXPECT_NE(vm.error().message.find("version " + std::to_string(number) + ","), std::string::npos);
    EXPECT_TRUE(host->vms.empty());
  }
}

TEST(BhyveVm, ABhyveThatIsNotIllumossIsRefusedAndSaysWhatItCanDo) {
  FakeSettings settings;
  settings.has_version_call = false;
  const Error error = refusal(settings, {"guest", kPageSize, true, false});
  EXPECT_EQ(error.code, Code::unsupported);
  EXPECT_NE(error.message.find("stopped, copied and started"), std::string::npos);
}

TEST(BhyveVm, AHostWithoutBhyveSaysSoInOneSentence) {
  if (::access(kControlPath, F_OK) == 0) GTEST_SKIP() << "this host has " << kControlPath;
  auto vm = Vm::create(*host_devices(), {"guest", kPageSize, true, false});
  ASSERT_FALSE(vm.ok());
  EXPECT_EQ(vm.error().code, Code::unsupported);
  EXPECT_EQ(vm.error().message.rfind("this host has no /dev/vmmctl", 0), 0u) << vm.error().message;
}

TEST(BhyveVm, NamesThatNoDeviceFileCanHaveAreRefusedBeforeAnyCall) {
  for (const std::string& name : {std::string(), std::string("."), std::string(".."), std::string("a/b"),
                                  std::string(128, 'a'), std::string("a\0b", 3)}) {
    EXPECT_EQ(refusal({}, {name, kPageSize, true, false}).code, Code::invalid_argument) << name;
  }
  auto host = std::make_shared<FakeHost>();
  EXPECT_TRUE(Vm::create(*host, {std::string(127, 'a'), kPageSize, true, false}).ok());
}

TEST(BhyveVm, ATakenNameIsRefusedAndItsVmIsLeftAlone) {
  TestVm first = make_vm();
  auto second = Vm::create(*first.host, {"guest", kPageSize, true, false});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Code::invalid_argument);
  EXPECT_NE(second.error().message.find("named guest already"), std::string::npos);
  EXPECT_EQ(first.host->vms.size(), 1u);
}

TEST(BhyveVm, TheLowestThreeGibibytesLieAtZeroAndTheRestAboveTheHole) {
  for (const uint64_t bytes : {kPageSize, 3 * kGiB, 3 * kGiB + kPageSize, 5 * kGiB}) {
    TestVm made = make_vm({}, bytes / kPageSize);
    const auto& segments = made.vm->memory().segments();
    ASSERT_EQ(segments.size(), bytes > 3 * kGiB ? 2u : 1u);
    EXPECT_EQ(segments[0].guest_address, 0u);
    EXPECT_EQ(segments[0].pages, std::min(bytes, 3 * kGiB) / kPageSize);
    EXPECT_EQ(made.vm->memory().pages(), bytes / kPageSize);
    if (segments.size() == 1) continue;
    EXPECT_EQ(segments[1].guest_address, 4 * kGiB);
    EXPECT_EQ(segments[1].first_page, segments[0].pages);
  }
}

TEST(BhyveVm, MemoryThatIsNotWholePagesOrTooMuchIsRefused) {
  EXPECT_EQ(refusal({}, {"guest", 0, true, false}).code, Code::invalid_argument);
  EXPECT_EQ(refusal({}, {"guest", kPageSize + 1, true, false}).code, Code::invalid_argument);
  FakeSettings settings;
  settings.memory_left = 4 * kGiB;  // the first segment fits, the second does not
  EXPECT_EQ(refusal(settings, {"guest", 6 * kGiB, true, false}).code, Code::limit);
}

TEST(BhyveVm, TrackingIsRefusedByNameWhereTheProcessorHasNoDirtyBits) {
  FakeSettings settings;
  settings.hardware_dirty_bits = false;
  const Error error = refusal(settings, {"guest", kPageSize, true, false});
  EXPECT_EQ(error.code, Code::unsupported);
  EXPECT_NE(error.message.find("dirty bits in nested page tables"), std::string::npos);
  EXPECT_NE(make_vm(settings, 1, false).vm, nullptr);
}

TEST(BhyveVm, BytesGoInThroughTheGuestViewAndComeOutOfTheSegment) {
  TestVm made = make_vm({}, 4 * kGiB / kPageSize);
  const std::vector<uint8_t> bytes = {1, 2, 3, 4};
  std::vector<uint8_t> out(4);
  for (const uint64_t address : {uint64_t{0}, 3 * kGiB - 4, 4 * kGiB, 5 * kGiB - 4}) {
    ASSERT_TRUE(made.vm->memory().write(address, bytes).ok()) << address;
    ASSERT_TRUE(made.vm->pause().ok());  // any call: the kernel's two views are one
    ASSERT_TRUE(made.vm->memory().read(address, out).ok());
    EXPECT_EQ(out, bytes);
    EXPECT_TRUE(made.host->vm().dirty.contains(address / kPageSize));
  }
  for (const uint64_t address : {3 * kGiB - 3, 3 * kGiB, 4 * kGiB - 1, 5 * kGiB - 3, UINT64_MAX, UINT64_MAX - 2}) {
    EXPECT_EQ(made.vm->memory().write(address, bytes).error().code, Code::invalid_argument) << address;
    EXPECT_EQ(made.vm->memory().read(address, out).error().code, Code::invalid_argument) << address;
  }
}

TEST(BhyveVm, PausingAndResumingTwiceIsNoError) {
  TestVm made = make_vm();
  for (int round = 0; round < 2; ++round) {
    EXPECT_TRUE(made.vm->pause().ok());
    EXPECT_TRUE(made.vm->pause().ok());
    EXPECT_TRUE(made.host->vm().paused);
    EXPECT_TRUE(made.vm->resume().ok());
    EXPECT_TRUE(made.vm->resume().ok());
    EXPECT_FALSE(made.host->vm().paused);
  }
}

TEST(BhyveVm, NothingIsLeftOnTheHostWhereTheVmEndsOrItsMakingFails) {  // R12
  for (const bool autodestruct : {true, false}) {
    FakeSettings settings;
    settings.has_autodestruct = autodestruct;
    TestVm made = make_vm(settings);
    EXPECT_EQ(made.host->vm().autodestruct, autodestruct);
    made.vm.reset();
    EXPECT_TRUE(made.host->vms.empty());
  }
  for (const int request :
       {abi::VM_SET_AUTODESTRUCT, abi::VM_ALLOC_MEMSEG, abi::VM_MMAP_MEMSEG, abi::VM_DEVMEM_GETOFFSET}) {
    auto host = std::make_shared<FakeHost>();
    host->fault = FakeHost::Fault{request, EIO, false, 0};
    auto vm = Vm::create(*host, {"guest", kPageSize, true, false});
    ASSERT_FALSE(vm.ok());
    EXPECT_EQ(vm.error().error_number, EIO);
    EXPECT_NE(vm.error().syscall.find("ioctl(VM_"), std::string::npos);
    EXPECT_TRUE(host->vms.empty());
  }
}

}  // namespace
}  // namespace drover::bhyve
