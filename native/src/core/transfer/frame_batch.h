// Frames of one page channel on their way out, many with one call: the pages of a last round lie one by one, and a call
// for each would cost more than the pages do.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <span>

#include "core/transfer/frames.h"
#include "core/transfer/round_digest.h"
#include "core/transfer/stream.h"

namespace drover {

class FrameBatch {
 public:
  // `stream` must outlive the batch.
  explicit FrameBatch(Stream& stream) : stream_(stream) {}

  // Adds a frame, and sends what is there when that is enough for a call. `payload` must stay where it is until then;
  // it is only read.
  Status add(const FrameHeader& header, std::span<uint8_t> payload = {});
  // Of all frames that were added.
  uint32_t digest() const { return digest_.value(); }
  // Sends what is there.
  Status flush(Stream::Push push);

 private:
  static constexpr size_t kFrames = 32;
  static constexpr size_t kBytes = 256 << 10;

  Stream& stream_;
  RoundDigest digest_;
  std::array<FrameHeaderBytes, kFrames> headers_;
  std::array<iovec, 2 * kFrames> parts_;
  size_t frames_ = 0;
  size_t part_count_ = 0;
  size_t bytes_ = 0;
};

}  // namespace drover
