#include "core/machine/boot/pvh.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "core/base/little_endian.h"
#include "core/machine/boot/initrd.h"
#include "core/machine/boot/memory_map.h"

namespace drover::machine {

namespace {

constexpr uint32_t kEntryNote = 18;  // XEN_ELFNOTE_PHYS32_ENTRY
constexpr char kNoteName[] = "Xen";
constexpr size_t kProgramHeadersMax = 256;

// hvm_start_info version 1: Xen's public/arch-x86/hvm/start_info.h.
constexpr uint32_t kStartInfoMagic = 0x336ec578;
constexpr size_t kStartInfoBytes = 56;
constexpr size_t kModuleBytes = 32;
constexpr size_t kMapEntryBytes = 24;

Error bad_elf(const std::string& what) { return Error{Code::invalid_argument, "the kernel's ELF " + what}; }

// One program header, of either class.
struct Segment {
  uint32_t type;
  uint64_t offset;
  uint64_t address;  // physical
  uint64_t file_bytes;
  uint64_t memory_bytes;
};

// A structure at `offset`, where all of it is in the image. ELF of x86 is little-endian, and so is every host of ours.
template <typename T>
bool read_at(std::span<const uint8_t> image, uint64_t offset, T& to) {
  if (offset > image.size() || image.size() - offset < sizeof to) return false;
  std::memcpy(&to, image.data() + offset, sizeof to);
  return true;
}

template <typename Header, typename ProgramHeader>
Result<std::vector<Segment>> read_segments(std::span<const uint8_t> image) {
  Header header;
  if (!read_at(image, 0, header)) return bad_elf("is cut short in its header");
  if (header.e_phnum == 0 || header.e_phnum > kProgramHeadersMax || header.e_phentsize != sizeof(ProgramHeader)) {
    return bad_elf("has no program headers of a known size");
  }
  std::vector<Segment> segments;
  for (unsigned index = 0; index < header.e_phnum; ++index) {
    ProgramHeader entry;
    const uint64_t offset = uint64_t{index} * sizeof entry;
    if (offset > UINT64_MAX - header.e_phoff || !read_at(image, header.e_phoff + offset, entry)) {
      return bad_elf("is cut short in its program headers");
    }
    if (entry.p_offset > image.size() || image.size() - entry.p_offset < entry.p_filesz) {
      return bad_elf("is cut short in a segment");
    }
    if (entry.p_type == PT_LOAD && entry.p_memsz < entry.p_filesz)
      return bad_elf("has a segment larger than its memory");
    segments.push_back({entry.p_type, entry.p_offset, entry.p_paddr, entry.p_filesz, entry.p_memsz});
  }
  return segments;
}

// The PVH entry among the notes of one segment. Notes are {name size, description size, type}, name and description
// each padded to 4 bytes.
std::optional<uint64_t> find_entry(std::span<const uint8_t> notes) {
  const auto padded = [](uint64_t bytes) { return (bytes + 3) / 4 * 4; };
  while (notes.size() >= 12) {
    const uint32_t name_bytes = get_le<uint32_t>(notes.data());
    const uint32_t bytes = get_le<uint32_t>(notes.data() + 4);
    const uint32_t type = get_le<uint32_t>(notes.data() + 8);
    const uint64_t description = 12 + padded(name_bytes);
    if (description > notes.size() || notes.size() - description < bytes) return std::nullopt;
    if (type == kEntryNote && name_bytes == sizeof kNoteName &&
        std::memcmp(notes.data() + 12, kNoteName, sizeof kNoteName) == 0) {
      if (bytes == 4) return get_le<uint32_t>(notes.data() + description);
      if (bytes == 8) return get_le<uint64_t>(notes.data() + description);
    }
    notes = notes.subspan(std::min<uint64_t>(notes.size(), description + padded(bytes)));
  }
  return std::nullopt;
}

Status write_start_info(const Slots& slots, uint32_t initrd, size_t initrd_bytes) {
  uint8_t module[kModuleBytes] = {};
  put_le<uint64_t>(module, initrd);
  put_le<uint64_t>(module + 8, initrd_bytes);
  if (Status written = slots.write(kModulesAddress, module); !written) return written;

  const std::vector<MemoryRange> map = memory_map(slots);
  std::vector<uint8_t> entries(map.size() * kMapEntryBytes);
  for (size_t index = 0; index < map.size(); ++index) {
    uint8_t* entry = entries.data() + index * kMapEntryBytes;
    put_le<uint64_t>(entry, map[index].address);
    put_le<uint64_t>(entry + 8, map[index].bytes);
    put_le<uint32_t>(entry + 16, static_cast<uint32_t>(map[index].type));
  }
  if (Status written = slots.write(kMemoryMapAddress, entries); !written) return written;

  uint8_t info[kStartInfoBytes] = {};
  put_le<uint32_t>(info, kStartInfoMagic);
  put_le<uint32_t>(info + 4, 1);  // version
  put_le<uint32_t>(info + 12, initrd_bytes == 0 ? 0 : 1);
  put_le<uint64_t>(info + 16, initrd_bytes == 0 ? 0 : kModulesAddress);
  put_le<uint64_t>(info + 24, kCommandLineAddress);
  put_le<uint64_t>(info + 40, kMemoryMapAddress);
  put_le<uint32_t>(info + 48, static_cast<uint32_t>(map.size()));
  return slots.write(kStartInfoAddress, info);
}

}  // namespace

bool is_elf(std::span<const uint8_t> image) {
  return image.size() >= EI_NIDENT && std::memcmp(image.data(), ELFMAG, SELFMAG) == 0;
}

Result<Entry> load_pvh(const Slots& slots, const Kernel& kernel) {
  const std::span<const uint8_t> image = kernel.image;
  const bool wide = image[EI_CLASS] == ELFCLASS64;
  if ((!wide && image[EI_CLASS] != ELFCLASS32) || image[EI_DATA] != ELFDATA2LSB) {
    return bad_elf("is neither 32-bit nor 64-bit little-endian");
  }
  auto segments = wide ? read_segments<Elf64_Ehdr, Elf64_Phdr>(image) : read_segments<Elf32_Ehdr, Elf32_Phdr>(image);
  if (!segments) return segments.error();

  std::optional<uint64_t> entry;
  uint64_t end = 0;
  for (const Segment& segment : segments.value()) {
    const auto bytes = image.subspan(segment.offset, segment.file_bytes);
    if (segment.type == PT_NOTE && !entry) entry = find_entry(bytes);
    if (segment.type != PT_LOAD) continue;
    // What lies below belongs to the start info; the memory of a fresh guest is zero, so the rest needs no writing.
    if (segment.address < kOneMebibyte) return bad_elf("wants to be loaded below 1 MiB");
    if (segment.address > slots.low_bytes() || slots.low_bytes() - segment.address < segment.memory_bytes) {
      return bad_elf("does not fit into the guest's memory below 3 GiB");
    }
    if (Status written = slots.write(segment.address, bytes); !written) return written.error();
    end = std::max(end, segment.address + segment.memory_bytes);
  }
  if (!entry || *entry >= slots.low_bytes()) return bad_elf("has no PVH entry (note XEN_ELFNOTE_PHYS32_ENTRY)");

  auto initrd = place_initrd(slots, kernel.initrd, end, kHoleStart);
  if (!initrd) return initrd.error();
  if (Status written = write_start_info(slots, initrd.value(), kernel.initrd.size()); !written) return written.error();
  return Entry{static_cast<uint32_t>(*entry), static_cast<uint32_t>(kStartInfoAddress), 0};
}

}  // namespace drover::machine
