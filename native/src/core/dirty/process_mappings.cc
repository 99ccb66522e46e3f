#include "core/dirty/process_mappings.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>
#include <sstream>

namespace drover {

namespace {

// A line of /proc/PID/maps as proc(5) describes it: start-end rwxs offset major:minor inode path.
struct Area {
  uint64_t start, end, file_offset, inode;
  unsigned major, minor;
};

// Looked at first: most of a VMM's hundreds of areas are private, and this runs while the guest is paused.
bool is_shared_and_writable(const std::string& line) {
  const size_t permissions = line.find(' ');
  return permissions != std::string::npos && line.size() > permissions + 4 && line[permissions + 2] == 'w' &&
         line[permissions + 4] == 's';
}

bool parse(const std::string& line, Area& area) {
  return std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " %*4s %" SCNx64 " %x:%x %" SCNu64, &area.start, &area.end,
                     &area.file_offset, &area.major, &area.minor, &area.inode) == 6 &&
         area.start < area.end;
}

// A region's file, and the part of it that is guest memory.
struct RegionFile {
  const Region* region;
  uint64_t inode;
  unsigned major, minor;
};

Result<std::vector<RegionFile>> region_files(const GuestMemory& memory) {
  std::vector<RegionFile> files;
  for (size_t index = 0; index < memory.region_count(); ++index) {
    const Region& region = memory.region(index);
    if (region.size() == 0) continue;
    struct stat status {};
    if (fstat(region.fd(), &status) != 0) return errno_error("fstat", "guest memory region \"" + region.id() + "\"");
    files.push_back({&region, status.st_ino, major(status.st_dev), minor(status.st_dev)});
  }
  return files;
}

// The part of `area` that maps `file`'s region; length 0 when there is none.
Mapping overlap(const Area& area, const RegionFile& file) {
  const Region& region = *file.region;
  const uint64_t area_end = area.file_offset + (area.end - area.start);
  const uint64_t from = std::max(area.file_offset, region.file_offset());
  const uint64_t to = std::min(area_end, region.file_offset() + region.size());
  if (from >= to) return {};
  return {area.start + (from - area.file_offset), to - from,
          region.first_page() + (from - region.file_offset()) / kPageSize};
}

void append_joined(std::vector<Mapping>& mappings, const Mapping& mapping) {
  if (!mappings.empty()) {
    Mapping& last = mappings.back();
    if (last.start + last.length == mapping.start && last.first_page + last.length / kPageSize == mapping.first_page) {
      last.length += mapping.length;
      return;
    }
  }
  mappings.push_back(mapping);
}

// Whether the mappings together show every page of the region.
bool covers(std::vector<Mapping> mappings, const Region& region) {
  std::sort(mappings.begin(), mappings.end(),
            [](const Mapping& a, const Mapping& b) { return a.first_page < b.first_page; });
  uint64_t next = region.first_page();
  for (const Mapping& mapping : mappings) {
    if (mapping.first_page > next) break;
    next = std::max(next, mapping.first_page + mapping.length / kPageSize);
  }
  return next >= region.first_page() + region.pages();
}

}  // namespace

Result<std::vector<Mapping>> find_mappings(const GuestMemory& memory, const std::string& maps) {
  auto files = region_files(memory);
  if (!files) return files.error();
  std::vector<std::vector<Mapping>> by_region(files.value().size());
  std::vector<Mapping> all;
  std::istringstream lines(maps);
  for (std::string line; std::getline(lines, line);) {
    if (!is_shared_and_writable(line)) continue;
    Area area{};
    if (!parse(line, area)) return Error{Code::system_call, "a line of /proc/PID/maps cannot be read: " + line};
    for (size_t index = 0; index < files.value().size(); ++index) {
      const RegionFile& file = files.value()[index];
      if (area.inode != file.inode || area.major != file.major || area.minor != file.minor) continue;
      const Mapping mapping = overlap(area, file);
      if (mapping.length == 0) continue;
      append_joined(by_region[index], mapping);
    }
  }
  for (size_t index = 0; index < by_region.size(); ++index) {
    const Region& region = *files.value()[index].region;
    if (!covers(by_region[index], region)) {
      return Error{Code::invalid_argument, "the VMM does not map all of guest memory region \"" + region.id() +
                                               "\" shared and writable, so its writes cannot be tracked"};
    }
    all.insert(all.end(), by_region[index].begin(), by_region[index].end());
  }
  std::sort(all.begin(), all.end(), [](const Mapping& a, const Mapping& b) {
    return a.start != b.start ? a.start < b.start : a.first_page < b.first_page;
  });
  return all;
}

Result<std::string> read_maps(int process) {
  UniqueFd fd(openat(process, "maps", O_RDONLY | O_CLOEXEC));
  std::string text;
  bool failed = !fd.valid();
  std::array<char, 65536> buffer;
  while (!failed) {
    const ssize_t length = read(fd.get(), buffer.data(), buffer.size());
    if (length < 0 && errno == EINTR) continue;
    failed = length < 0;
    if (length <= 0) break;
    text.append(buffer.data(), static_cast<size_t>(length));
  }
  if (failed && errno != ESRCH && errno != ENOENT) return errno_error("read(/proc/PID/maps)", "the VMM's mappings");
  // A process that has ended but was not reaped yet shows no mapping at all.
  if (text.empty()) return Error{Code::vmm_gone, "the VMM's process is gone"};
  return text;
}

}  // namespace drover
