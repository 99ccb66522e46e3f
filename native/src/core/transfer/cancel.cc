#include "core/transfer/cancel.h"

#include <sys/eventfd.h>

namespace drover {

Result<std::shared_ptr<CancelToken>> CancelToken::create() {
  std::shared_ptr<CancelToken> token(new CancelToken);
  token->event_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!token->event_.valid()) return errno_error("eventfd", "cannot make the event that ends a transfer's waits");
  return token;
}

void CancelToken::cancel() {
  cancelled_.store(true, std::memory_order_release);
  const uint64_t one = 1;
  // Fails only when the counter is full: then the descriptor is readable already.
  [[maybe_unused]] const ssize_t written = ::write(event_.get(), &one, sizeof one);
}

}  // namespace drover
