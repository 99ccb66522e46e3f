// A VM on a fake host, for tests.
#pragma once

#include <memory>
#include <string>

#include "bhyve/fake_host.h"
#include "core/bhyve/vm.h"
#include "core/dirty/bitmap.h"

namespace drover::bhyve {

struct TestVm {
  std::shared_ptr<FakeHost> host;
  std::shared_ptr<Vm> vm;
};

inline TestVm make_vm(FakeSettings settings = {}, uint64_t pages = 200, bool track_writes = true) {
  TestVm made{std::make_shared<FakeHost>(std::move(settings)), nullptr};
  auto vm = Vm::create(*made.host, {"guest", pages * kPageSize, track_writes, false});
  EXPECT_TRUE(vm.ok()) << vm.error().message;
  made.vm = vm.take();
  return made;
}

inline FakeSettings version(int number) {
  FakeSettings settings;
  settings.version = number;
  return settings;
}

inline std::set<uint64_t> pages_of(const DirtyBitmap& bitmap) {
  std::set<uint64_t> pages;
  for (uint64_t page = 0; page < bitmap.pages(); ++page) {
    if (bitmap.test(page)) pages.insert(page);
  }
  return pages;
}

}  // namespace drover::bhyve
