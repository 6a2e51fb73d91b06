/** Fields that say where and how much: names, numbers and lists, never secrets. */
export type ErrorFields = Readonly<Record<string, string | number | boolean | readonly string[]>>;

export interface ErrorOptions<Code extends string> {
  /** Stable and searchable; a program may branch on it. */
  readonly code: Code;
  readonly fields?: ErrorFields;
  /** Whether the same request may succeed later without anybody changing it. False unless said. */
  readonly retryable?: boolean;
  /** What happened underneath. It goes to the log and never to the other side. */
  readonly cause?: unknown;
}

/**
 * The base of every error that Hanse raises on purpose.
 *
 * The message is safe to show to whoever asked: it says what was wrong, where, and what would be
 * right. Each module declares its codes by extending this class with a union of literals.
 */
export class HanseError<Code extends string = string> extends Error {
  readonly code: Code;
  readonly fields: ErrorFields;
  readonly retryable: boolean;

  constructor(message: string, options: ErrorOptions<Code>) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = options.code;
    this.fields = options.fields ?? {};
    this.retryable = options.retryable ?? false;
  }
}

/** `invalid`: text or data from outside that does not parse. */
export class InvalidInputError extends HanseError<'invalid'> {
  constructor(message: string, fields: ErrorFields = {}, cause?: unknown) {
    super(message, { code: 'invalid', fields, cause });
  }
}

/** A sentence for any thrown value, for the places where one must be shown or logged. */
export function describeError(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
