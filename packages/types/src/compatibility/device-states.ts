/**
 * The versions of device state that a host reads, by kind, ascending; the last one of a kind is the one it writes.
 *
 * `qemu-stream` is how Drover carries QEMU's own stream; `qemu/<name>` is a device class of QEMU by the name of its state.
 */
export type DeviceStateVersions = Readonly<Record<string, readonly number[]>>;
