// A VM's RAM: made by the kernel, seen here in two ways.
//
// Through the guest view writes go the way of the guest's own, by its nested page tables, and mark pages as written.
// Whoever fills memory for a guest writes there: a page written behind the tables would be missing from the set of
// written pages of the next migration. The segment view is the memory itself: reading a page there marks nothing, so a
// source reads there.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/base/result.h"
#include "core/bhyve/device.h"

namespace drover::bhyve {

// RAM that lies in one piece in the guest's physical address space: the first 3 GiB at 0, the rest from 4 GiB.
struct Segment {
  int id;
  uint64_t guest_address;  // bytes
  uint64_t pages;
  uint64_t first_page;  // counted through all segments, from 0
  Mapping guest_view;
  Mapping segment_view;
};

class Memory {
 public:
  // Gives a VM that has no memory yet `bytes` of it, whole pages. Errors: invalid_argument, limit (the host has not so
  // much left), system_call.
  static Result<Memory> allocate(Device& vm, uint64_t bytes);

  const std::vector<Segment>& segments() const { return segments_; }
  uint64_t pages() const;

  // Copies bytes to a guest-physical address through the guest view, or from one through the segment view. Error
  // invalid_argument where not all of it is RAM of one segment; nothing is copied then.
  Status write(uint64_t guest_address, std::span<const uint8_t> bytes) const;
  Status read(uint64_t guest_address, std::span<uint8_t> bytes) const;

 private:
  const Segment* holder(uint64_t guest_address, uint64_t bytes) const;

  std::vector<Segment> segments_;
};

}  // namespace drover::bhyve
