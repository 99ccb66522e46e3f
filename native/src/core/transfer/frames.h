// The peer protocol's binary layouts, versions 1 and 2: preamble, bulk hello, bulk frame header.
// packages/protocol/src/peer/SPEC.md is the text, packages/protocol/vectors/peer-v*.txt are the golden bytes. All
// integers little-endian.
//
// Decoding judges what a peer sent by itself alone: every field is checked, nothing is assumed. Whether a run lies
// inside a region is for those who know the memory (run_check.h).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/base/result.h"

namespace drover {

// Versions of the protocol that this code speaks, and the first in which the end of a round carries its digest.
inline constexpr uint16_t kOldestVersion = 1;
inline constexpr uint16_t kNewestVersion = 2;
inline constexpr uint16_t kRoundDigestVersion = 2;

inline constexpr uint32_t kPreambleMagic = 0x52565244;  // "DRVR"
inline constexpr uint16_t kPreambleFormat = 1;
inline constexpr size_t kPreambleBytes = 16;
inline constexpr size_t kTokenBytes = 32;
inline constexpr size_t kBulkHelloBytes = 48;
inline constexpr size_t kFrameHeaderBytes = 32;
inline constexpr uint16_t kMaxChannels = 64;
inline constexpr uint32_t kMaxDataRunPages = 256;
inline constexpr uint32_t kMaxRunPages = 1u << 20;  // of a zero or torn run
inline constexpr uint32_t kMaxStateFrameBytes = 1u << 20;

using PreambleBytes = std::array<uint8_t, kPreambleBytes>;
using BulkHelloBytes = std::array<uint8_t, kBulkHelloBytes>;
using FrameHeaderBytes = std::array<uint8_t, kFrameHeaderBytes>;

// What is wrong with bytes from a peer; `ok` when nothing is.
enum class Refusal {
  ok,
  truncated,
  magic,
  format,
  window,
  role,
  reserved,
  crc,
  kind,
  channel,
  channels,
  type,
  flags,
  region,
  round,
  count,
  offset,
  payload_crc,
};

// The spelling used by the golden vectors.
const char* refusal_name(Refusal refusal);

enum class Role : uint16_t { control = 1, bulk = 2, fault = 3 };

struct Preamble {
  uint16_t oldest;  // protocol versions that the speaker speaks; 1 <= oldest <= newest
  uint16_t newest;
  Role role;
};

enum class BulkKind : uint16_t { pages = 1, state = 2 };

struct BulkHello {
  std::array<uint8_t, kTokenBytes> token;
  BulkKind kind;
  uint16_t channel;   // below `channels`; 0 for state
  uint16_t channels;  // page channels, 1-64
};

enum class FrameType : uint16_t {
  data = 0x0101,
  zero = 0x0102,
  round_end = 0x0103,
  torn = 0x0104,
  round_end_ack = 0x0105,
  state = 0x0106,
  state_end = 0x0107,
  state_end_ack = 0x0108,
};

struct FrameHeader {
  FrameType type;
  uint16_t region = 0;
  uint32_t round = 0;
  uint32_t count = 0;
  uint64_t offset = 0;
  uint32_t payload_crc = 0;  // of a round_end, from version 2 on, the digest of the round
};

inline bool speaks_version(uint16_t version) { return version >= kOldestVersion && version <= kNewestVersion; }

PreambleBytes encode_preamble(const Preamble& preamble);
Refusal decode_preamble(std::span<const uint8_t> bytes, Preamble& into);

BulkHelloBytes encode_bulk_hello(const BulkHello& hello);
Refusal decode_bulk_hello(std::span<const uint8_t> bytes, BulkHello& into);

FrameHeaderBytes encode_frame(const FrameHeader& frame);
// Reads the header at the start of `bytes` as `version` has it; what follows it is not looked at.
Refusal decode_frame(uint16_t version, std::span<const uint8_t> bytes, FrameHeader& into);

// Bytes that follow the header.
size_t payload_bytes(const FrameHeader& frame);

}  // namespace drover
