#include "core/machine/serial_port.h"

#include <algorithm>

namespace drover::machine {

namespace {

enum Offset : unsigned {
  kData = 0,             // divisor, low byte, behind the latch
  kInterruptEnable = 1,  // divisor, high byte
  kIdentification = 2,   // read; written: FIFO control
  kLineControl = 3,
  kModemControl = 4,
  kLineStatus = 5,
  kModemStatus = 6,
  kScratch = 7,
};

constexpr uint8_t kEnableReceived = 0x01;
constexpr uint8_t kEnableEmptied = 0x02;
constexpr uint8_t kEnableLineStatus = 0x04;
constexpr uint8_t kEnableBits = 0x0f;

constexpr uint8_t kNoInterrupt = 0x01;
constexpr uint8_t kEmptied = 0x02;
constexpr uint8_t kReceived = 0x04;
constexpr uint8_t kLineStatusChanged = 0x06;
constexpr uint8_t kReceivedTimeout = 0x0c;
constexpr uint8_t kFifosOn = 0xc0;

constexpr uint8_t kFifoEnable = 0x01;
constexpr uint8_t kFifoClearReceived = 0x02;
constexpr uint8_t kFifoKept = 0xc9;  // enable, mode, trigger level
constexpr uint8_t kTriggerLevels[] = {1, 4, 8, 14};

constexpr uint8_t kDivisorLatch = 0x80;
constexpr uint8_t kModemControlBits = 0x1f;
constexpr uint8_t kLoopBack = 0x10;

constexpr uint8_t kDataReady = 0x01;
constexpr uint8_t kOverrun = 0x02;
constexpr uint8_t kTransmitterEmpty = 0x60;  // holding register and shift register

}  // namespace

size_t SerialPort::capacity() const { return (state_.fifo_control & kFifoEnable) != 0 ? kFifoBytes : 1; }

bool SerialPort::has_room() const { return state_.received_bytes < capacity(); }

bool SerialPort::receive(uint8_t byte) {
  if (!has_room()) return false;
  state_.received[state_.received_bytes++] = byte;
  return true;
}

uint8_t SerialPort::identification() const {
  const uint8_t enabled = state_.interrupt_enable;
  if ((enabled & kEnableLineStatus) != 0 && state_.overrun != 0) return kLineStatusChanged;
  if ((enabled & kEnableReceived) != 0 && state_.received_bytes != 0) {
    // Below the trigger level the chip waits for four idle characters; here the line is idle at once.
    const bool fifo = capacity() > 1;
    const bool level = state_.received_bytes >= kTriggerLevels[state_.fifo_control >> 6];
    return !fifo || level ? kReceived : kReceivedTimeout;
  }
  if ((enabled & kEnableEmptied) != 0 && state_.transmitter_emptied != 0) return kEmptied;
  return kNoInterrupt;
}

bool SerialPort::interrupt() const { return identification() != kNoInterrupt; }

uint8_t SerialPort::modem_status() const {
  // Looped back: RTS to CTS, DTR to DSR, OUT1 to RI, OUT2 to DCD. Otherwise somebody listens: CTS, DSR, DCD.
  const uint8_t control = state_.modem_control;
  if ((control & kLoopBack) == 0) return 0xb0;
  return static_cast<uint8_t>((control & 0x02) << 3 | (control & 0x01) << 5 | (control & 0x0c) << 4);
}

uint8_t SerialPort::read(unsigned offset) {
  const bool latch = (state_.line_control & kDivisorLatch) != 0;
  switch (offset) {
    case kData: {
      if (latch) return static_cast<uint8_t>(state_.divisor);
      if (state_.received_bytes == 0) return 0;
      const uint8_t byte = state_.received[0];
      std::copy(state_.received.begin() + 1, state_.received.end(), state_.received.begin());
      state_.received.back() = 0;
      state_.received_bytes--;
      return byte;
    }
    case kInterruptEnable: return latch ? static_cast<uint8_t>(state_.divisor >> 8) : state_.interrupt_enable;
    case kIdentification: {
      const uint8_t pending = identification();
      if (pending == kEmptied) state_.transmitter_emptied = 0;
      return static_cast<uint8_t>(pending | (capacity() > 1 ? kFifosOn : 0));
    }
    case kLineControl: return state_.line_control;
    case kModemControl: return state_.modem_control;
    case kLineStatus: {
      const uint8_t status = static_cast<uint8_t>(kTransmitterEmpty | (state_.received_bytes != 0 ? kDataReady : 0) |
                                                  (state_.overrun != 0 ? kOverrun : 0));
      state_.overrun = 0;
      return status;
    }
    case kModemStatus: return modem_status();
    case kScratch: return state_.scratch;
    default: return 0xff;
  }
}

void SerialPort::set_fifo_control(uint8_t value) {
  const bool toggled = ((value ^ state_.fifo_control) & kFifoEnable) != 0;
  if (toggled || (value & kFifoClearReceived) != 0) {
    state_.received_bytes = 0;
    state_.received = {};
  }
  state_.fifo_control = (value & kFifoEnable) != 0 ? value & kFifoKept : 0;
}

std::optional<uint8_t> SerialPort::write(unsigned offset, uint8_t value) {
  const bool latch = (state_.line_control & kDivisorLatch) != 0;
  switch (offset) {
    case kData:
      if (latch) {
        state_.divisor = static_cast<uint16_t>((state_.divisor & 0xff00) | value);
        return std::nullopt;
      }
      state_.transmitter_emptied = 1;
      if ((state_.modem_control & kLoopBack) == 0) return value;
      if (!receive(value)) state_.overrun = 1;
      return std::nullopt;
    case kInterruptEnable:
      if (latch) {
        state_.divisor = static_cast<uint16_t>((state_.divisor & 0x00ff) | value << 8);
        return std::nullopt;
      }
      // The transmitter is empty, so enabling its interrupt raises it.
      if ((value & ~state_.interrupt_enable & kEnableEmptied) != 0) state_.transmitter_emptied = 1;
      state_.interrupt_enable = value & kEnableBits;
      return std::nullopt;
    case kIdentification: set_fifo_control(value); return std::nullopt;
    case kLineControl: state_.line_control = value; return std::nullopt;
    case kModemControl: state_.modem_control = value & kModemControlBits; return std::nullopt;
    case kScratch: state_.scratch = value; return std::nullopt;
    default: return std::nullopt;
  }
}

bool SerialPort::restore(const State& state) {
  const size_t capacity = (state.fifo_control & kFifoEnable) != 0 ? kFifoBytes : 1;
  if (state.received_bytes > capacity || (state.interrupt_enable & ~kEnableBits) != 0 ||
      (state.modem_control & ~kModemControlBits) != 0 || (state.fifo_control & ~kFifoKept) != 0 || state.overrun > 1 ||
      state.transmitter_emptied > 1) {
    return false;
  }
  state_ = state;
  return true;
}

}  // namespace drover::machine
