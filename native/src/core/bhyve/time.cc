#include "core/bhyve/time.h"

#include <cstring>
#include <string>

#include "core/bhyve/vm_data.h"

namespace drover::bhyve {

namespace {

constexpr uint64_t kSecond = 1000000000;

Error bad_time(const std::string& what) {
  return Error{Code::invalid_argument, "the guest's time cannot go on: " + what};
}

Result<int64_t> wall_ns(const abi::vdi_time_info_v1& time) {
  uint64_t ns;
  if (time.vt_hres_ns >= kSecond || __builtin_mul_overflow(time.vt_hres_sec, kSecond, &ns) ||
      __builtin_add_overflow(ns, time.vt_hres_ns, &ns) || ns > static_cast<uint64_t>(INT64_MAX)) {
    return bad_time("a host's wall clock is past the year 2262 or malformed");
  }
  return static_cast<int64_t>(ns);
}

}  // namespace

Result<AdvancedTime> advance(const abi::vdi_time_info_v1& source, const abi::vdi_time_info_v1& here,
                             machine::ClockMode mode) {
  if (here.vt_hrtime < 0) return bad_time("this host's monotonic clock is negative");
  int64_t uptime;
  if (__builtin_sub_overflow(source.vt_hrtime, source.vt_boot_hrtime, &uptime) || uptime < 0) {
    return bad_time("it booted after it was paused, or longer ago than 2^63 ns");
  }
  auto source_wall = wall_ns(source);
  if (!source_wall) return source_wall.error();
  auto here_wall = wall_ns(here);
  if (!here_wall) return here_wall.error();
  // The clock alone: a TSC in kHz would drift by up to a kHz.
  auto clock = machine::advance({source_wall.value(), static_cast<uint64_t>(uptime), 0, 0}, here_wall.value(), mode);
  if (!clock) return clock.error();

  const auto passed = static_cast<uint64_t>(clock.value().passed_ns);
  const auto cycles = static_cast<unsigned __int128>(passed) * source.vt_guest_freq / kSecond;
  if (cycles > UINT64_MAX) return bad_time("the time between the hosts is more cycles than the TSC counts");
  AdvancedTime advanced{here, clock.value().passed_ns, clock.value().behind_ns};
  advanced.time.vt_guest_freq = source.vt_guest_freq;
  advanced.time.vt_guest_tsc = source.vt_guest_tsc + static_cast<uint64_t>(cycles);
  // Two numbers that are not negative: their difference always fits.
  advanced.time.vt_boot_hrtime = here.vt_hrtime - static_cast<int64_t>(clock.value().clock_ns);
  return advanced;
}

Result<abi::vdi_time_info_v1> read_time(Device& vm) {
  auto data = read_data(vm, kTimeClass, abi::kWholeVm);
  if (!data) return data.error();
  abi::vdi_time_info_v1 time;
  std::memcpy(&time, data.value().data(), sizeof time);
  return time;
}

Status write_time(Device& vm, const abi::vdi_time_info_v1& time) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(&time);
  Status written = write_data(vm, kTimeClass, abi::kWholeVm, {bytes, sizeof time});
  if (written || written.error().error_number != EPERM) return written;
  // A VM that was not written to yet has its host's frequency; where that is the one wanted, something else is refused.
  auto here = read_time(vm);
  if (!here || here.value().vt_guest_freq == time.vt_guest_freq) return written;
  Error error = written.error();
  error.code = Code::unsupported;
  error.message = "the guest's TSC counts at " + std::to_string(time.vt_guest_freq) + " Hz, and this host's at " +
                  std::to_string(here.value().vt_guest_freq) +
                  " Hz and cannot be scaled; choose a host of the same frequency";
  return error;
}

}  // namespace drover::bhyve
