import type { InstanceSpec } from '@drover/types';
import type { Printed } from '../output/print.js';

export interface CreateInstanceOptions {
  readonly start?: boolean;
  readonly host?: string;
  readonly label?: Readonly<Record<string, string>>;
  readonly requireLabel?: Readonly<Record<string, string>>;
  readonly antiAffinity?: string;
  readonly strategy?: 'spread' | 'pack';
  readonly wait?: number;
}

export interface ListInstancesOptions {
  readonly host?: string;
  readonly life?: string;
  readonly label?: string;
  readonly name?: string;
  /** Items at most. */
  readonly limit?: number;
}

export interface WaitOptions {
  /** Wait until it is so, at most this long, ms. */
  readonly wait?: number;
}

/** Where instances are asked for: at one agent, or in the fleet. Names are names or ids. */
export interface InstanceSide {
  create(spec: InstanceSpec, options: CreateInstanceOptions): Promise<Printed>;
  list(options: ListInstancesOptions): Promise<Printed>;
  show(name: string): Promise<Printed>;
  start(name: string, options: WaitOptions): Promise<Printed>;
  stop(name: string, options: WaitOptions & { readonly force?: boolean }): Promise<Printed>;
  delete(name: string, options: WaitOptions): Promise<Printed>;
  /** URL of the serial console's WebSocket. */
  consoleUrl(name: string): Promise<string>;
  /** The end of the serial console log. */
  log(name: string, tailBytes: number): Promise<string>;
}
