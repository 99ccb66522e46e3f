// Version 1 of every payload's layout. Frozen: a change is a new version beside it. SPEC.md is the same as a table.
#pragma once

#include "core/kvm/cpuid.h"
#include "core/kvm/state/states.h"
#include "core/kvm/uapi.h"
#include "core/machine/archive.h"

namespace drover::kvm {

inline constexpr size_t kXcrsMax = 16;

template <typename Archive, typename... Numbers>
void numbers(Archive& archive, Numbers&... values) {
  (archive.number(values), ...);
}

template <typename Archive, typename T, size_t count>
void numbers(Archive& archive, T (&values)[count]) {
  for (T& value : values) archive.number(value);
}

template <typename Archive>
void layout(Archive& archive, CpuidState& state) {
  archive.list(state.entries, uapi::kCpuidEntries, [](Archive& a, kvm_cpuid_entry2& entry) {
    numbers(a, entry.function, entry.index, entry.flags, entry.eax, entry.ebx, entry.ecx, entry.edx);
  });
}

template <typename Archive>
void layout(Archive& archive, kvm_segment& s) {
  numbers(archive, s.base, s.limit, s.selector, s.type, s.present, s.dpl, s.db, s.s, s.l, s.g, s.avl, s.unusable);
}

template <typename Archive>
void layout(Archive& archive, CpuState& state) {
  numbers(archive, state.mp_state.mp_state);
  kvm_regs& r = state.regs;
  numbers(archive, r.rax, r.rbx, r.rcx, r.rdx, r.rsi, r.rdi, r.rsp, r.rbp);
  numbers(archive, r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15, r.rip, r.rflags);
  kvm_sregs& s = state.sregs;
  for (kvm_segment* segment : {&s.cs, &s.ds, &s.es, &s.fs, &s.gs, &s.ss, &s.tr, &s.ldt}) layout(archive, *segment);
  numbers(archive, s.gdt.base, s.gdt.limit, s.idt.base, s.idt.limit);
  numbers(archive, s.cr0, s.cr2, s.cr3, s.cr4, s.cr8, s.efer, s.apic_base);
  numbers(archive, s.interrupt_bitmap);
  numbers(archive, state.debugregs.db);
  numbers(archive, state.debugregs.dr6, state.debugregs.dr7);
  archive.list(state.xcrs, kXcrsMax, [](Archive& a, kvm_xcr& xcr) { numbers(a, xcr.xcr, xcr.value); });
  archive.list(state.xsave, uapi::kXsaveBytesMax, [](Archive& a, uint8_t& byte) { a.number(byte); });
  numbers(archive, state.lapic.regs);
  archive.list(state.msrs, uapi::kMsrEntries, [](Archive& a, MsrValue& msr) { numbers(a, msr.index, msr.value); });
  kvm_vcpu_events& e = state.events;
  numbers(archive, e.exception.injected, e.exception.nr, e.exception.has_error_code, e.exception.pending,
          e.exception.error_code, e.exception_has_payload, e.exception_payload);
  numbers(archive, e.interrupt.injected, e.interrupt.nr, e.interrupt.soft, e.interrupt.shadow);
  numbers(archive, e.nmi.injected, e.nmi.pending, e.nmi.masked);
  numbers(archive, e.sipi_vector, e.flags);
  numbers(archive, e.smi.smm, e.smi.pending, e.smi.smm_inside_nmi, e.smi.latched_init, e.triple_fault.pending);
}

template <typename Archive>
void layout(Archive& archive, PicState& state) {
  kvm_pic_state& p = state.chip;
  numbers(archive, p.last_irr, p.irr, p.imr, p.isr, p.priority_add, p.irq_base, p.read_reg_select, p.poll);
  numbers(archive, p.special_mask, p.init_state, p.auto_eoi, p.rotate_on_auto_eoi, p.special_fully_nested_mode, p.init4,
          p.elcr, p.elcr_mask);
}

template <typename Archive>
void layout(Archive& archive, IoapicState& state) {
  kvm_ioapic_state& chip = state.chip;
  numbers(archive, chip.base_address, chip.ioregsel, chip.id, chip.irr);
  for (auto& entry : chip.redirtbl) numbers(archive, entry.bits);
}

template <typename Archive>
void layout(Archive& archive, PitState& state) {
  for (kvm_pit_channel_state& c : state.chip.channels) {
    numbers(archive, c.count, c.latched_count, c.count_latched, c.status_latched, c.status, c.read_state, c.write_state,
            c.write_latch, c.rw_mode, c.mode, c.bcd, c.gate, c.count_load_time);
  }
  numbers(archive, state.chip.flags);
}

template <typename Archive>
void layout(Archive& archive, TimeState& state) {
  numbers(archive, state.wall_ns, state.clock_ns, state.tsc_khz);
  archive.list(state.tscs, size_t{4096}, [](Archive& a, uint64_t& tsc) { a.number(tsc); });
}

template <typename Archive>
void layout(Archive& archive, SerialState& state) {
  SerialPort::State& p = state.port;
  numbers(archive, p.interrupt_enable, p.fifo_control, p.line_control, p.modem_control, p.scratch, p.divisor, p.overrun,
          p.transmitter_emptied, p.received_bytes);
  for (uint8_t& byte : p.received) archive.number(byte);
}

}  // namespace drover::kvm
