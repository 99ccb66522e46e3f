// What a page channel receives, read ahead: one call for many small frames, and their payloads used where they lie.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/transfer/stream.h"

namespace drover {

// Errors of every call: those of the stream.
class ReadAhead {
 public:
  explicit ReadAhead(Stream& stream) : stream_(stream) {}

  // Fills `into`; false when the peer ended the stream before the first byte of it. The wait for that byte has no end.
  Result<bool> receive_unless_ended(std::span<uint8_t> into);
  // Fills `into`, past the buffer where it can.
  Status receive(std::span<uint8_t> into);
  // The next `bytes` where they lie, good until the next call. The buffer grows to the longest asked for.
  Result<std::span<const uint8_t>> take(size_t bytes);

 private:
  static constexpr size_t kBytes = 128 << 10;

  // Receives once, into the free end of the buffer; 0 at the end of the stream.
  Result<size_t> fill(Deadline deadline);

  Stream& stream_;
  std::vector<uint8_t> buffer_ = std::vector<uint8_t>(kBytes);
  size_t begin_ = 0;  // [begin_, end_) was received and is not used yet
  size_t end_ = 0;
};

}  // namespace drover
