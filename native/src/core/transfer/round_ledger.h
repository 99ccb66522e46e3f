// Which rounds the destination's channels have ended. Holds the peer to the order of rounds: they rise, and none begins
// on any channel before every channel has ended the one before.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

namespace drover {

// Not synchronised: its owner locks.
class RoundLedger {
 public:
  explicit RoundLedger(size_t channels) : ended_(channels, false) {}

  // The channel sends its first frame of `round`. False: not allowed now.
  bool open(size_t channel, uint32_t round) {
    if (!active_) {
      if (round <= completed_) return false;
      active_ = round;
    }
    return *active_ == round && !ended_[channel];
  }

  // The channel has ended the round that it opened, `torn` where pages of it came damaged. True when it was the last
  // one.
  bool end(size_t channel, bool torn) {
    ended_[channel] = true;
    torn_ = torn_ || torn;
    if (!std::all_of(ended_.begin(), ended_.end(), [](bool ended) { return ended; })) return false;
    completed_ = *active_;
    whole_ = !torn_;
    torn_ = false;
    active_.reset();
    ended_.assign(ended_.size(), false);
    return true;
  }

  // The last round that all channels have ended; -1 before the first.
  int64_t completed() const { return completed_; }
  // Whether every page of that round is in memory as it was sent.
  bool whole() const { return whole_; }
  bool between_rounds() const { return !active_; }

 private:
  std::vector<bool> ended_;  // of the active round
  std::optional<uint32_t> active_;
  bool torn_ = false;  // of the active round
  int64_t completed_ = -1;
  bool whole_ = false;
};

}  // namespace drover
