// A 16550A serial port, as a plain model: registers, FIFO and the level of its interrupt, no thread and no descriptor.
//
// What the guest writes is sent at once, so the transmitter is always empty. Reception is limited by the FIFO: what
// does not fit is not taken, and the sender keeps it. PC16550D data sheet.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace drover::machine {

class SerialPort {
 public:
  static constexpr size_t kFifoBytes = 16;

  // All that the port remembers.
  struct State {
    uint8_t interrupt_enable = 0;
    uint8_t fifo_control = 0;  // as written, without the bits that act once
    uint8_t line_control = 0;
    uint8_t modem_control = 0;
    uint8_t scratch = 0;
    uint16_t divisor = 12;
    uint8_t overrun = 0;              // 1: a byte was lost in loop-back
    uint8_t transmitter_emptied = 0;  // 1: that interrupt is pending
    uint8_t received_bytes = 0;       // in `received`, oldest first
    std::array<uint8_t, kFifoBytes> received{};
    bool operator==(const State&) const = default;
  };

  // `offset` 0 to 7. A read may change the state as on the chip.
  uint8_t read(unsigned offset);
  // Returns the byte that goes out on the line, where the write sent one.
  std::optional<uint8_t> write(unsigned offset, uint8_t value);
  // A byte from the line; false where there is no room.
  bool receive(uint8_t byte);
  bool has_room() const;
  // The level of the interrupt line.
  bool interrupt() const;

  const State& state() const { return state_; }
  // False, and nothing changes, where no port can be in that state.
  bool restore(const State& state);

 private:
  size_t capacity() const;
  uint8_t identification() const;
  uint8_t modem_status() const;
  void set_fifo_control(uint8_t value);

  State state_;
};

}  // namespace drover::machine
