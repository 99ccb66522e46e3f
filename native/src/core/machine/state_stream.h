// A machine's state on its way to another: one head, then payloads in a row. Layout: kind `machine-stream`, version 1,
// in the machine protocol's SPEC.md; @drover/protocol has the same in TypeScript, for whoever is in no hurry.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/base/result.h"
#include "core/machine/payload.h"

namespace drover::machine {

// The payloads are this machine's own, and so within the limits.
std::vector<uint8_t> encode_state_stream(const std::vector<Payload>& payloads);

// Reads a whole stream and refuses what is behind its end. Error: peer_violation.
Result<std::vector<Payload>> decode_state_stream(std::span<const uint8_t> stream);

}  // namespace drover::machine
