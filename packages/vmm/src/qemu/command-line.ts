/** QEMU's command line for an instance spec. Pure: everything that depends on the host comes in. */
import type { InstanceSpec } from '@drover/types';
import { REGION_ID } from '../process/regions.js';
import { deviceOptions } from './devices.js';
import type { StorageDrivers } from './disks.js';
import { joinOptions } from './options.js';
import type { VmmPaths } from './paths.js';

/** The descriptor under which QEMU inherits its guest memory. */
export const MEMORY_FD = 3;

export interface CommandLineInput {
  readonly instanceId: string;
  readonly spec: InstanceSpec;
  /** Exact, never an alias. */
  readonly machineType: string;
  readonly accelerator: 'kvm' | 'tcg';
  readonly incoming: boolean;
  readonly paths: VmmPaths;
  readonly consoleLog: string;
  readonly storage: StorageDrivers;
}

/** Arguments without the program's name. Throws `spec-unsupported-by-qemu`. */
export function commandLine(input: CommandLineInput): string[] {
  const { spec, machineType } = input;
  return [
    ...['-name', joinOptions('', { guest: spec.name, 'debug-threads': 'on' }).slice(1)],
    ...['-uuid', input.instanceId],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-vga', 'none'],
    ...['-msg', 'timestamp=on'],
    ...['-accel', input.accelerator === 'tcg' ? 'tcg,thread=multi' : 'kvm'],
    ...memoryOptions(spec.memoryMiB),
    // The description of the state format would only lengthen the downtime; nobody reads it.
    ...[
      '-machine',
      joinOptions(machineType, {
        'memory-backend': REGION_ID,
        'suppress-vmdesc': 'on',
        'dump-guest-core': 'off',
      }),
    ],
    ...['-cpu', cpuOption(spec)],
    ...['-smp', `cpus=${spec.cpus},sockets=1,cores=${spec.cpus},threads=1`],
    ...smbiosOptions(spec),
    ...bootOptions(spec),
    ...deviceOptions(input),
    ...consoleOptions(input),
    ...['-chardev', serverSocket('monitor', input.paths.monitor)],
    ...['-mon', 'chardev=monitor,mode=control'],
    // Never run by itself; stay readable when the guest powers off.
    ...['-S', '-action', 'shutdown=pause,panic=pause'],
    ...(input.incoming ? ['-incoming', 'defer'] : []),
  ];
}

/**
 * Guest memory is a file to QEMU, not its own memfd: from 8.1 on only a *named* shared file is left out of the migration
 * stream by x-ignore-shared (QEMU commit b0182e537e).
 */
function memoryOptions(memoryMiB: number): string[] {
  return [
    '-m',
    `size=${memoryMiB}M`,
    '-object',
    `memory-backend-file,id=${REGION_ID},mem-path=/proc/self/fd/${MEMORY_FD},share=on,size=${memoryMiB}M`,
  ];
}

function cpuOption({ cpu }: InstanceSpec): string {
  const features = Object.entries(cpu.features).sort(([a], [b]) => (a < b ? -1 : 1));
  return [cpu.model, ...features.map(([name, on]) => `${name}=${on ? 'on' : 'off'}`)].join(',');
}

/** The system information of the firmware's tables. Its UUID, where given, is also QEMU's own, in place of `-uuid`. */
function smbiosOptions({ smbios }: InstanceSpec): string[] {
  if (smbios === null) return [];
  return [
    '-smbios',
    joinOptions('type=1', {
      manufacturer: smbios.manufacturer ?? null,
      product: smbios.product ?? null,
      version: smbios.version ?? null,
      serial: smbios.serial ?? null,
      uuid: smbios.uuid ?? null,
      sku: smbios.sku ?? null,
      family: smbios.family ?? null,
    }),
  ];
}

function bootOptions({ boot }: InstanceSpec): string[] {
  if (boot.from === 'disks') return [];
  return [
    ...['-kernel', boot.kernel],
    ...(boot.initrd === undefined ? [] : ['-initrd', boot.initrd]),
    ...(boot.cmdline === '' ? [] : ['-append', boot.cmdline]),
  ];
}

function consoleOptions({ spec, paths, consoleLog }: CommandLineInput): string[] {
  const hasPort = Object.values(spec.components).some((component) => component.kind === 'serial-port');
  if (!hasPort) return ['-serial', 'none'];
  return [
    '-chardev',
    serverSocket('com1', paths.console, { logfile: consoleLog, logappend: 'on' }),
    '-serial',
    'chardev:com1',
  ];
}

function serverSocket(id: string, path: string, extra: Record<string, string> = {}): string {
  return joinOptions('socket', { id, path, server: 'on', wait: 'off', ...extra });
}
