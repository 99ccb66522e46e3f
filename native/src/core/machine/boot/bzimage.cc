#include "core/machine/boot/bzimage.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "core/base/little_endian.h"
#include "core/machine/boot/initrd.h"
#include "core/machine/boot/memory_map.h"

namespace drover::machine {

namespace {

// Offsets into the image's first sectors, and into the zero page, where the setup header has the same place. Linux
// Documentation/arch/x86/boot.rst and zero-page.rst.
enum Offset : size_t {
  kE820Count = 0x1e8,  // zero page only
  kSetupSectors = 0x1f1,
  kVideoMode = 0x1fa,
  kBootFlag = 0x1fe,
  kHeaderLength = 0x201,  // the second byte of a short jump over the header
  kHeaderMagic = 0x202,
  kVersion = 0x206,
  kLoaderType = 0x210,
  kLoadFlags = 0x211,
  kEntryPoint = 0x214,
  kInitrdAddress = 0x218,
  kInitrdBytes = 0x21c,
  kCommandLine = 0x228,
  kInitrdAddressMax = 0x22c,
  kCommandLineMax = 0x238,
  kPreferredAddress = 0x258,
  kInitBytes = 0x260,
  kHeaderEnd = 0x264,
  kE820Table = 0x2d0,  // zero page only
};
constexpr size_t kSectorBytes = 512;
constexpr size_t kZeroPageBytes = 4096;
constexpr size_t kE820EntryBytes = 20;
constexpr uint8_t kDefaultSetupSectors = 4;
constexpr uint16_t kBootFlagValue = 0xaa55;
constexpr char kMagic[] = {'H', 'd', 'r', 'S'};
// 2.10, Linux 2.6.31: the first that says how much memory the kernel takes while it starts.
constexpr uint16_t kOldestVersion = 0x020a;
constexpr uint8_t kLoadedHigh = 0x01;
constexpr uint8_t kHeapUsable = 0x80;
constexpr uint8_t kUnnamedLoader = 0xff;
constexpr uint16_t kNormalVideoMode = 0xffff;

Error bad_image(const std::string& what) { return Error{Code::invalid_argument, "the kernel's bzImage " + what}; }

}  // namespace

bool is_bzimage(std::span<const uint8_t> image) {
  return image.size() >= kHeaderEnd && get_le<uint16_t>(image.data() + kBootFlag) == kBootFlagValue &&
         std::memcmp(image.data() + kHeaderMagic, kMagic, sizeof kMagic) == 0;
}

Result<Entry> load_bzimage(const Slots& slots, const Kernel& kernel) {
  const uint8_t* header = kernel.image.data();
  const uint16_t version = get_le<uint16_t>(header + kVersion);
  if (version < kOldestVersion) return bad_image("is older than boot protocol 2.10 (Linux 2.6.31)");
  if ((header[kLoadFlags] & kLoadedHigh) == 0) return bad_image("is a zImage, which loads below 1 MiB");
  const size_t sectors = header[kSetupSectors] == 0 ? kDefaultSetupSectors : header[kSetupSectors];
  const size_t setup_bytes = (sectors + 1) * kSectorBytes;
  if (kernel.image.size() <= setup_bytes) return bad_image("is cut short before its protected-mode part");
  const size_t header_end = kHeaderMagic + header[kHeaderLength];
  if (header_end < kHeaderEnd || header_end > kE820Table || header_end > kernel.image.size()) {
    return bad_image("has a setup header of an impossible length");
  }
  if (kernel.command_line.size() > get_le<uint32_t>(header + kCommandLineMax)) {
    return bad_image("takes a command line of at most " + std::to_string(get_le<uint32_t>(header + kCommandLineMax)) +
                     " bytes");
  }
  const auto body = kernel.image.subspan(setup_bytes);
  // It unpacks itself to the address it prefers, if that is above.
  const uint64_t preferred = get_le<uint64_t>(header + kPreferredAddress);
  const uint64_t space = std::max<uint64_t>(get_le<uint32_t>(header + kInitBytes), body.size());
  if (preferred >= kHoleStart || std::max(kOneMebibyte, preferred) + space > slots.low_bytes()) {
    return bad_image("needs more memory below 3 GiB than the guest has");
  }
  if (Status written = slots.write(kOneMebibyte, body); !written) return written.error();
  auto initrd = place_initrd(slots, kernel.initrd, std::max(kOneMebibyte, preferred) + space,
                             uint64_t{get_le<uint32_t>(header + kInitrdAddressMax)} + 1);
  if (!initrd) return initrd.error();

  std::array<uint8_t, kZeroPageBytes> zero_page{};
  uint8_t* params = zero_page.data();
  std::memcpy(params + kSetupSectors, header + kSetupSectors, header_end - kSetupSectors);
  params[kLoaderType] = kUnnamedLoader;
  params[kLoadFlags] = static_cast<uint8_t>(params[kLoadFlags] & ~kHeapUsable);
  put_le<uint16_t>(params + kVideoMode, kNormalVideoMode);
  put_le<uint32_t>(params + kEntryPoint, static_cast<uint32_t>(kOneMebibyte));
  put_le<uint32_t>(params + kInitrdAddress, initrd.value());
  put_le<uint32_t>(params + kInitrdBytes, static_cast<uint32_t>(kernel.initrd.size()));
  put_le<uint32_t>(params + kCommandLine, static_cast<uint32_t>(kCommandLineAddress));
  const std::vector<MemoryRange> map = memory_map(slots);
  params[kE820Count] = static_cast<uint8_t>(map.size());
  for (size_t index = 0; index < map.size(); ++index) {
    uint8_t* entry = params + kE820Table + index * kE820EntryBytes;
    put_le<uint64_t>(entry, map[index].address);
    put_le<uint64_t>(entry + 8, map[index].bytes);
    put_le<uint32_t>(entry + 16, static_cast<uint32_t>(map[index].type));
  }
  if (Status written = slots.write(kBootParamsAddress, zero_page); !written) return written.error();
  return Entry{static_cast<uint32_t>(kOneMebibyte), 0, static_cast<uint32_t>(kBootParamsAddress)};
}

}  // namespace drover::machine
