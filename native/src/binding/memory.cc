#include "binding/memory.h"

#include <atomic>
#include <vector>

#include "binding/arguments.h"
#include "binding/async.h"
#include "binding/errors.h"
#include "core/memory/digest.h"
#include "core/memory/extents.h"
#include "core/memory/memfd.h"
#include "core/memory/populate.h"

namespace drover::binding {

namespace {

constexpr const char* kClassName = "GuestMemory";
constexpr napi_type_tag kTypeTag{0x8c1f0a4ed2764b01, 0x9a53b7e61d0c4f11};
constexpr int64_t kMaximumThreads = 64;

// Work keeps the mapping alive by its own shared_ptr; close() only tells it to end early.
class GuestMemoryObject : public Napi::ObjectWrap<GuestMemoryObject> {
 public:
  static void define(Napi::Env env) {
    JsThread::of(env)->keep_class(kClassName,
                                  DefineClass(env, kClassName,
                                              {
                                                  InstanceAccessor<&GuestMemoryObject::pages>("pages", napi_enumerable),
                                                  InstanceMethod<&GuestMemoryObject::data_pages>("dataPages"),
                                                  InstanceMethod<&GuestMemoryObject::data_ranges>("dataRanges"),
                                                  InstanceMethod<&GuestMemoryObject::digest_all>("digest"),
                                                  InstanceMethod<&GuestMemoryObject::populate_ranges>("populate"),
                                                  InstanceMethod<&GuestMemoryObject::close>("close"),
                                              }));
  }

  explicit GuestMemoryObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<GuestMemoryObject>(info) {
    if (info.Length() != 1 || !info[0].IsExternal()) {
      throw_error(info.Env(), invalid_argument("GuestMemory is made by openMemory"));
      return;
    }
    memory_ = *info[0].As<Napi::External<std::shared_ptr<GuestMemory>>>().Data();
    pages_ = memory_->pages();
    info.This().As<Napi::Object>().TypeTag(&kTypeTag);
  }

  const std::shared_ptr<GuestMemory>& memory() const { return memory_; }

 private:
  Napi::Value pages(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), static_cast<double>(pages_));
  }

  Napi::Value data_pages(const Napi::CallbackInfo& info) {
    if (!memory_) return throw_error(info.Env(), closed());
    auto pages = memory_->data_pages();
    if (!pages) return throw_error(info.Env(), pages.error());
    return Napi::Number::New(info.Env(), static_cast<double>(pages.value()));
  }

  Napi::Value data_ranges(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (!memory_) return throw_error(env, closed());
    auto region = read_region(info[0], "region");
    if (!region) return throw_error(env, region.error());
    auto merge = read_u64(info[1], "mergeBytes");
    if (!merge) return throw_error(env, merge.error());
    auto limit = read_integer(info[2], "limit", 1, 1'000'000);
    if (!limit) return throw_error(env, limit.error());
    auto extents = data_extents(memory_->region(region.value()), merge.value(), static_cast<size_t>(limit.value()));
    if (!extents) return throw_error(env, extents.error());
    Napi::Array ranges = Napi::Array::New(env, extents.value().size());
    for (size_t index = 0; index < extents.value().size(); ++index) {
      Napi::Array range = Napi::Array::New(env, 2);
      range.Set(0u, Napi::BigInt::New(env, extents.value()[index].offset));
      range.Set(1u, Napi::BigInt::New(env, extents.value()[index].length));
      ranges.Set(static_cast<uint32_t>(index), range);
    }
    return ranges;
  }

  Napi::Value digest_all(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (!memory_) return rejected(env, closed());
    auto threads = read_integer(info[0], "threads", 1, kMaximumThreads);
    if (!threads) return rejected(env, threads.error());
    return run_async<MemoryDigest>(
        env,
        [memory = memory_, cancel = cancel_, threads = static_cast<unsigned>(threads.value())] {
          return digest(*memory, threads, *cancel);
        },
        [](Napi::Env env, MemoryDigest& found) -> Napi::Value {
          Napi::Object result = Napi::Object::New(env);
          result.Set("digest", found.hex());
          result.Set("dataPages", static_cast<double>(found.data_pages));
          return result;
        },
        [cancel = cancel_] { *cancel = true; });
  }

  Napi::Value populate_ranges(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (!memory_) return rejected(env, closed());
    auto ranges = read_ranges(info[0]);
    if (!ranges) return rejected(env, ranges.error());
    return run_async<uint64_t>(
        env,
        [memory = memory_, cancel = cancel_, ranges = ranges.take()] { return populate(*memory, ranges, *cancel); },
        [](Napi::Env env, uint64_t& pages) -> Napi::Value {
          return Napi::Number::New(env, static_cast<double>(pages));
        },
        [cancel = cancel_] { *cancel = true; });
  }

  void close(const Napi::CallbackInfo&) {
    *cancel_ = true;
    memory_.reset();
  }

