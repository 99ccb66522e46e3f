#include "core/machine/serial_console.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include <utility>

namespace drover::machine {

namespace {

constexpr size_t kOutputBytesMax = 64 << 10;
// So much is sent although its line is not whole.
constexpr size_t kPieceBytes = 1 << 10;
// A line that is not whole, a prompt perhaps, waits for so long. Nobody who types sees it.
constexpr long kLingerNanoseconds = 2'000'000;

}  // namespace

SerialConsole::SerialConsole(Line line, UniqueFd socket, UniqueFd reader, UniqueFd wake, UniqueFd timer)
    : line_(std::move(line)),
      socket_(std::move(socket)),
      wake_(std::move(wake)),
      timer_(std::move(timer)),
      reader_(std::move(reader)) {}

Result<std::unique_ptr<SerialConsole>> SerialConsole::create(Line line) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    return errno_error("socketpair", "the console could not be made");
  }
  UniqueFd socket(ends[0]), reader(ends[1]);
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.valid()) return errno_error("eventfd", "the console could not be made");
  UniqueFd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer.valid()) return errno_error("timerfd_create", "the console could not be made");
  std::unique_ptr<SerialConsole> console(
      new SerialConsole(std::move(line), std::move(socket), std::move(reader), std::move(wake), std::move(timer)));
  console->thread_ = std::thread([self = console.get()] { self->main(); });
  return console;
}

SerialConsole::~SerialConsole() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake();
  thread_.join();
}

Result<UniqueFd> SerialConsole::take_reader() {
  std::lock_guard lock(mutex_);
  if (!reader_.valid()) return Error{Code::closed, "this machine's console was taken already"};
  return std::move(reader_);
}

void SerialConsole::wake() {
  const uint64_t one = 1;
  // It can only fail where the count is full, and then the thread wakes anyway.
  (void)!::write(wake_.get(), &one, sizeof one);
}

void SerialConsole::start_timer() {
  const itimerspec once{.it_interval = {}, .it_value = {.tv_sec = 0, .tv_nsec = kLingerNanoseconds}};
  // It cannot fail for a time that is one.
  timing_ = ::timerfd_settime(timer_.get(), 0, &once, nullptr) == 0;
}

void SerialConsole::update_line() {
  const bool high = port_.interrupt();
  if (high == std::exchange(line_high_, high)) return;
  line_(high);
}

uint8_t SerialConsole::read(unsigned offset) {
  std::lock_guard lock(mutex_);
  const bool had_room = port_.has_room();
  const uint8_t value = port_.read(offset);
  update_line();
  if (!had_room && port_.has_room()) wake();
  return value;
}

void SerialConsole::write(unsigned offset, uint8_t value) {
  std::lock_guard lock(mutex_);
  const bool had_room = port_.has_room();
  const auto sent = port_.write(offset, value);
  update_line();
  if (!had_room && port_.has_room()) wake();
  if (!sent) return;
  if (output_.size() >= kOutputBytesMax) {
    dropped_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  output_.push_back(static_cast<char>(*sent));
  if (blocked_) return;
  if (*sent == '\n' || output_.size() >= kPieceBytes) {
    give_output();
  } else if (!timing_) {
    start_timer();
  }
}

void SerialConsole::set_input(bool on) {
  std::lock_guard lock(mutex_);
  input_ = on;
  if (on) {
    wake();
  } else {
    give_output();
  }
}

SerialPort::State SerialConsole::state() {
  std::lock_guard lock(mutex_);
  return port_.state();
}

bool SerialConsole::restore(const SerialPort::State& state) {
  std::lock_guard lock(mutex_);
  if (!port_.restore(state)) return false;
  line_high_ = port_.interrupt();
  line_(line_high_);
  return true;
}

bool SerialConsole::take_input() {
  uint8_t byte;
  while (input_ && port_.has_room()) {
    const ssize_t got = ::recv(socket_.get(), &byte, 1, MSG_DONTWAIT);
    if (got == 1) {
      port_.receive(byte);
      continue;
    }
    if (got == 0) return false;
    if (errno != EINTR) return errno == EAGAIN;
  }
  return true;
}

void SerialConsole::give_output() {
  const bool was_blocked = std::exchange(blocked_, false);
  while (!output_.empty()) {
    const ssize_t sent = ::send(socket_.get(), output_.data(), output_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) {
      output_.erase(0, static_cast<size_t>(sent));
    } else if (errno == EAGAIN) {
      blocked_ = true;
      // The thread waits for room.
      if (!was_blocked) wake();
      return;
    } else if (errno != EINTR) {
      dropped_.fetch_add(output_.size(), std::memory_order_relaxed);
      output_.clear();
    }
  }
}

void SerialConsole::main() {
  for (;;) {
    pollfd waits[3] = {{wake_.get(), POLLIN, 0}, {socket_.get(), 0, 0}, {timer_.get(), POLLIN, 0}};
    {
      std::lock_guard lock(mutex_);
      if (ending_) return;
      if (input_ && !input_ended_ && port_.has_room()) waits[1].events |= POLLIN;
      if (blocked_) waits[1].events |= POLLOUT;
      // A reader that is gone would be reported for ever.
      if (waits[1].events == 0) waits[1].fd = -1;
    }
    if (::poll(waits, 3, -1) < 0 && errno != EINTR) return;
    uint64_t count;
    (void)!::read(wake_.get(), &count, sizeof count);
    std::lock_guard lock(mutex_);
    const bool time_is_up = ::read(timer_.get(), &count, sizeof count) > 0;
    if (time_is_up) timing_ = false;
    if (!input_ended_ && !take_input()) input_ended_ = true;
    update_line();
    if (time_is_up || blocked_) give_output();
  }
}

}  // namespace drover::machine
