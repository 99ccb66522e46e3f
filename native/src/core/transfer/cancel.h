// A flag that ends every wait of one transfer at once.
#pragma once

#include <atomic>
#include <memory>

#include "core/base/result.h"
#include "core/base/unique_fd.h"

namespace drover {

class CancelToken {
 public:
  static Result<std::shared_ptr<CancelToken>> create();

  // From any thread, any number of times.
  void cancel();
  bool cancelled() const { return cancelled_.load(std::memory_order_acquire); }
  // Readable from the first cancel() on, for poll().
  int fd() const { return event_.get(); }

 private:
  CancelToken() = default;
  std::atomic<bool> cancelled_{false};
  UniqueFd event_;
};

}  // namespace drover
