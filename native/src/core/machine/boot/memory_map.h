// What the guest is told of its memory, and where things for its start lie below 640 KiB.
#pragma once

#include <cstdint>
#include <vector>

#include "core/machine/slots.h"

namespace drover::machine {

// Guest-physical addresses.
inline constexpr uint64_t kGdtAddress = 0x500;
inline constexpr uint64_t kStartInfoAddress = 0x6000;
inline constexpr uint64_t kModulesAddress = 0x6100;
inline constexpr uint64_t kMemoryMapAddress = 0x6200;
inline constexpr uint64_t kBootParamsAddress = 0x7000;
inline constexpr uint64_t kCommandLineAddress = 0x20000;
inline constexpr uint64_t kCommandLineBytes = 0x10000;  // its zero byte included
inline constexpr uint64_t kOneMebibyte = 0x100000;

// As e820 numbers them; so does the PVH start info.
enum class MemoryType : uint32_t { ram = 1, reserved = 2 };

struct MemoryRange {
  uint64_t address;
  uint64_t bytes;
  MemoryType type;
  bool operator==(const MemoryRange&) const = default;
};

// In address order, without overlap; the last 384 KiB below 1 MiB are reserved as on every PC.
std::vector<MemoryRange> memory_map(const Slots& slots);

}  // namespace drover::machine
