/**
 * Which accelerator a guest gets. A pure decision:
 *
 * | asked | `/dev/kvm` | guest | answer |
 * | --- | --- | --- | --- |
 * | tcg | any | any | tcg |
 * | kvm | full, emulated | any | kvm |
 * | kvm | absent, no-permission, broken | any | refused |
 * | auto | full | any | kvm |
 * | auto | emulated | flat PVH kernel | kvm |
 * | auto | emulated | anything else | tcg |
 * | auto | absent, no-permission, broken | any | tcg |
 *
 * A destination does not choose: it provides what the instance runs on, or refuses. KVM that emulates instructions
 * (a host that is itself a guest without nested virtualisation) takes a guest that is there only if it would have chosen so
 * itself, or if its owner asked for KVM: a stock system stops at the first instruction that is not emulated.
 */
import type { KvmProbe } from '@drover/native';
import type { InstanceSpec } from '@drover/types';
import { vmmErrors } from '../errors.js';
import type { KernelKind } from './kernel-image.js';

export interface AcceleratorChoice {
  readonly accelerator: 'kvm' | 'tcg';
  readonly reason: string;
}

export interface AcceleratorQuestion {
  readonly asked: InstanceSpec['accelerator'];
  /** What the instance runs on already; null at its first launch. */
  readonly settled: 'kvm' | 'tcg' | null;
  readonly kvm: KvmProbe;
  /** Null for a guest that boots from its disks. */
  readonly kernel: KernelKind | null;
}

/** What a guest can get on this host; which of them it gets is the choice below. */
export function usableAccelerators(kvm: KvmProbe): AcceleratorChoice['accelerator'][] {
  return kvm.kind === 'full' || kvm.kind === 'emulated' ? ['kvm', 'tcg'] : ['tcg'];
}

/** Throws `accelerator-unusable`. */
export function chooseAccelerator(question: AcceleratorQuestion): AcceleratorChoice {
  const { asked, settled, kvm, kernel } = question;
  if (settled !== null) return settledAccelerator(settled, question);
  if (asked === 'tcg') return { accelerator: 'tcg', reason: 'The spec asks for TCG.' };
  if (asked === 'kvm') {
    if (kvm.kind === 'full') return { accelerator: 'kvm', reason: 'The spec asks for KVM.' };
    if (kvm.kind === 'emulated') {
      return {
        accelerator: 'kvm',
        reason: 'The spec asks for KVM, which emulates instructions on this host.',
      };
    }
    throw vmmErrors.error(
      'accelerator-unusable',
      `The spec asks for KVM, and ${kvmPhrase(kvm)}. Make it usable, or set accelerator to "auto" or "tcg".`,
    );
  }
  if (kvm.kind === 'full') return { accelerator: 'kvm', reason: 'KVM works on this host.' };
  if (kvm.kind !== 'emulated') {
    return { accelerator: 'tcg', reason: `TCG, because ${kvmPhrase(kvm)}.` };
  }
  if (kernel === 'pvh-flat') {
    return {
      accelerator: 'kvm',
      reason:
        'KVM emulates instructions on this host, which is enough for a flat PVH kernel that is not Linux.',
    };
  }
  return {
    accelerator: 'tcg',
    reason: 'TCG, because KVM emulates instructions on this host and no stock system starts on that.',
  };
}

function settledAccelerator(
  settled: 'kvm' | 'tcg',
  { asked, kvm, kernel }: AcceleratorQuestion,
): AcceleratorChoice {
  const reason = `The instance runs under ${settled === 'kvm' ? 'KVM' : 'TCG'} and keeps to it.`;
  if (settled === 'tcg' || kvm.kind === 'full') return { accelerator: settled, reason };
  if (kvm.kind === 'emulated') {
    if (asked === 'kvm' || kernel === 'pvh-flat') return { accelerator: settled, reason };
    throw vmmErrors.error(
      'accelerator-unusable',
      'The instance runs under KVM, and KVM on this host emulates instructions, on which only small flat guests run. Choose a host with hardware virtualisation.',
    );
  }
  throw vmmErrors.error(
    'accelerator-unusable',
    `The instance runs under KVM, and ${kvmPhrase(kvm)}. Make it usable on this host, or choose another.`,
  );
}

function kvmPhrase(kvm: KvmProbe): string {
  switch (kvm.kind) {
    case 'absent':
      return '/dev/kvm is not there';
    case 'no-permission':
      return '/dev/kvm may not be opened by this user';
    case 'broken':
      return `/dev/kvm does not run guests (${kvm.detail})`;
    case 'emulated':
      return 'KVM emulates instructions';
    case 'full':
      return 'KVM works';
  }
}
