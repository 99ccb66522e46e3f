#include "core/transfer/frame_batch.h"

namespace drover {

Status FrameBatch::add(const FrameHeader& header, std::span<uint8_t> payload) {
  FrameHeaderBytes& head = headers_[frames_++] = encode_frame(header);
  digest_.add(head);
  parts_[part_count_++] = {head.data(), head.size()};
  if (!payload.empty()) parts_[part_count_++] = {payload.data(), payload.size()};
  bytes_ += head.size() + payload.size();
  if (frames_ < kFrames && bytes_ < kBytes) return success();
  // The end of the round follows in any case, and takes along what the kernel kept.
  return flush(Stream::Push::with_what_follows);
}

Status FrameBatch::flush(Stream::Push push) {
  const std::span<iovec> parts(parts_.data(), part_count_);
  frames_ = part_count_ = bytes_ = 0;
  return stream_.send(parts, kNoDeadline, push);
}

}  // namespace drover
