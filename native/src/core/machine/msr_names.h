// Model-specific registers by number: those that are treated apart, and names for sentences.
#pragma once

#include <cstdint>
#include <string>

namespace drover::machine {

inline constexpr uint32_t kMsrTsc = 0x10;
inline constexpr uint32_t kMsrTscAdjust = 0x3b;
inline constexpr uint32_t kMsrTscDeadline = 0x6e0;

// "MSR 0x6e0 (IA32_TSC_DEADLINE)", or the number alone.
std::string describe_msr(uint32_t index);

}  // namespace drover::machine
