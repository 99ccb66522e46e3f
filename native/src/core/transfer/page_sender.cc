#include "core/transfer/page_sender.h"

#include <algorithm>

#include "core/simd/crc32c.h"
#include "core/simd/zero_scan.h"

namespace drover {

namespace {

// How many of the `most` pages from `page` on are all zero, or all not zero.
uint64_t count_alike(const uint8_t* page, uint64_t most, bool zero) {
  uint64_t pages = 0;
  while (pages < most && is_zero(page + pages * kPageSize, kPageSize) == zero) pages++;
  return pages;
}

}  // namespace

Status PageSender::send_data(const RegionRun& run, ZeroPages zero_pages) {
  const uint8_t* data = shared_.memory.region(run.region).data();
  const uint64_t end = run.offset + run.pages * kPageSize;
  for (uint64_t at = run.offset; at < end;) {
    const uint64_t left = (end - at) / kPageSize;
    const uint64_t zeroes = count_alike(data + at, left, true);
    if (zeroes > 0) {
      if (zero_pages == ZeroPages::send) {
        if (auto sent = send_zero({run.region, at, zeroes}); !sent) return sent;
      } else {
        totals_.zero_pages += zeroes;
        shared_.counters.add(Counter::zero_pages, zeroes);
        shared_.counters.add(Counter::round_pages_done, zeroes);
      }
      at += zeroes * kPageSize;
      continue;
    }
    const uint64_t most = std::min<uint64_t>(left, shared_.limit.frame_pages(shared_.frame_pages));
    const uint64_t pages = count_alike(data + at, most, false);
    // The guest may have cleared the first page between the two looks; then it goes as it is.
    const RegionRun frame{run.region, at, std::max<uint64_t>(pages, 1)};
    if (auto sent = send_frame(frame); !sent) return sent;
    at += frame.pages * kPageSize;
  }
  return success();
}

Status PageSender::send_frame(const RegionRun& run) {
  uint8_t* payload = shared_.memory.region(run.region).data() + run.offset;
  const uint64_t bytes = run.pages * kPageSize;
  // Before the checksum: while this waits, the guest would tear the run.
  if (auto taken = shared_.limit.take(kFrameHeaderBytes + bytes, shared_.cancel, shared_.counters); !taken)
    return taken;
  FrameHeader header{.type = FrameType::data, .region = run.region, .round = round_};
  header.count = static_cast<uint32_t>(run.pages);
  header.offset = run.offset;
  header.payload_crc = crc32c(0, payload, bytes);
  if (auto added = batch_.add(header, {payload, bytes}); !added) return added;
  totals_.frames++;
  totals_.data_frames++;
  totals_.data_pages += run.pages;
  totals_.wire_bytes += kFrameHeaderBytes + bytes;
  shared_.counters.add(Counter::wire_bytes, kFrameHeaderBytes + bytes);
  shared_.counters.add(Counter::data_pages, run.pages);
  shared_.counters.add(Counter::frames, 1);
  shared_.counters.add(Counter::round_pages_done, run.pages);
  return hurry();
}

Status PageSender::send_zero(const RegionRun& run) {
  RegionRun left = run;
  while (left.pages > 0) {
    const bool joins = zeroes_ && zeroes_->region == left.region &&
                       zeroes_->offset + zeroes_->pages * kPageSize == left.offset && zeroes_->pages < kMaxRunPages;
    if (!joins) {
      if (auto added = add_zeroes(); !added) return added;
      zeroes_ = RegionRun{left.region, left.offset, 0};
    }
    const uint64_t pages = std::min<uint64_t>(left.pages, kMaxRunPages - zeroes_->pages);
    zeroes_->pages += pages;
    left.offset += pages * kPageSize;
    left.pages -= pages;
  }
  return success();
}

Status PageSender::add_zeroes() {
  if (!zeroes_) return success();
  const RegionRun run = *zeroes_;
  zeroes_.reset();
  if (auto taken = shared_.limit.take(kFrameHeaderBytes, shared_.cancel, shared_.counters); !taken) return taken;
  FrameHeader header{.type = FrameType::zero, .region = run.region, .round = round_};
  header.count = static_cast<uint32_t>(run.pages);
  header.offset = run.offset;
  if (auto added = batch_.add(header); !added) return added;
  totals_.frames++;
  totals_.zero_pages += run.pages;
  totals_.wire_bytes += kFrameHeaderBytes;
  shared_.counters.add(Counter::wire_bytes, kFrameHeaderBytes);
  shared_.counters.add(Counter::zero_pages, run.pages);
  shared_.counters.add(Counter::frames, 1);
  shared_.counters.add(Counter::round_pages_done, run.pages);
  return hurry();
}

Status PageSender::end() {
  if (auto added = add_zeroes(); !added) return added;
  FrameHeader end{.type = FrameType::round_end, .round = round_, .count = totals_.frames};
  if (shared_.version >= kRoundDigestVersion) end.payload_crc = batch_.digest();
  if (auto added = batch_.add(end); !added) return added;
  return batch_.flush(Stream::Push::now);
}

}  // namespace drover
