#include "core/machine/serial_port.h"

#include <gtest/gtest.h>

#include <random>

namespace drover::machine {
namespace {

enum : unsigned { kData, kEnable, kIdentify, kLine, kModem, kLineStatus, kModemStatus, kScratch };

TEST(SerialPort, SendsWhatTheGuestWrites) {
  SerialPort port;
  EXPECT_EQ(port.write(kData, 'x'), 'x');
  EXPECT_EQ(port.read(kLineStatus), 0x60);
}

TEST(SerialPort, KeepsTheDivisorBehindItsLatch) {
  SerialPort port;
  port.write(kLine, 0x83);
  EXPECT_FALSE(port.write(kData, 0x34).has_value());
  port.write(kEnable, 0x12);
  EXPECT_EQ(port.state().divisor, 0x1234);
  EXPECT_EQ(port.read(kData), 0x34);
  EXPECT_EQ(port.read(kEnable), 0x12);
  port.write(kLine, 0x03);
  EXPECT_EQ(port.read(kEnable), 0);
}

TEST(SerialPort, TakesSixteenBytesWithFifosAndOneWithout) {
  SerialPort port;
  EXPECT_TRUE(port.receive('a'));
  EXPECT_FALSE(port.receive('b'));
  port.write(kIdentify, 0x07);
  EXPECT_EQ(port.read(kLineStatus) & 1, 0) << "switching FIFOs empties them";
  for (int index = 0; index < 16; ++index) EXPECT_TRUE(port.receive('a' + index));
  EXPECT_FALSE(port.receive('q'));
  for (int index = 0; index < 16; ++index) EXPECT_EQ(port.read(kData), 'a' + index);
  EXPECT_EQ(port.read(kLineStatus) & 1, 0);
}

TEST(SerialPort, InterruptsForInputByLevelAndByTimeout) {
  SerialPort port;
  port.write(kIdentify, 0x81);  // FIFOs, trigger at 8
  port.receive('a');
  EXPECT_FALSE(port.interrupt());
  EXPECT_EQ(port.read(kIdentify), 0xc1);
  port.write(kEnable, 0x01);
  EXPECT_TRUE(port.interrupt());
  EXPECT_EQ(port.read(kIdentify), 0xcc);
  for (int index = 1; index < 8; ++index) port.receive('b');
  EXPECT_EQ(port.read(kIdentify), 0xc4);
  for (int index = 0; index < 8; ++index) port.read(kData);
  EXPECT_FALSE(port.interrupt());
}

TEST(SerialPort, InterruptsWhenTheTransmitterIsEmptyUntilThatIsSeen) {
  SerialPort port;
  port.write(kEnable, 0x02);
  EXPECT_TRUE(port.interrupt());
  EXPECT_EQ(port.read(kIdentify), 0x02);
  EXPECT_FALSE(port.interrupt());
  port.write(kData, 'x');
  EXPECT_TRUE(port.interrupt());
}

TEST(SerialPort, LoopsBackForThoseWhoProbeIt) {
  SerialPort port;
  port.write(kModem, 0x1f);
  EXPECT_EQ(port.read(kModemStatus), 0xf0);
  EXPECT_FALSE(port.write(kData, 'x').has_value());
  port.write(kData, 'y');
  EXPECT_EQ(port.read(kLineStatus), 0x63) << "the second byte was lost";
  EXPECT_EQ(port.read(kLineStatus), 0x61);
  EXPECT_EQ(port.read(kData), 'x');
}

TEST(SerialPort, GoesOnFromAnyStateItWasIn) {
  std::mt19937 random(20261121);
  for (int trial = 0; trial < 200; ++trial) {
    SerialPort port;
    for (int step = 0; step < 60; ++step) {
      const auto value = static_cast<uint8_t>(random());
      switch (random() % 4) {
        case 0: port.write(random() % 8, value); break;
        case 1: port.read(random() % 8); break;
        default: port.receive(value);
      }
      SerialPort other;
      ASSERT_TRUE(other.restore(port.state()));
      ASSERT_EQ(other.interrupt(), port.interrupt());
      for (unsigned offset = 8; offset-- > 0;) {
        SerialPort left = port, right = other;
        ASSERT_EQ(left.read(offset), right.read(offset));
        ASSERT_TRUE(left.state() == right.state());
      }
    }
  }
}

TEST(SerialPort, RefusesAStateThatNoPortIsIn) {
  SerialPort port;
  port.write(kScratch, 9);
  for (const SerialPort::State& bad :
       {SerialPort::State{.received_bytes = 2}, SerialPort::State{.fifo_control = 1, .received_bytes = 17},
        SerialPort::State{.interrupt_enable = 0x10}, SerialPort::State{.modem_control = 0x20},
        SerialPort::State{.overrun = 2}, SerialPort::State{.transmitter_emptied = 2},
        SerialPort::State{.fifo_control = 0x02}}) {
    EXPECT_FALSE(port.restore(bad));
  }
  EXPECT_EQ(port.read(kScratch), 9);
}

}  // namespace
}  // namespace drover::machine
