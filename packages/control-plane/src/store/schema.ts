/**
 * The tables, as Kysely types them. They are made by `migrations/`, additively: a column that is here may be missing in no release
 * that shares the database.
 *
 * | form | why |
 * | --- | --- |
 * | documents are TEXT with JSON in it | JSONB refuses a NUL that a peer may send, and rounds and reorders what is not ours |
 * | labels are JSONB | they are searched |
 * | 64-bit numbers come back as text | CockroachDB's INT8 does, and a number would be rounded |
 * | times of rows that are paged by time are written with milliseconds | a cursor must be able to say them |
 */
import type { ColumnType } from 'kysely';

/** Read as decimal text. */
export type Int8 = ColumnType<string, string | number | bigint, string | number | bigint>;
/** Read as decimal text; unsigned 64-bit numbers, which INT8 cannot hold. */
export type Decimal20 = ColumnType<string, string | bigint, string | bigint>;
/** JSON in a TEXT column: write `JSON.stringify`, read `JSON.parse`. */
export type Document = string;
export type Labels = ColumnType<Record<string, string>, string, string>;

/** A column that the database fills where nothing is given. */
type Defaulted<T> =
  T extends ColumnType<infer S, infer I, infer U>
    ? ColumnType<S, I | undefined, U>
    : ColumnType<T, T | undefined, T>;

export interface HostTable {
  id: string;
  name: string;
  /** Of its agent API. */
  url: string;
  /** What is: active, draining, maintenance, unreachable, lost. */
  state: string;
  /** What an operator wants: active, draining, maintenance. */
  desired: string;
  labels: Labels;
  /** Whose labels these are: `agent` from its registration, `operator` once one set them. */
  labels_by: Defaulted<string>;
  /** A host description of the newest version that this release knows, or null before the agent answered. */
  description: Document | null;
  cpus: number | null;
  memory_bytes: Int8 | null;
  registered_at: Date;
  /** When it came into that state. */
  state_since: Date;
  /** Why it is unreachable or lost. */
  reason: string | null;
  /** For compare-and-set. */
  generation: Defaulted<Int8>;
}

/** When each host is to be asked for everything next. Apart from `hosts`, since it changes all the time. */
export interface HostWatchTable {
  host_id: string;
  due_at: Date;
  /** Last sign of life of its agent. */
  seen_at: Date | null;
  /** When its VMMs were last listed: every VMM of it that has not ended was seen then. */
  listed_at: Date | null;
}

export interface InstanceTable {
  id: string;
  name: string;
  /** An instance spec in its envelope. */
  spec: Document;
  labels: Labels;
  placement: Document;
  anti_affinity: string | null;
  /** running, stopped, deleted. */
  desired: string;
  /** Of a stop: without asking the guest. */
  forced: Defaulted<boolean>;
  /** The VMM that it lives in. Switched by compare-and-set. */
  vmm_id: string | null;
  migration_id: string | null;
  /** Why `desired` is not reached: an error body. */
  problem: Document | null;
  cpus: number;
  memory_bytes: Int8;
  created_at: Date;
  /** For compare-and-set. */
  generation: Defaulted<Int8>;
  /** When to bring it to what is desired; null where nothing is to be done. */
  run_at: Date | null;
  attempts: Defaulted<number>;
  lease_owner: string | null;
  lease_until: Date | null;
}

export interface VmmTable {
  id: string;
  instance_id: string;
  host_id: string;
  /** A VMM state of the newest version that this release knows. */
  state: Document;
  generation: Decimal20;
  epoch: Decimal20;
  life: string;
  /** `migration` of the agent's view. */
  migration: Document | null;
  /** moved, deleted, replaced, host-lost; null while it may change. */
  ended_reason: string | null;
  ended_at: Date | null;
  /** When it was first seen. */
  created_at: Date;
  /** When this generation was first seen. */
  seen_at: Date;
}

/** Room that is promised and not yet taken by a VMM that was seen. */
export interface ReservationTable {
  /** Of the migration, or of the instance that is being made. */
  id: string;
  instance_id: string;
  host_id: string;
  cpus: number;
  memory_bytes: Int8;
  created_at: Date;
}

export interface MigrationTable {
  id: string;
  instance_id: string;
  source_id: string;
  destination_id: string | null;
  /** The host that was asked for; null where the control plane may choose. */
  wanted_destination_id: string | null;
  state: string;
  phase: string | null;
  progress: Document | null;
  settings: Document;
  backends: Document;
  drain_id: string | null;
  cancel_requested: Defaulted<boolean>;
  report: Document | null;
  error: Document | null;
  lease_owner: string | null;
  lease_until: Date | null;
  /** Raised with every claim; every write of its owner carries it. */
  generation: Defaulted<Int8>;
  /** When to go on; null once it has ended. */
  run_at: Date | null;
  created_at: Date;
  ended_at: Date | null;
  /** Bytes a second promised of its hosts' budgets; null for no limit. */
  bandwidth: Defaulted<Int8 | null>;
}

export interface MigrationStepTable {
  migration_id: string;
  name: string;
  position: number;
  state: string;
  attempts: Defaulted<number>;
  result: Document | null;
  error: Document | null;
  started_at: Date | null;
  ended_at: Date | null;
}

export interface DrainTable {
  id: string;
  host_id: string;
  state: string;
  concurrency: number;
  settings: Document;
  attempts: number;
  lease_owner: string | null;
  lease_until: Date | null;
  generation: Defaulted<Int8>;
  run_at: Date | null;
  created_at: Date;
  ended_at: Date | null;
}

export interface DrainItemTable {
  drain_id: string;
  instance_id: string;
  state: string;
  attempts: Defaulted<number>;
  migration_id: string | null;
  destination_id: string | null;
  error: Document | null;
  /** Of a waiting one: not before. */
  retry_at: Defaulted<Date | null>;
}

/** Rows that a transaction locks to count something over the whole fleet. */
export interface TurnTable {
  name: string;
}

export interface EventTable {
  /** Given out in the order of commits; see `events/record.ts`. */
  id: Int8;
  at: Date;
  kind: string;
  subject: string;
  /** What there is to say where the subject is gone; null where it is read when the event is delivered. */
  body: Document | null;
}

/** One row: the id given out last. */
export interface EventCounterTable {
  id: number;
  last: Int8;
}

export interface AuditTable {
  id: Defaulted<Int8>;
  at: Date;
  actor: string;
  action: string;
  target: string;
  detail: Document;
  outcome: string;
}

export interface ReplicaTable {
  id: string;
  seen_at: Date;
}

export interface SchemaMigrationTable {
  name: string;
  applied_at: Date;
}

/** One row: which replica changes the tables. */
export interface SchemaLockTable {
  id: number;
  owner: string | null;
  until: Date | null;
}

export interface Schema {
  hosts: HostTable;
  host_watches: HostWatchTable;
  instances: InstanceTable;
  vmms: VmmTable;
  reservations: ReservationTable;
  migrations: MigrationTable;
  migration_steps: MigrationStepTable;
  drains: DrainTable;
  drain_items: DrainItemTable;
  turns: TurnTable;
  events: EventTable;
  event_counter: EventCounterTable;
  audit: AuditTable;
  replicas: ReplicaTable;
  schema_migrations: SchemaMigrationTable;
  schema_lock: SchemaLockTable;
}
