import type { MachineRefusal } from '@drover/protocol';

/** Why a request is not followed; becomes the answer to it. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: MachineRefusal;

  constructor(code: MachineRefusal, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}
