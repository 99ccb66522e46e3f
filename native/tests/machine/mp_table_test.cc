#include "core/machine/boot/mp_table.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <numeric>
#include <string>

#include "core/base/little_endian.h"
#include "memory/test_memory.h"

namespace drover::machine {
namespace {

using Bytes = std::vector<uint8_t>;

bool sums_up(std::span<const uint8_t> bytes) { return std::accumulate(bytes.begin(), bytes.end(), 0u) % 256 == 0; }
std::string text(std::span<const uint8_t> bytes) { return {bytes.begin(), bytes.end()}; }

// What an operating system makes of a guest's memory, read strictly by the specification's tables 4-1 to 4-12.
struct Found {
  std::vector<uint8_t> processors;  // local APIC numbers
  int boot_processor = -1;
  uint32_t signature = 0, features = 0;
  std::map<uint8_t, std::string> buses;
  std::map<uint8_t, uint32_t> io_apics;                  // number, address
  std::map<uint8_t, std::pair<uint8_t, uint8_t>> lines;  // of the ISA bus: to which I/O APIC, at which input
  std::vector<std::array<uint8_t, 3>> local;             // kind, local APIC, input
};

Found parse(std::span<const uint8_t> memory) {
  Found found;
  size_t at = 0xf0000;
  while (at < 0x100000 && text(memory.subspan(at, 4)) != "_MP_") at += 16;
  if (at >= 0x100000) {
    ADD_FAILURE() << "there is no floating pointer";
    return found;
  }
  const auto pointer = memory.subspan(at, 16);
  EXPECT_EQ(pointer[8], 1) << "length in 16 bytes";
  EXPECT_EQ(pointer[9], 4) << "revision 1.4";
  EXPECT_TRUE(sums_up(pointer));
  for (int feature = 11; feature < 16; ++feature) EXPECT_EQ(pointer[feature], 0);
  const auto table = memory.subspan(get_le<uint32_t>(pointer.data() + 4));
  EXPECT_EQ(text(table.first(4)), "PCMP");
  const uint16_t bytes = get_le<uint16_t>(table.data() + 4);
  EXPECT_EQ(table[6], 4);
  EXPECT_TRUE(sums_up(table.first(bytes)));
  EXPECT_EQ(get_le<uint32_t>(table.data() + 36), 0xfee00000u);
  const uint16_t entries = get_le<uint16_t>(table.data() + 34);
  size_t offset = 44;
  uint8_t last = 0;
  for (uint16_t index = 0; index < entries; ++index) {
    const auto entry = table.subspan(offset);
    EXPECT_GE(entry[0], last) << "entries are sorted by type";
    last = entry[0];
    switch (entry[0]) {
      case 0:
        found.processors.push_back(entry[1]);
        EXPECT_EQ(entry[3] & 1, 1) << "usable";
        if ((entry[3] & 2) != 0) {
          EXPECT_EQ(found.boot_processor, -1);
          found.boot_processor = entry[1];
        }
        found.signature = get_le<uint32_t>(entry.data() + 4);
        found.features = get_le<uint32_t>(entry.data() + 8);
        break;
      case 1: found.buses[entry[1]] = text(entry.subspan(2, 6)); break;
      case 2:
        EXPECT_EQ(entry[3], 1);
        found.io_apics[entry[1]] = get_le<uint32_t>(entry.data() + 4);
        break;
      case 3:
        EXPECT_EQ(entry[1], 0) << "vectored";
        EXPECT_EQ(get_le<uint16_t>(entry.data() + 2), 0) << "polarity and trigger of the bus";
        EXPECT_EQ(found.buses[entry[4]], "ISA   ");
        found.lines[entry[5]] = {entry[6], entry[7]};
        break;
      case 4: found.local.push_back({entry[1], entry[6], entry[7]}); break;
      default: ADD_FAILURE() << "an entry of type " << int{entry[0]};
    }
    offset += entry[0] == 0 ? 20 : 8;
  }
  EXPECT_EQ(offset, bytes) << "the entries end where the table does";
  return found;
}

Found written(unsigned processors) {
  TestMemory memory = make_memory({512});
  const Slots slots(memory.memory);
  EXPECT_TRUE(write_mp_table(slots, {processors, 0x000306a9, 0x1783fbff}).ok());
  Bytes low(0x100000);
  EXPECT_TRUE(slots.read(0, low).ok());
  return parse(low);
}

TEST(MpTable, NamesEveryProcessorAndTheirChips) {
  for (const unsigned count : {1u, 2u, 3u, 64u, 254u}) {
    const Found found = written(count);
    std::vector<uint8_t> expected(count);
    std::iota(expected.begin(), expected.end(), uint8_t{0});
    EXPECT_EQ(found.processors, expected);
    EXPECT_EQ(found.boot_processor, 0);
    EXPECT_EQ(found.signature, 0x000306a9u);
    EXPECT_EQ(found.features, 0x1783fbffu);
    ASSERT_EQ(found.io_apics.size(), 1u);
    const auto [number, address] = *found.io_apics.begin();
    EXPECT_EQ(address, 0xfec00000u);
    EXPECT_EQ(number, count) << "no processor has the I/O APIC's number";
    // As KVM's lines are wired.
    ASSERT_EQ(found.lines.size(), 16u);
    for (uint8_t line = 0; line < 16; ++line) EXPECT_EQ(found.lines.at(line), std::pair(number, line));
    EXPECT_EQ(found.local, (std::vector<std::array<uint8_t, 3>>{{3, 0, 0}, {1, 0xff, 1}}));
  }
}

TEST(MpTable, RefusesMoreProcessorsThanItCanName) {
  TestMemory memory = make_memory({512});
  const Slots slots(memory.memory);
  for (const unsigned count : {0u, 255u, 4096u}) {
    EXPECT_EQ(write_mp_table(slots, {count, 0, 0}).error().code, Code::limit);
  }
}

}  // namespace
}  // namespace drover::machine