  Result<size_t> read_region(const Napi::Value& value, const char* name) {
    if (memory_->region_count() == 0) return invalid_argument("this guest memory has no region");
    auto region = read_integer(value, name, 0, static_cast<int64_t>(memory_->region_count()) - 1);
    if (!region) return region.error();
    return static_cast<size_t>(region.value());
  }

  Result<std::vector<PopulateRange>> read_ranges(const Napi::Value& value) {
    if (!value.IsArray()) return invalid_argument("ranges must be an array of [region, offset, length]");
    const Napi::Array list = value.As<Napi::Array>();
    std::vector<PopulateRange> ranges;
    for (uint32_t index = 0; index < list.Length(); ++index) {
      const Napi::Value entry = list[index];
      if (!entry.IsArray()) return invalid_argument("ranges must be an array of [region, offset, length]");
      const Napi::Array tuple = entry.As<Napi::Array>();
      auto region = read_region(tuple[0u], "region");
      if (!region) return region.error();
      auto offset = read_u64(tuple[1u], "offset");
      if (!offset) return offset.error();
      auto length = read_u64(tuple[2u], "length");
      if (!length) return length.error();
      ranges.push_back({region.value(), offset.value(), length.value()});
    }
    return ranges;
  }

  static Error closed() { return Error{Code::closed, "this guest memory was closed"}; }

  std::shared_ptr<GuestMemory> memory_;
  uint64_t pages_ = 0;
  std::shared_ptr<std::atomic<bool>> cancel_ = std::make_shared<std::atomic<bool>>(false);
};

Result<RegionSpec> read_spec(const Napi::Value& value) {
  auto id = read_string(field(value, "id"), "id");
  if (!id) return id.error();
  auto fd = read_integer(field(value, "fd"), "fd", 0, INT32_MAX);
  if (!fd) return fd.error();
  auto offset = read_u64(field(value, "offset"), "offset");
  if (!offset) return offset.error();
  auto size = read_u64(field(value, "sizeBytes"), "sizeBytes");
  if (!size) return size.error();
  return RegionSpec{id.take(), static_cast<int>(fd.value()), offset.value(), size.value()};
}

Napi::Value open_memory(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsArray()) return throw_error(env, invalid_argument("regions must be an array"));
  const Napi::Array list = info[0].As<Napi::Array>();
  std::vector<RegionSpec> specs;
  for (uint32_t index = 0; index < list.Length(); ++index) {
    auto spec = read_spec(list[index]);
    if (!spec) return throw_error(env, spec.error());
    specs.push_back(spec.take());
  }
  auto memory = GuestMemory::open(specs);
  if (!memory) return throw_error(env, memory.error());
  std::shared_ptr<GuestMemory> opened = memory.take();
  return JsThread::of(env)
      ->class_named(kClassName)
      .New({Napi::External<std::shared_ptr<GuestMemory>>::New(env, &opened)});
}

Napi::Value create_memfd_fd(const Napi::CallbackInfo& info) {
  auto name = read_string(info[0], "name");
  if (!name) return throw_error(info.Env(), name.error());
  auto size = read_u64(info[1], "sizeBytes");
  if (!size) return throw_error(info.Env(), size.error());
  auto fd = create_memfd(name.value(), size.value());
  if (!fd) return throw_error(info.Env(), fd.error());
  return Napi::Number::New(info.Env(), fd.value().release());
}

Napi::Value close_fd(const Napi::CallbackInfo& info) {
  auto fd = read_integer(info[0], "fd", 3, INT32_MAX);
  if (!fd) return throw_error(info.Env(), fd.error());
  // Linux frees the number even when it reports an error, so trying again could close somebody else's.
  if (::close(static_cast<int>(fd.value())) != 0 && errno == EBADF) {
    return throw_error(info.Env(), errno_error("close", "descriptor " + std::to_string(fd.value())));
  }
  return info.Env().Undefined();
}

Napi::Value try_lock_fd(const Napi::CallbackInfo& info) {
  auto fd = read_integer(info[0], "fd", 0, INT32_MAX);
  if (!fd) return throw_error(info.Env(), fd.error());
  auto locked = try_lock(static_cast<int>(fd.value()));
  if (!locked) return throw_error(info.Env(), locked.error());
  return Napi::Boolean::New(info.Env(), locked.value());
}

}  // namespace

Result<std::shared_ptr<GuestMemory>> memory_of(const Napi::Value& value) {
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kTypeTag)) {
    return invalid_argument("memory must be a GuestMemory of this addon");
  }
  const auto& memory = GuestMemoryObject::Unwrap(value.As<Napi::Object>())->memory();
  if (!memory) return Error{Code::closed, "this guest memory was closed"};
  return memory;
}

void init_memory(Napi::Env env, Napi::Object exports) {
  GuestMemoryObject::define(env);
  exports.Set("openMemory", Napi::Function::New(env, open_memory, "openMemory"));
  exports.Set("createMemfd", Napi::Function::New(env, create_memfd_fd, "createMemfd"));
  exports.Set("closeFd", Napi::Function::New(env, close_fd, "closeFd"));
  exports.Set("tryLock", Napi::Function::New(env, try_lock_fd, "tryLock"));
}

}  // namespace drover::binding
