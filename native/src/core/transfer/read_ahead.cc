#include "core/transfer/read_ahead.h"

#include <algorithm>
#include <cstring>

namespace drover {

Result<size_t> ReadAhead::fill(Deadline deadline) {
  auto received = stream_.receive_some(std::span(buffer_).subspan(end_), deadline);
  if (received) end_ += received.value();
  return received;
}

Result<std::span<const uint8_t>> ReadAhead::take(size_t bytes) {
  if (begin_ + bytes > buffer_.size()) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    if (bytes > buffer_.size()) buffer_.resize(bytes);
  }
  while (end_ - begin_ < bytes) {
    auto received = fill(stream_.stall_deadline());
    if (!received) return received.error();
    if (received.value() == 0) return Stream::ended_error();
  }
  const std::span<const uint8_t> taken(buffer_.data() + begin_, bytes);
  begin_ += bytes;
  if (begin_ == end_) begin_ = end_ = 0;
  return taken;
}

Result<bool> ReadAhead::receive_unless_ended(std::span<uint8_t> into) {
  if (begin_ == end_) {
    begin_ = end_ = 0;
    auto received = fill(kNoDeadline);
    if (!received) return received.error();
    if (received.value() == 0) return false;
  }
  auto taken = take(into.size());
  if (!taken) return taken.error();
  std::ranges::copy(taken.value(), into.begin());
  return true;
}

Status ReadAhead::receive(std::span<uint8_t> into) {
  const size_t here = std::min(into.size(), end_ - begin_);
  std::memcpy(into.data(), buffer_.data() + begin_, here);
  begin_ += here;
  return stream_.receive(into.subspan(here));
}

}  // namespace drover
