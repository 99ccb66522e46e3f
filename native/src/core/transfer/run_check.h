// Whether a run that a peer named lies in guest memory.
#pragma once

#include "core/memory/guest_memory.h"
#include "core/transfer/frames.h"

namespace drover {

// True when all `count` pages at `offset` of the frame's region exist. Overflow-safe; alignment is the decoder's to
// check.
inline bool run_in_memory(const GuestMemory& memory, const FrameHeader& frame) {
  if (frame.region >= memory.region_count()) return false;
  const uint64_t size = memory.region(frame.region).size();
  return frame.offset <= size && frame.count <= (size - frame.offset) / kPageSize;
}

inline Error violation(const std::string& what) {
  return Error{Code::peer_violation, "the peer broke the protocol: " + what};
}

inline Error frame_violation(Refusal refusal) {
  return violation(std::string("a frame with a wrong field: ") + refusal_name(refusal));
}

}  // namespace drover
