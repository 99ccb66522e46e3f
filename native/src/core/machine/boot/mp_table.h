// How a guest's system finds all of its processors: an MP table, MultiProcessor Specification 1.4 (Intel 242016-006).
//
// A machine has no ACPI: tables that are there have to describe power management and events that it does not have, and
// a Linux that finds none takes the MP table for processors, the I/O APIC and interrupts.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/result.h"
#include "core/machine/slots.h"

namespace drover::machine {

// Where the floating pointer is looked for: the last 64 KiB below 1 MiB, on 16 bytes. The table follows it.
inline constexpr uint64_t kMpPointerAddress = 0xf0000;
inline constexpr uint64_t kMpTableAddress = 0xf0010;

// What the table says of each processor. Their local APICs are numbered from 0; the first one starts the others.
struct Processors {
  unsigned count;
  uint32_t signature;  // family, model, stepping: CPUID 1 eax
  uint32_t features;   // CPUID 1 edx
};

// A local APIC's number has 8 bits; 255 means all, and the I/O APIC takes one.
inline constexpr unsigned kProcessorsMax = 254;

// Both structures. Prerequisite: 1 to kProcessorsMax processors.
std::vector<uint8_t> mp_pointer();
std::vector<uint8_t> mp_table(const Processors& processors);

// Writes them into a fresh guest's memory. Errors limit: more processors than an MP table can name.
Status write_mp_table(const Slots& slots, const Processors& processors);

}  // namespace drover::machine
