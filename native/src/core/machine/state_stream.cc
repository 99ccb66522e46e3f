#include "core/machine/state_stream.h"

#include <algorithm>
#include <string>

#include "core/base/little_endian.h"
#include "core/simd/crc32c.h"

namespace drover::machine {

namespace {

constexpr uint32_t kMagic = 0x00534d44;  // "DMS" and a zero
constexpr uint16_t kVersion = 1;

// Offsets in the head.
enum : size_t { kMagicAt = 0, kVersionAt = 4, kReservedAt = 6, kCountAt = 8, kBodyBytesAt = 12, kBodyCrcAt = 16 };
constexpr size_t kHeadCrcAt = 20;
constexpr size_t kHeadBytes = 24;

// And in front of each payload; then the instance, the kind and the data.
enum : size_t { kInstanceBytesAt = 0, kKindBytesAt = 2, kPayloadVersionAt = 4, kDataBytesAt = 8 };
constexpr size_t kPayloadHeadBytes = 12;

constexpr uint32_t kPayloadsMax = 4096;
constexpr uint32_t kBodyBytesMax = 16 << 20;
constexpr uint32_t kDataBytesMax = 1 << 20;
constexpr uint16_t kNameBytesMax = 64;

Error refused(const std::string& why) { return Error{Code::peer_violation, "the state stream " + why}; }

bool is_visible(std::span<const uint8_t> text) {
  return std::all_of(text.begin(), text.end(), [](uint8_t byte) { return byte >= '!' && byte <= '~'; });
}

std::string text_of(std::span<const uint8_t> bytes) { return {bytes.begin(), bytes.end()}; }

// Takes one payload off the front of `body`.
Result<Payload> take(std::span<const uint8_t>& body, uint32_t index) {
  const std::string which = "payload " + std::to_string(index);
  if (body.size() < kPayloadHeadBytes) return refused("ends inside " + which);
  const size_t instance_bytes = get_le<uint16_t>(&body[kInstanceBytesAt]);
  const size_t kind_bytes = get_le<uint16_t>(&body[kKindBytesAt]);
  const uint32_t version = get_le<uint32_t>(&body[kPayloadVersionAt]);
  const size_t data_bytes = get_le<uint32_t>(&body[kDataBytesAt]);
  const auto is_no_name = [](size_t bytes) { return bytes < 1 || bytes > kNameBytesMax; };
  if (is_no_name(instance_bytes) || is_no_name(kind_bytes)) return refused("has a " + which + " without a name");
  if (data_bytes > kDataBytesMax) return refused("has a " + which + " of " + std::to_string(data_bytes) + " bytes");
  body = body.subspan(kPayloadHeadBytes);
  if (body.size() < instance_bytes + kind_bytes + data_bytes) return refused("ends inside " + which);
  if (!is_visible(body.first(instance_bytes + kind_bytes))) {
    return refused("has a " + which + " whose name is not visible ASCII");
  }
  const auto data = body.subspan(instance_bytes + kind_bytes, data_bytes);
  Payload payload{text_of(body.first(instance_bytes)),
                  text_of(body.subspan(instance_bytes, kind_bytes)),
                  version,
                  {data.begin(), data.end()}};
  body = body.subspan(instance_bytes + kind_bytes + data_bytes);
  return payload;
}

}  // namespace

std::vector<uint8_t> encode_state_stream(const std::vector<Payload>& payloads) {
  std::vector<uint8_t> stream(kHeadBytes);
  for (const Payload& payload : payloads) {
    uint8_t head[kPayloadHeadBytes];
    put_le(&head[kInstanceBytesAt], static_cast<uint16_t>(payload.instance.size()));
    put_le(&head[kKindBytesAt], static_cast<uint16_t>(payload.kind.size()));
    put_le(&head[kPayloadVersionAt], payload.version);
    put_le(&head[kDataBytesAt], static_cast<uint32_t>(payload.data.size()));
    stream.insert(stream.end(), std::begin(head), std::end(head));
    stream.insert(stream.end(), payload.instance.begin(), payload.instance.end());
    stream.insert(stream.end(), payload.kind.begin(), payload.kind.end());
    stream.insert(stream.end(), payload.data.begin(), payload.data.end());
  }
  const size_t body_bytes = stream.size() - kHeadBytes;
  put_le(&stream[kMagicAt], kMagic);
  put_le(&stream[kVersionAt], kVersion);
  put_le(&stream[kReservedAt], uint16_t{0});
  put_le(&stream[kCountAt], static_cast<uint32_t>(payloads.size()));
  put_le(&stream[kBodyBytesAt], static_cast<uint32_t>(body_bytes));
  put_le(&stream[kBodyCrcAt], crc32c(0, stream.data() + kHeadBytes, body_bytes));
  put_le(&stream[kHeadCrcAt], crc32c(0, stream.data(), kHeadCrcAt));
  return stream;
}

Result<std::vector<Payload>> decode_state_stream(std::span<const uint8_t> stream) {
  if (stream.size() < kHeadBytes) return refused("ends inside its head");
  if (get_le<uint32_t>(&stream[kMagicAt]) != kMagic) return refused("is none: it begins with other bytes");
  if (get_le<uint32_t>(&stream[kHeadCrcAt]) != crc32c(0, stream.data(), kHeadCrcAt)) {
    return refused("has a head that does not match its checksum");
  }
  const uint16_t version = get_le<uint16_t>(&stream[kVersionAt]);
  if (version != kVersion) return refused("has version " + std::to_string(version) + ", and this release reads 1");
  if (get_le<uint16_t>(&stream[kReservedAt]) != 0) return refused("has bits set that mean nothing");
  const uint32_t count = get_le<uint32_t>(&stream[kCountAt]);
  const uint32_t body_bytes = get_le<uint32_t>(&stream[kBodyBytesAt]);
  if (count > kPayloadsMax) return refused("has " + std::to_string(count) + " payloads");
  if (body_bytes > kBodyBytesMax) return refused("has " + std::to_string(body_bytes) + " bytes");
  std::span<const uint8_t> body = stream.subspan(kHeadBytes);
  if (body.size() != body_bytes) {
    return refused("has " + std::to_string(body.size()) + " bytes of payloads, and says " + std::to_string(body_bytes));
  }
  if (get_le<uint32_t>(&stream[kBodyCrcAt]) != crc32c(0, body.data(), body.size())) {
    return refused("has payloads that do not match their checksum");
  }
  std::vector<Payload> payloads;
  for (uint32_t index = 0; index < count; index++) {
    auto payload = take(body, index);
    if (!payload) return payload.error();
    payloads.push_back(payload.take());
  }
  if (!body.empty()) return refused("has " + std::to_string(body.size()) + " bytes that belong to no payload");
  return payloads;
}

}  // namespace drover::machine
