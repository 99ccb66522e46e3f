#include "core/transfer/frames.h"

#include <algorithm>

#include "core/base/little_endian.h"
#include "core/memory/guest_memory.h"
#include "core/simd/crc32c.h"

namespace drover {

namespace {

bool known_type(uint16_t type) {
  return type >= static_cast<uint16_t>(FrameType::data) && type <= static_cast<uint16_t>(FrameType::state_end_ack);
}

// Whole pages that neither start inside a page nor run past the last 64-bit address.
bool is_page_run(const FrameHeader& frame) {
  return frame.offset % kPageSize == 0 && frame.offset <= UINT64_MAX - frame.count * kPageSize;
}

// What each type demands of the fields that it gives no meaning to, and of those whose limits do not depend on the
// memory.
Refusal check_fields(uint16_t version, const FrameHeader& frame) {
  switch (frame.type) {
    case FrameType::data:
      if (frame.count < 1 || frame.count > kMaxDataRunPages) return Refusal::count;
      return is_page_run(frame) ? Refusal::ok : Refusal::offset;
    case FrameType::zero:
    case FrameType::torn:
      if (frame.count < 1 || frame.count > kMaxRunPages) return Refusal::count;
      if (!is_page_run(frame)) return Refusal::offset;
      return frame.payload_crc == 0 ? Refusal::ok : Refusal::payload_crc;
    case FrameType::round_end:
    case FrameType::round_end_ack:
      if (frame.region != 0) return Refusal::region;
      if (frame.offset != 0) return Refusal::offset;
      if (frame.type == FrameType::round_end && version >= kRoundDigestVersion) return Refusal::ok;
      return frame.payload_crc == 0 ? Refusal::ok : Refusal::payload_crc;
    case FrameType::state:
      if (frame.region != 0) return Refusal::region;
      if (frame.round != 0) return Refusal::round;
      if (frame.count < 1 || frame.count > kMaxStateFrameBytes) return Refusal::count;
      return frame.offset <= UINT64_MAX - frame.count ? Refusal::ok : Refusal::offset;
    case FrameType::state_end:
    case FrameType::state_end_ack:
      if (frame.region != 0) return Refusal::region;
      if (frame.round != 0) return Refusal::round;
      if (frame.count != 0) return Refusal::count;
      if (frame.type == FrameType::state_end_ack && frame.payload_crc != 0) return Refusal::payload_crc;
      return Refusal::ok;
  }
  return Refusal::type;
}

}  // namespace

const char* refusal_name(Refusal refusal) {
  switch (refusal) {
    case Refusal::ok: return "ok";
    case Refusal::truncated: return "truncated";
    case Refusal::magic: return "magic";
    case Refusal::format: return "format";
    case Refusal::window: return "window";
    case Refusal::role: return "role";
    case Refusal::reserved: return "reserved";
    case Refusal::crc: return "crc";
    case Refusal::kind: return "kind";
    case Refusal::channel: return "channel";
    case Refusal::channels: return "channels";
    case Refusal::type: return "type";
    case Refusal::flags: return "flags";
    case Refusal::region: return "region";
    case Refusal::round: return "round";
    case Refusal::count: return "count";
    case Refusal::offset: return "offset";
    case Refusal::payload_crc: return "payload-crc";
  }
  return "unknown";
}

PreambleBytes encode_preamble(const Preamble& preamble) {
  PreambleBytes bytes{};
  put_le<uint32_t>(&bytes[0], kPreambleMagic);
  put_le<uint16_t>(&bytes[4], kPreambleFormat);
  put_le<uint16_t>(&bytes[6], preamble.oldest);
  put_le<uint16_t>(&bytes[8], preamble.newest);
  put_le<uint16_t>(&bytes[10], static_cast<uint16_t>(preamble.role));
  return bytes;
}

Refusal decode_preamble(std::span<const uint8_t> bytes, Preamble& into) {
  if (bytes.size() < kPreambleBytes) return Refusal::truncated;
  if (get_le<uint32_t>(&bytes[0]) != kPreambleMagic) return Refusal::magic;
  if (get_le<uint16_t>(&bytes[4]) != kPreambleFormat) return Refusal::format;
  into.oldest = get_le<uint16_t>(&bytes[6]);
  into.newest = get_le<uint16_t>(&bytes[8]);
  if (into.oldest < 1 || into.oldest > into.newest) return Refusal::window;
  const auto role = get_le<uint16_t>(&bytes[10]);
  if (role < 1 || role > 3) return Refusal::role;
  into.role = static_cast<Role>(role);
  return get_le<uint32_t>(&bytes[12]) == 0 ? Refusal::ok : Refusal::reserved;
}

BulkHelloBytes encode_bulk_hello(const BulkHello& hello) {
  BulkHelloBytes bytes{};
  std::copy(hello.token.begin(), hello.token.end(), bytes.begin());
  put_le<uint16_t>(&bytes[32], static_cast<uint16_t>(hello.kind));
  put_le<uint16_t>(&bytes[34], hello.channel);
  put_le<uint16_t>(&bytes[36], hello.channels);
  put_le<uint32_t>(&bytes[44], crc32c(0, bytes.data(), 44));
  return bytes;
}

Refusal decode_bulk_hello(std::span<const uint8_t> bytes, BulkHello& into) {
  if (bytes.size() < kBulkHelloBytes) return Refusal::truncated;
  if (get_le<uint32_t>(&bytes[44]) != crc32c(0, bytes.data(), 44)) return Refusal::crc;
  std::copy_n(bytes.begin(), kTokenBytes, into.token.begin());
  const auto kind = get_le<uint16_t>(&bytes[32]);
  if (kind < 1 || kind > 2) return Refusal::kind;
  into.kind = static_cast<BulkKind>(kind);
  into.channels = get_le<uint16_t>(&bytes[36]);
  if (into.channels < 1 || into.channels > kMaxChannels) return Refusal::channels;
  into.channel = get_le<uint16_t>(&bytes[34]);
  if (into.channel >= (into.kind == BulkKind::state ? 1 : into.channels)) return Refusal::channel;
  for (size_t at = 38; at < 44; at++) {
    if (bytes[at] != 0) return Refusal::reserved;
  }
  return Refusal::ok;
}

FrameHeaderBytes encode_frame(const FrameHeader& frame) {
  FrameHeaderBytes bytes{};
  put_le<uint16_t>(&bytes[0], static_cast<uint16_t>(frame.type));
  put_le<uint16_t>(&bytes[4], frame.region);
  put_le<uint32_t>(&bytes[8], frame.round);
  put_le<uint32_t>(&bytes[12], frame.count);
  put_le<uint64_t>(&bytes[16], frame.offset);
  put_le<uint32_t>(&bytes[24], frame.payload_crc);
  put_le<uint32_t>(&bytes[28], crc32c(0, bytes.data(), 28));
  return bytes;
}

Refusal decode_frame(uint16_t version, std::span<const uint8_t> bytes, FrameHeader& into) {
  if (bytes.size() < kFrameHeaderBytes) return Refusal::truncated;
  if (get_le<uint32_t>(&bytes[28]) != crc32c(0, bytes.data(), 28)) return Refusal::crc;
  const auto type = get_le<uint16_t>(&bytes[0]);
  if (!known_type(type)) return Refusal::type;
  if (get_le<uint16_t>(&bytes[2]) != 0) return Refusal::flags;
  if (get_le<uint16_t>(&bytes[6]) != 0) return Refusal::reserved;
  into.type = static_cast<FrameType>(type);
  into.region = get_le<uint16_t>(&bytes[4]);
  into.round = get_le<uint32_t>(&bytes[8]);
  into.count = get_le<uint32_t>(&bytes[12]);
  into.offset = get_le<uint64_t>(&bytes[16]);
  into.payload_crc = get_le<uint32_t>(&bytes[24]);
  return check_fields(version, into);
}

size_t payload_bytes(const FrameHeader& frame) {
  if (frame.type == FrameType::data) return frame.count * kPageSize;
  return frame.type == FrameType::state ? frame.count : 0;
}

}  // namespace drover
