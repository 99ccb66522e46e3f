// How a transfer ends early: the first error wins, ends every wait, and is what every caller gets.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "core/base/result.h"
#include "core/transfer/cancel.h"

namespace drover {

class Failure {
 public:
  // `woken` is called once, after the first error is set, on the thread that set it: for those who wait on conditions.
  Failure(std::shared_ptr<CancelToken> token, std::function<void(const Error&)> woken)
      : token_(std::move(token)), woken_(std::move(woken)) {}

  const CancelToken& token() const { return *token_; }
  bool failed() const { return token_->cancelled(); }

  // Hold no lock that `woken` takes.
  void fail(Error error) {
    {
      std::lock_guard lock(mutex_);
      if (error_) return;
      error_ = std::move(error);
      token_->cancel();
    }
    // Set once and never changed: safe to read without the lock from here on.
    woken_(*error_);
  }

  // The first error. Prerequisite: failed().
  Error error() const {
    std::lock_guard lock(mutex_);
    return *error_;
  }

 private:
  std::shared_ptr<CancelToken> token_;
  std::function<void(const Error&)> woken_;
  mutable std::mutex mutex_;
  std::optional<Error> error_;
};

}  // namespace drover
