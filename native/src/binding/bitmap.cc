#include "binding/bitmap.h"

#include "binding/arguments.h"
#include "binding/async.h"
#include "binding/errors.h"
#include "binding/memory.h"
#include "core/memory/memfd.h"

namespace drover::binding {

namespace {

constexpr const char* kClassName = "DirtyBitmap";
constexpr napi_type_tag kTypeTag{0x8c1f0a4ed2764b02, 0x9a53b7e61d0c4f22};

class DirtyBitmapObject : public Napi::ObjectWrap<DirtyBitmapObject> {
 public:
  static void define(Napi::Env env) {
    JsThread::of(env)->keep_class(kClassName,
                                  DefineClass(env, kClassName,
                                              {
                                                  InstanceAccessor<&DirtyBitmapObject::pages>("pages", napi_enumerable),
                                                  InstanceMethod<&DirtyBitmapObject::count>("count"),
                                                  InstanceMethod<&DirtyBitmapObject::set_all>("setAll"),
                                                  InstanceMethod<&DirtyBitmapObject::clear>("clear"),
                                                  InstanceMethod<&DirtyBitmapObject::merge>("merge"),
                                              }));
  }

  explicit DirtyBitmapObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<DirtyBitmapObject>(info) {
    if (info.Length() != 1 || !info[0].IsExternal()) {
      throw_error(info.Env(), invalid_argument("DirtyBitmap is made by createBitmap"));
      return;
    }
    bitmap_ = *info[0].As<Napi::External<std::shared_ptr<DirtyBitmap>>>().Data();
    info.This().As<Napi::Object>().TypeTag(&kTypeTag);
  }

  const std::shared_ptr<DirtyBitmap>& bitmap() const { return bitmap_; }

 private:
  Napi::Value pages(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), static_cast<double>(bitmap_->pages()));
  }
  Napi::Value count(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), static_cast<double>(bitmap_->count()));
  }
  void set_all(const Napi::CallbackInfo&) { bitmap_->set_all(); }
  void clear(const Napi::CallbackInfo&) { bitmap_->clear(); }
  Napi::Value merge(const Napi::CallbackInfo& info) {
    auto other = bitmap_of(info[0]);
    if (!other) return throw_error(info.Env(), other.error());
    Status merged = bitmap_->merge(*other.value());
    if (!merged) return throw_error(info.Env(), merged.error());
    return info.Env().Undefined();
  }

  std::shared_ptr<DirtyBitmap> bitmap_;
};

Napi::Value wrap(Napi::Env env, std::shared_ptr<DirtyBitmap> bitmap) {
  return JsThread::of(env)
      ->class_named(kClassName)
      .New({Napi::External<std::shared_ptr<DirtyBitmap>>::New(env, &bitmap)});
}

Napi::Value create_bitmap(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto memory = memory_of(info[0]);
  if (!memory) return throw_error(env, memory.error());
  return wrap(env, std::make_shared<DirtyBitmap>(memory.value()->pages()));
}

Napi::Value create_shared_bitmap(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto memory = memory_of(info[0]);
  if (!memory) return throw_error(env, memory.error());
  const uint64_t pages = memory.value()->pages();
  auto file = create_memfd("dirty-bitmap", DirtyBitmap::bytes_for(pages));
  if (!file) return throw_error(env, file.error());
  auto bitmap = DirtyBitmap::over(file.value().get(), pages);
  if (!bitmap) return throw_error(env, bitmap.error());
  Napi::Object result = Napi::Object::New(env);
  result.Set("bitmap", wrap(env, bitmap.take()));
  result.Set("fd", file.value().release());
  return result;
}

Napi::Value open_shared_bitmap(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto memory = memory_of(info[0]);
  if (!memory) return throw_error(env, memory.error());
  auto fd = read_integer(info[1], "fd", 0, INT32_MAX);
  if (!fd) return throw_error(env, fd.error());
  auto bitmap = DirtyBitmap::over(static_cast<int>(fd.value()), memory.value()->pages());
  if (!bitmap) return throw_error(env, bitmap.error());
  return wrap(env, bitmap.take());
}

}  // namespace

Result<std::shared_ptr<DirtyBitmap>> bitmap_of(const Napi::Value& value) {
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kTypeTag)) {
    return invalid_argument("the bitmap must be a DirtyBitmap of this addon");
  }
  return DirtyBitmapObject::Unwrap(value.As<Napi::Object>())->bitmap();
}

void init_bitmap(Napi::Env env, Napi::Object exports) {
  DirtyBitmapObject::define(env);
  exports.Set("createBitmap", Napi::Function::New(env, create_bitmap, "createBitmap"));
  exports.Set("createSharedBitmap", Napi::Function::New(env, create_shared_bitmap, "createSharedBitmap"));
  exports.Set("openSharedBitmap", Napi::Function::New(env, open_shared_bitmap, "openSharedBitmap"));
}

}  // namespace drover::binding
