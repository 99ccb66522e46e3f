#include "core/machine/boot/boot.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "core/base/little_endian.h"
#include "core/machine/boot/memory_map.h"
#include "guest_image.h"
#include "memory/test_memory.h"

namespace drover::machine {
namespace {

constexpr uint64_t kMebibyte = 1 << 20;

// Guest memory that is never touched takes none, so that large layouts cost nothing.
Slots slots_of(const std::vector<uint64_t>& pages, TestMemory& memory) {
  memory = make_memory(pages);
  return Slots(memory.memory);
}

TEST(KvmSlots, LeaveTheHoleBelowFourGibibytesFree) {
  TestMemory memory;
  const uint64_t gibibyte = kMebibyte * 1024 / kPageSize;
  const Slots slots = slots_of({gibibyte, 3 * gibibyte, 0, gibibyte}, memory);
  struct Expected {
    uint64_t address, pages, first_page;
  };
  const Expected expected[] = {
      {0, gibibyte, 0},
      {uint64_t{1} << 30, 2 * gibibyte, gibibyte},
      {uint64_t{4} << 30, gibibyte, 3 * gibibyte},
      {uint64_t{5} << 30, gibibyte, 4 * gibibyte},
  };
  ASSERT_EQ(slots.all().size(), std::size(expected));
  for (size_t index = 0; index < std::size(expected); ++index) {
    EXPECT_EQ(slots.all()[index].guest_address, expected[index].address);
    EXPECT_EQ(slots.all()[index].pages, expected[index].pages);
    EXPECT_EQ(slots.all()[index].first_page, expected[index].first_page);
  }
  EXPECT_EQ(slots.low_bytes(), kHoleStart);
  EXPECT_EQ(slots.high_bytes(), uint64_t{2} << 30);
  EXPECT_EQ(memory_map(slots), (std::vector<MemoryRange>{{0, 0x9fc00, MemoryType::ram},
                                                         {0x9fc00, 0x60400, MemoryType::reserved},
                                                         {kMebibyte, kHoleStart - kMebibyte, MemoryType::ram},
                                                         {kHoleEnd, uint64_t{2} << 30, MemoryType::ram}}));
}

TEST(KvmSlots, CopyAcrossRegionsAndNothingOutsideThem) {
  TestMemory memory;
  const Slots slots = slots_of({1, 1}, memory);
  const std::vector<uint8_t> bytes(100, 7);
  ASSERT_TRUE(slots.write(kPageSize - 50, bytes).ok());
  std::vector<uint8_t> back(100);
  ASSERT_TRUE(slots.read(kPageSize - 50, back).ok());
  EXPECT_EQ(back, bytes);
  for (const uint64_t address : {2 * kPageSize - 99, 2 * kPageSize, kHoleStart, UINT64_MAX - 10}) {
    EXPECT_EQ(slots.write(address, bytes).error().code, Code::invalid_argument);
  }
  ASSERT_TRUE(slots.read(2 * kPageSize - 100, back).ok());
  EXPECT_EQ(back, std::vector<uint8_t>(100)) << "nothing is written where not all of it fits";
}

// A bzImage's first sectors as boot protocol 2.15 has them, with a body of 4096 times 0x90.
std::vector<uint8_t> bzimage() {
  std::vector<uint8_t> image(5 * 512 + 4096, 0);
  std::memset(image.data() + 5 * 512, 0x90, 4096);
  uint8_t* header = image.data();
  header[0x1f1] = 4;  // setup sectors
  put_le<uint16_t>(header + 0x1fe, 0xaa55);
  header[0x200] = 0xeb;
  header[0x201] = 0x6a;
  std::memcpy(header + 0x202, "HdrS", 4);
  put_le<uint16_t>(header + 0x206, 0x020f);
  header[0x211] = 0x81;                              // loaded high, heap usable
  put_le<uint32_t>(header + 0x22c, 0x7fffffff);      // the highest address of an initrd
  put_le<uint32_t>(header + 0x238, 2047);            // command line
  put_le<uint64_t>(header + 0x258, 16 * kMebibyte);  // where it unpacks itself
  put_le<uint32_t>(header + 0x260, 8 * kMebibyte);   // and what it takes there
  return image;
}

TEST(KvmBoot, LaysABzImageOutAsTheBootProtocolSays) {
  TestMemory memory;
  const Slots slots = slots_of({64 * kMebibyte / kPageSize}, memory);
  const std::vector<uint8_t> image = bzimage(), initrd(5000, 0x1d);
  auto entry = load_kernel(slots, {image, initrd, "console=ttyS0"});
  ASSERT_TRUE(entry.ok()) << entry.error().message;
  EXPECT_TRUE(entry.value() == (Entry{0x100000, 0, 0x7000}));

  std::vector<uint8_t> body(4096);
  ASSERT_TRUE(slots.read(kMebibyte, body).ok());
  EXPECT_EQ(body, std::vector<uint8_t>(4096, 0x90));
  std::vector<uint8_t> zero_page(4096);
  ASSERT_TRUE(slots.read(0x7000, zero_page).ok());
  const uint8_t* page = zero_page.data();
  EXPECT_EQ(std::memcmp(page + 0x202, "HdrS", 4), 0);
  EXPECT_EQ(page[0x210], 0xff) << "a loader without a number";
  EXPECT_EQ(page[0x211], 0x01) << "no heap is offered";
  EXPECT_EQ(get_le<uint32_t>(page + 0x214), 0x100000u);
  const uint32_t initrd_at = get_le<uint32_t>(page + 0x218);
  EXPECT_EQ(initrd_at, 64 * kMebibyte - 2 * kPageSize) << "as high as it goes, on a page";
  EXPECT_EQ(get_le<uint32_t>(page + 0x21c), 5000u);
  std::vector<uint8_t> copied(5000);
  ASSERT_TRUE(slots.read(initrd_at, copied).ok());
  EXPECT_EQ(copied, initrd);
  std::vector<uint8_t> line(14);
  ASSERT_TRUE(slots.read(get_le<uint32_t>(page + 0x228), line).ok());
  EXPECT_STREQ(reinterpret_cast<const char*>(line.data()), "console=ttyS0");
  ASSERT_EQ(page[0x1e8], 3);
  EXPECT_EQ(get_le<uint64_t>(page + 0x2d0 + 40), kMebibyte);
  EXPECT_EQ(get_le<uint64_t>(page + 0x2d0 + 48), 63 * kMebibyte);
  EXPECT_EQ(get_le<uint32_t>(page + 0x2d0 + 56), 1u);
}

TEST(KvmBoot, RefusesABzImageThatIsNoneOrDoesNotFit) {
  TestMemory memory;
  const Slots slots = slots_of({32 * kMebibyte / kPageSize}, memory);
  const auto refusal = [&](auto change, std::vector<uint8_t> initrd = {}, std::string line = "") {
    std::vector<uint8_t> image = bzimage();
    change(image);
    auto entry = load_kernel(slots, {image, initrd, line});
    if (entry.ok()) return std::string("it was taken");
    EXPECT_EQ(entry.error().code, Code::invalid_argument);
    return entry.error().message;
  };
  using Image = std::vector<uint8_t>;
  EXPECT_NE(refusal([](Image& i) { i[0x206] = 9; }).find("2.10"), std::string::npos);
  EXPECT_NE(refusal([](Image& i) { i[0x211] = 0; }).find("zImage"), std::string::npos);
  EXPECT_NE(refusal([](Image& i) { i[0x1f1] = 200; }).find("cut short"), std::string::npos);
  EXPECT_NE(refusal([](Image& i) { i[0x201] = 1; }).find("impossible length"), std::string::npos);
  EXPECT_NE(refusal([](Image& i) { i[0x201] = 0xff; }).find("impossible length"), std::string::npos);
  EXPECT_NE(refusal([](Image& i) { i[0x263] = 0x7f; }).find("more memory"), std::string::npos);
  EXPECT_NE(refusal([](Image& i) { i[0x25f] = 0xff; }).find("more memory"), std::string::npos);
  EXPECT_NE(refusal([](Image&) {}, Image(9 * kMebibyte)).find("initrd"), std::string::npos);
  EXPECT_NE(refusal([](Image&) {}, {}, std::string(3000, 'x')).find("2047"), std::string::npos);
  EXPECT_NE(refusal([](Image& i) { i[0x202] = 'X'; }).find("neither"), std::string::npos);
  EXPECT_NE(refusal([](Image& i) { i.clear(); }).find("neither"), std::string::npos);
}

TEST(KvmBoot, LaysAPvhKernelOutAsTheProtocolSays) {
  TestMemory memory;
  const Slots slots = slots_of({32 * kMebibyte / kPageSize}, memory);
  const std::vector<uint8_t> image = guest_image("drover-guest.elf"), initrd(100, 3);
  auto entry = load_kernel(slots, {image, initrd, "pages=4"});
  ASSERT_TRUE(entry.ok()) << entry.error().message;
  EXPECT_GE(entry.value().instruction, kMebibyte);
  EXPECT_EQ(entry.value().ebx, 0x6000u);
  std::vector<uint8_t> info(56), module(32);
  ASSERT_TRUE(slots.read(0x6000, info).ok());
  EXPECT_EQ(get_le<uint32_t>(info.data()), 0x336ec578u);
  EXPECT_EQ(get_le<uint32_t>(info.data() + 4), 1u);
  EXPECT_EQ(get_le<uint32_t>(info.data() + 12), 1u);
  ASSERT_TRUE(slots.read(get_le<uint64_t>(info.data() + 16), module).ok());
  EXPECT_EQ(get_le<uint64_t>(module.data()), 32 * kMebibyte - kPageSize);
  EXPECT_EQ(get_le<uint64_t>(module.data() + 8), 100u);
  EXPECT_EQ(get_le<uint32_t>(info.data() + 48), 3u);
}

// Whatever is wrong in a file, it is a refusal or a kernel: never a crash, never a write outside the guest (R6).
TEST(KvmBoot, SurvivesDamagedKernels) {
  TestMemory memory;
  const Slots slots = slots_of({20 * kMebibyte / kPageSize}, memory);
  std::mt19937_64 random(20261121);
  for (const std::vector<uint8_t>& whole : {guest_image("drover-guest.elf"), bzimage()}) {
    for (size_t bytes = 0; bytes < whole.size(); bytes += 1 + bytes / 8) {
      (void)load_kernel(slots, {std::span(whole).first(bytes), {}, ""}).ok();
    }
    for (int trial = 0; trial < 3000; ++trial) {
      std::vector<uint8_t> image = whole;
      for (uint64_t flips = 1 + random() % 4; flips > 0; --flips) {
        image[random() % std::min<size_t>(image.size(), 700)] = static_cast<uint8_t>(random());
      }
      (void)load_kernel(slots, {image, {}, ""}).ok();
    }
  }
}

TEST(KvmBoot, RefusesACommandLineThatCannotBeOne) {
  TestMemory memory;
  const Slots slots = slots_of({20 * kMebibyte / kPageSize}, memory);
  const std::vector<uint8_t> image = guest_image("drover-guest.elf");
  for (const std::string& line : {std::string(70000, 'x'), std::string("a\0b", 3)}) {
    EXPECT_EQ(load_kernel(slots, {image, {}, line}).error().code, Code::invalid_argument);
  }
}

}  // namespace
}  // namespace drover::machine
