// Putting a kernel into a fresh guest's memory.
//
// Two kinds are known: an ELF with a PVH entry (Xen's docs/misc/pvh.pandoc) and a Linux bzImage (Linux
// Documentation/arch/x86/boot.rst, 32-bit protocol). Either starts in flat 32-bit protected mode.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "core/base/result.h"
#include "core/machine/slots.h"

namespace drover::machine {

// What to boot. The bytes are somebody's file and are not trusted.
struct Kernel {
  std::span<const uint8_t> image;
  std::span<const uint8_t> initrd;  // empty: none
  std::string command_line;         // without a zero byte
};

// Where and with what the first processor starts; all other registers are 0.
struct Entry {
  uint32_t instruction;
  uint32_t ebx;
  uint32_t esi;
  bool operator==(const Entry&) const = default;
};

// Writes kernel, initrd, command line and the guest's description of itself. Errors invalid_argument: the image is no
// kernel of a known kind or is cut short; something does not fit into the memory.
Result<Entry> load_kernel(const Slots& slots, const Kernel& kernel);

// Flat 32-bit code and data, in the table that load_kernel wrote.
inline constexpr uint16_t kCodeSelector = 0x10;
inline constexpr uint16_t kDataSelector = 0x18;
inline constexpr uint16_t kGdtBytes = 4 * 8;

}  // namespace drover::machine
