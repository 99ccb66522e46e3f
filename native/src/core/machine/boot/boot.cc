#include "core/machine/boot/boot.h"

#include <cstring>

#include "core/base/little_endian.h"
#include "core/machine/boot/bzimage.h"
#include "core/machine/boot/memory_map.h"
#include "core/machine/boot/pvh.h"

namespace drover::machine {

namespace {

// Accessed, so that loading a selector writes nothing.
constexpr uint64_t kFlatCode = 0x00cf9b000000ffff;
constexpr uint64_t kFlatData = 0x00cf93000000ffff;

Status write_gdt(const Slots& slots) {
  uint8_t table[kGdtBytes] = {};
  put_le<uint64_t>(table + kCodeSelector, kFlatCode);
  put_le<uint64_t>(table + kDataSelector, kFlatData);
  return slots.write(kGdtAddress, table);
}

Status write_command_line(const Slots& slots, const std::string& line) {
  if (line.size() + 1 > kCommandLineBytes || line.find('\0') != std::string::npos) {
    return Error{Code::invalid_argument, "a command line must be shorter than " + std::to_string(kCommandLineBytes) +
                                             " bytes and without a zero"};
  }
  return slots.write(kCommandLineAddress, {reinterpret_cast<const uint8_t*>(line.c_str()), line.size() + 1});
}

}  // namespace

Result<Entry> load_kernel(const Slots& slots, const Kernel& kernel) {
  if (Status written = write_gdt(slots); !written) return written.error();
  if (Status written = write_command_line(slots, kernel.command_line); !written) return written.error();
  if (is_elf(kernel.image)) return load_pvh(slots, kernel);
  if (is_bzimage(kernel.image)) return load_bzimage(slots, kernel);
  return Error{Code::invalid_argument, "the kernel is neither an ELF with a PVH entry nor a Linux bzImage"};
}

}  // namespace drover::machine
