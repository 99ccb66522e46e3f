#include "core/transfer/sender_channel.h"

#include "core/transfer/run_check.h"

namespace drover {

Status SenderChannel::run(SenderRound& round) {
  PageSender sender(shared_, stream_, round.round);
  auto sent = round.pages ? send_dirty(round, sender) : send_everything(round, sender);
  if (!sent) return sent;
  if (auto ended = sender.end(); !ended) return ended;
  shared_.counters.add(Counter::wire_bytes, kFrameHeaderBytes);
  shared_.counters.add(Counter::frames, 1);
  round.wire_bytes += sender.totals().wire_bytes + kFrameHeaderBytes;
  round.data_pages += sender.totals().data_pages;
  round.zero_pages += sender.totals().zero_pages;
  return await_end(round, sender.totals());
}

Status SenderChannel::send_everything(SenderRound& round, PageSender& sender) {
  for (;;) {
    auto piece = round.full.take();
    if (!piece) return piece.error();
    if (!piece.value()) return success();
    const RegionRun& run = *piece.value();
    data_map_.note(run.region, run.offset, run.pages);
    if (auto sent = sender.send_data(run, ZeroPages::skip); !sent) return sent;
    if (shared_.cancel.cancelled()) return cancelled_error();
  }
}

Status SenderChannel::send_dirty(SenderRound& round, PageSender& sender) {
  std::vector<PageRun> runs;
  for (round.dirty->take(runs); !runs.empty(); round.dirty->take(runs)) {
    for (const PageRun& run : runs) {
      RegionRuns parts(shared_.memory, run);
      while (const auto part = parts.next()) {
        if (auto sent = send_run(*part, sender); !sent) return sent;
      }
    }
    if (shared_.cancel.cancelled()) return cancelled_error();
  }
  return success();
}

Status SenderChannel::send_run(const RegionRun& run, PageSender& sender) {
  const uint64_t end = run.offset + run.pages * kPageSize;
  uint64_t data_from = run.offset;  // [data_from, at) holds data and is not sent yet
  const auto send_data_before = [&](uint64_t at) {
    if (at == data_from) return success();
    return sender.send_data({run.region, data_from, (at - data_from) / kPageSize}, ZeroPages::send);
  };
  for (uint64_t at = run.offset; at < end;) {
    auto hole = data_map_.hole_bytes(run.region, at, end);
    if (!hole) return hole.error();
    if (hole.value() == 0) {
      at += kPageSize;
      continue;
    }
    if (auto sent = send_data_before(at); !sent) return sent;
    if (auto sent = sender.send_zero({run.region, at, hole.value() / kPageSize}); !sent) return sent;
    at += hole.value();
    data_from = at;
  }
  return send_data_before(end);
}

Status SenderChannel::await_end(SenderRound& round, const ChannelTotals& sent) {
  // Every torn frame answers at least one data frame of this channel, so their number has a bound.
  for (uint32_t torn_frames = 0;;) {
    FrameHeaderBytes bytes;
    if (auto answer = stream_.wait_for_answer(); !answer) return answer;
    if (auto received = stream_.receive(bytes); !received) return received;
    FrameHeader frame;
    if (const Refusal refusal = decode_frame(shared_.version, bytes, frame); refusal != Refusal::ok)
      return frame_violation(refusal);
    if (frame.round != round.round) return violation("an answer for another round");
    if (frame.type == FrameType::round_end_ack) {
      if (frame.count != torn_frames) return violation("an acknowledgement with a wrong number of torn runs");
      return success();
    }
    if (frame.type != FrameType::torn) return violation("a frame that only a source may send");
    if (torn_frames++ == sent.data_frames) return violation("more torn runs than runs were sent");
    if (!run_in_memory(shared_.memory, frame)) return violation("a torn run outside guest memory");
    round.torn->set_range(shared_.memory.page_number(frame.region, frame.offset), frame.count);
    round.torn_pages += frame.count;
    shared_.counters.add(Counter::torn_pages, frame.count);
  }
}

}  // namespace drover
