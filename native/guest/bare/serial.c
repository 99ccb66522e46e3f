#include "serial.h"

#include "ports.h"

/* 16550 registers; PC16550D data sheet. */
enum {
  COM1 = 0x3f8,
  DATA = COM1,
  INTERRUPT_ENABLE = COM1 + 1,
  FIFO_CONTROL = COM1 + 2,
  LINE_CONTROL = COM1 + 3,
  MODEM_CONTROL = COM1 + 4,
  LINE_STATUS = COM1 + 5,
  LINE_STATUS_DATA_READY = 0x01,
  LINE_STATUS_TRANSMIT_EMPTY = 0x20,
  FIFO_BYTES = 16,
};

static uint32_t patience = 100000000;
static int line_is_torn;

void serial_start(void) {
  out8(INTERRUPT_ENABLE, 0);
  out8(LINE_CONTROL, 0x80); /* divisor latch */
  out8(DATA, 1);            /* 115200 baud */
  out8(INTERRUPT_ENABLE, 0);
  out8(LINE_CONTROL, 0x03); /* 8 data bits, no parity, 1 stop bit */
  out8(FIFO_CONTROL, 0x07); /* FIFOs on and empty */
  out8(MODEM_CONTROL, 0x03);
}

void serial_set_patience(uint32_t cycles) { patience = cycles; }

static int transmitter_is_ready(void) {
  if (in8(LINE_STATUS) & LINE_STATUS_TRANSMIT_EMPTY) return 1;
  uint64_t start = tsc();
  do {
    if (in8(LINE_STATUS) & LINE_STATUS_TRANSMIT_EMPTY) return 1;
  } while (tsc() - start < patience);
  return 0;
}

void serial_write(const char* line, int length) {
  int room = 0;
  if (line_is_torn) {
    if (!transmitter_is_ready()) return;
    out8(DATA, '\n');
    line_is_torn = 0;
  }
  for (int i = 0; i < length; i++) {
    /* The status is asked once for each full FIFO, not for each byte: every port access is an exit to the VMM. */
    if (room == 0) {
      if (!transmitter_is_ready()) {
        line_is_torn = i > 0;
        return;
      }
      room = FIFO_BYTES;
    }
    out8(DATA, (uint8_t)line[i]);
    room--;
  }
}

int serial_read(void) { return in8(LINE_STATUS) & LINE_STATUS_DATA_READY ? in8(DATA) : -1; }
