// The digest of a round on one channel: what the end of the round carries from version 2 of the protocol on, so that a
// frame that was lost, doubled or came elsewhere is found although each frame is right by itself.
#pragma once

#include <cstdint>

#include "core/simd/crc32c.h"
#include "core/transfer/frames.h"

namespace drover {

class RoundDigest {
 public:
  // The round's next frame, in the order of the channel. Its own checksum is left out: a CRC that runs over data and
  // then over that data's CRC comes out the same for any data.
  void add(const FrameHeaderBytes& header) { crc_ = crc32c(crc_, header.data(), kFrameHeaderBytes - sizeof crc_); }
  uint32_t value() const { return crc_; }

 private:
  uint32_t crc_ = 0;
};

}  // namespace drover
