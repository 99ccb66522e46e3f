#include "core/kvm/registers.h"

#include <array>
#include <cstdio>

#include "core/kvm/ioctl.h"
#include "core/kvm/uapi.h"

namespace drover::kvm {

namespace {

constexpr size_t kCodeBytes = 16;

void add(std::string& text, const char* name, uint64_t value) {
  std::array<char, 64> word;
  std::snprintf(word.data(), word.size(), "%s%s=%llx", text.empty() ? "" : " ", name,
                static_cast<unsigned long long>(value));
  text += word.data();
}

// What the guest would run next, found by the processor's own page tables.
void add_code(std::string& text, const Vcpu& vcpu, uint64_t linear_address) {
  kvm_translation translation{};
  translation.linear_address = linear_address;
  std::array<uint8_t, kCodeBytes> code;
  if (::ioctl(vcpu.fd(), KVM_TRANSLATE, &translation) != 0 || translation.valid == 0) return;
  if (!vcpu.vm().slots().read(translation.physical_address, code)) return;
  text += " code=";
  for (const uint8_t byte : code) {
    std::array<char, 4> digits;
    std::snprintf(digits.data(), digits.size(), "%02x", byte);
    text += digits.data();
  }
}

}  // namespace

std::string describe_registers(const Vcpu& vcpu) {
  std::string text;
  kvm_regs regs{};
  kvm_sregs sregs{};
  if (::ioctl(vcpu.fd(), KVM_GET_REGS, &regs) != 0 || ::ioctl(vcpu.fd(), KVM_GET_SREGS, &sregs) != 0) return text;
  add(text, "rip", regs.rip);
  add(text, "rflags", regs.rflags);
  add(text, "rax", regs.rax);
  add(text, "rbx", regs.rbx);
  add(text, "rcx", regs.rcx);
  add(text, "rdx", regs.rdx);
  add(text, "rsi", regs.rsi);
  add(text, "rdi", regs.rdi);
  add(text, "rsp", regs.rsp);
  add(text, "rbp", regs.rbp);
  add(text, "cs", sregs.cs.selector);
  add(text, "cr0", sregs.cr0);
  add(text, "cr2", sregs.cr2);
  add(text, "cr3", sregs.cr3);
  add(text, "cr4", sregs.cr4);
  add(text, "efer", sregs.efer);
  add_code(text, vcpu, sregs.cs.base + regs.rip);
  return text;
}

}  // namespace drover::kvm
