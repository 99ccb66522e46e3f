/** What is fixed about an error code: the same for every place that raises it. */
export interface ErrorDefinition {
  /** HTTP status when it leaves an API. */
  readonly status: number;
  /** True where trying again, unchanged, can help. */
  readonly retryable: boolean;
  /** One line for `docs/errors.md`: when it is raised and what to do. */
  readonly summary: string;
}

/** The form an error has on every wire: a code that never changes and a sentence for a person. */
export interface ErrorBody {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
}

/** An error with a stable code. The message says what happened to which thing, and what to do. */
export class DroverError extends Error {
  override readonly name = 'DroverError';
  readonly code: string;
  readonly status: number;
  readonly retryable: boolean;

  constructor(code: string, definition: ErrorDefinition, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.status = definition.status;
    this.retryable = definition.retryable;
  }

  toBody(): ErrorBody {
    return { code: this.code, message: this.message, retryable: this.retryable };
  }
}

/** The error table of one package: codes to definitions, and the one way to make an error of it. */
export interface ErrorTable<Code extends string> {
  readonly definitions: Readonly<Record<Code, ErrorDefinition>>;
  error(code: Code, message: string, cause?: unknown): DroverError;
}

/** Declares a package's error table. Codes are kebab-case, mean the same wherever they are raised, and never change meaning. */
export function defineErrors<Code extends string>(
  definitions: Readonly<Record<Code, ErrorDefinition>>,
): ErrorTable<Code> {
  return {
    definitions,
    error: (code, message, cause) => new DroverError(code, definitions[code], message, cause),
  };
}

/** The wire form of anything that was thrown; what is not a {@link DroverError} keeps its message under `internal`. */
export function toErrorBody(thrown: unknown): ErrorBody {
  if (thrown instanceof DroverError) return thrown.toBody();
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return { code: 'internal', message, retryable: false };
}
