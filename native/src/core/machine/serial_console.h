// The serial port with its two ends: the guest's registers, and a socket for whoever reads the console.
//
// What the guest sends waits in a buffer until its line is whole, or for a moment: a character alone costs whoever
// reads as much as a line does. When the reader is slow and the buffer is full, new output is dropped and counted:
// nobody's reading ever stalls a guest. A thread sends what waits, and takes input from the socket, only as far as the
// FIFO has room, and not while the machine is paused: then the port's state is still and all it has sent is on its way.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "core/base/result.h"
#include "core/base/unique_fd.h"
#include "core/machine/serial_port.h"

namespace drover::machine {

class SerialConsole {
 public:
  // Called with the interrupt line's new level, under the port's lock; must not call back.
  using Line = std::function<void(bool high)>;
  static Result<std::unique_ptr<SerialConsole>> create(Line line);
  ~SerialConsole();

  // The reader's end of the socket, once; it does not block. Error closed the second time.
  Result<UniqueFd> take_reader();

  // The guest's accesses. Any thread.
  uint8_t read(unsigned offset);
  void write(unsigned offset, uint8_t value);

  // Whether input may come in; off at first. After set_input(false) the port changes through the guest alone.
  void set_input(bool on);
  SerialPort::State state();
  // Takes on the state and sets the line to its level; false where the state is none.
  bool restore(const SerialPort::State& state);
  // Bytes of output that nobody read in time.
  uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  SerialConsole(Line line, UniqueFd socket, UniqueFd reader, UniqueFd wake, UniqueFd timer);
  void main();
  // With the lock held.
  void update_line();
  bool take_input();
  void give_output();
  void start_timer();
  void wake();

  const Line line_;
  const UniqueFd socket_;
  const UniqueFd wake_;
  const UniqueFd timer_;
  std::atomic<uint64_t> dropped_{0};

  std::mutex mutex_;  // guards all below
  SerialPort port_;
  UniqueFd reader_;
  bool line_high_ = false;
  bool input_ = false;
  bool input_ended_ = false;
  bool ending_ = false;
  std::string output_;
  bool timing_ = false;   // the timer runs; when it ends all output is due
  bool blocked_ = false;  // output is due, and the socket is full
  std::thread thread_;
};

}  // namespace drover::machine
