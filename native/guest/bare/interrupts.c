#include "interrupts.h"

#include "ports.h"

/* Intel 8259A; vectors 0x20 to 0x2f as everywhere, clear of the processor's own 0 to 0x1f. */
enum {
  PIC_COMMAND = 0x20,
  PIC_DATA = 0x21,
  SECOND_PIC_COMMAND = 0xa0,
  SECOND_PIC_DATA = 0xa1,
  FIRST_VECTOR = 0x20,
  VECTORS = 0x30,
  CODE_SELECTOR = 8,
  INTERRUPT_GATE = 0x8e00,
};

struct gate {
  uint16_t offset_low;
  uint16_t selector;
  uint16_t type;
  uint16_t offset_high;
};

struct idt_pointer {
  uint16_t limit;
  uint32_t base;
} __attribute__((packed));

_Static_assert(sizeof(struct gate) == 8, "an interrupt gate is 8 bytes");
_Static_assert(sizeof(struct idt_pointer) == 6, "the operand of lidt is 6 bytes");

void load_idt(const struct idt_pointer* pointer);
void timer_interrupt(void);
void exception(void);

static struct gate gates[VECTORS] __attribute__((aligned(8)));

void interrupts_start(void) {
  for (uint32_t vector = 0; vector < VECTORS; vector++) {
    uint32_t handler = vector < FIRST_VECTOR ? (uint32_t)exception : (uint32_t)timer_interrupt;
    gates[vector] = (struct gate){(uint16_t)handler, CODE_SELECTOR, INTERRUPT_GATE, (uint16_t)(handler >> 16)};
  }
  struct idt_pointer pointer = {sizeof gates - 1, (uint32_t)gates};
  load_idt(&pointer);

  out8(PIC_COMMAND, 0x11); /* initialise: edge triggered, cascaded, a fourth word follows */
  out8(SECOND_PIC_COMMAND, 0x11);
  out8(PIC_DATA, FIRST_VECTOR);
  out8(SECOND_PIC_DATA, FIRST_VECTOR + 8);
  out8(PIC_DATA, 4); /* the second one hangs on line 2 */
  out8(SECOND_PIC_DATA, 2);
  out8(PIC_DATA, 1); /* 8086 mode */
  out8(SECOND_PIC_DATA, 1);
  out8(SECOND_PIC_DATA, 0xff);
  out8(PIC_DATA, 0xfe); /* IRQ 0 alone */
}
