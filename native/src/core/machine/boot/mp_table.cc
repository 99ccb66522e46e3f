#include "core/machine/boot/mp_table.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <string_view>

#include "core/base/little_endian.h"

namespace drover::machine {

namespace {

// Chapter 4 of the specification: sizes in bytes, and the numbers of entries and interrupt kinds.
constexpr size_t kPointerBytes = 16;
constexpr size_t kHeaderBytes = 44;
constexpr size_t kProcessorBytes = 20;
constexpr size_t kOtherBytes = 8;
constexpr uint8_t kSpecification = 4;  // 1.4
enum EntryType : uint8_t { kProcessor = 0, kBus = 1, kIoApic = 2, kInterrupt = 3, kLocalInterrupt = 4 };
enum InterruptType : uint8_t { kVectored = 0, kNmi = 1, kExternal = 3 };
constexpr uint8_t kEnabled = 1;
constexpr uint8_t kBootProcessor = 2;
constexpr uint8_t kAllApics = 0xff;

// Versions of the chips that KVM and bhyve emulate.
constexpr uint8_t kLocalApicVersion = 0x14;
constexpr uint8_t kIoApicVersion = 0x11;
constexpr uint32_t kLocalApicAddress = 0xfee00000;
constexpr uint32_t kIoApicAddress = 0xfec00000;
constexpr uint8_t kIsaBus = 0;
constexpr uint8_t kIsaLines = 16;

// Makes all bytes sum up to 0, by the one at `at`.
void set_checksum(std::vector<uint8_t>& bytes, size_t at) {
  bytes[at] = 0;
  bytes[at] = static_cast<uint8_t>(-std::accumulate(bytes.begin(), bytes.end(), 0u));
}

void put_text(uint8_t* at, std::string_view text) { std::copy(text.begin(), text.end(), at); }

class Table {
 public:
  // A zeroed entry of that type; valid until the next one.
  uint8_t* add(EntryType type, size_t bytes) {
    ++entries_;
    bytes_.resize(bytes_.size() + bytes);
    uint8_t* entry = bytes_.data() + bytes_.size() - bytes;
    entry[0] = type;
    return entry;
  }

  void interrupt(EntryType type, InterruptType what, uint8_t line, uint8_t apic, uint8_t input) {
    uint8_t* entry = add(type, kOtherBytes);
    entry[1] = what;
    // Polarity and trigger (2 and 3) as usual for the bus.
    entry[4] = kIsaBus;
    entry[5] = line;
    entry[6] = apic;
    entry[7] = input;
  }

  std::vector<uint8_t> take() {
    uint8_t* header = bytes_.data();
    put_text(header, "PCMP");
    put_le<uint16_t>(header + 4, static_cast<uint16_t>(bytes_.size()));
    header[6] = kSpecification;
    put_text(header + 8, "DROVER  ");
    put_text(header + 16, "MACHINE     ");
    put_le<uint16_t>(header + 34, entries_);
    put_le<uint32_t>(header + 36, kLocalApicAddress);
    set_checksum(bytes_, 7);
    return std::move(bytes_);
  }

 private:
  std::vector<uint8_t> bytes_ = std::vector<uint8_t>(kHeaderBytes);
  uint16_t entries_ = 0;
};

}  // namespace

std::vector<uint8_t> mp_pointer() {
  std::vector<uint8_t> pointer(kPointerBytes);
  put_text(pointer.data(), "_MP_");
  put_le<uint32_t>(pointer.data() + 4, static_cast<uint32_t>(kMpTableAddress));
  pointer[8] = kPointerBytes / 16;
  pointer[9] = kSpecification;
  // Feature bytes 0: a table is there, and interrupts come through the APIC from the start ("virtual wire").
  set_checksum(pointer, 10);
  return pointer;
}

std::vector<uint8_t> mp_table(const Processors& processors) {
  Table table;
  for (unsigned index = 0; index < processors.count; ++index) {
    uint8_t* entry = table.add(kProcessor, kProcessorBytes);
    entry[1] = static_cast<uint8_t>(index);
    entry[2] = kLocalApicVersion;
    entry[3] = index == 0 ? kEnabled | kBootProcessor : kEnabled;
    put_le<uint32_t>(entry + 4, processors.signature);
    put_le<uint32_t>(entry + 8, processors.features);
  }
  uint8_t* bus = table.add(kBus, kOtherBytes);
  bus[1] = kIsaBus;
  put_text(bus + 2, "ISA   ");
  const auto io_apic = static_cast<uint8_t>(processors.count);
  uint8_t* chip = table.add(kIoApic, kOtherBytes);
  chip[1] = io_apic;
  chip[2] = kIoApicVersion;
  chip[3] = kEnabled;
  put_le<uint32_t>(chip + 4, kIoApicAddress);
  // Each line of the bus is the input of the same number, the timer's included.
  for (uint8_t line = 0; line < kIsaLines; ++line) table.interrupt(kInterrupt, kVectored, line, io_apic, line);
  table.interrupt(kLocalInterrupt, kExternal, 0, 0, 0);
  table.interrupt(kLocalInterrupt, kNmi, 0, kAllApics, 1);
  return table.take();
}

Status write_mp_table(const Slots& slots, const Processors& processors) {
  if (processors.count < 1 || processors.count > kProcessorsMax) {
    return Error{Code::limit, "a machine has 1 to " + std::to_string(kProcessorsMax) + " processors, not " +
                                  std::to_string(processors.count)};
  }
  if (Status written = slots.write(kMpPointerAddress, mp_pointer()); !written) return written;
  return slots.write(kMpTableAddress, mp_table(processors));
}

}  // namespace drover::machine
