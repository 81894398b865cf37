import * as E from 'fp-ts/Either';
import { identity, pipe } from 'fp-ts/function';
import * as t from 'io-ts';

/** One bad field: its dotted path from the top, and what it must be. Never its value, which may be secret. */
export interface FieldError {
  readonly field: string;
  readonly message: string;
}

/** A JSON Schema of 2020-12, which OpenAPI 3.1 uses. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** A codec with a JSON Schema of what it takes. */
export type Described<A> = t.Type<A, A> & { readonly schema?: JsonSchema; readonly isOptional?: boolean };

export const described = <A>(codec: t.Type<A, A>, schema: JsonSchema): Described<A> => Object.assign(codec, { schema });

/**
 * A codec made of one check. The check's Left says what is wrong, as the predicate of a sentence about the field.
 * Fields of the API have a schema, settings do not.
 */
export const checked = <A>(
  name: string,
  check: (value: unknown) => E.Either<string, A>,
  schema?: JsonSchema,
): Described<A> => {
  const codec = new t.Type<A, A, unknown>(
    name,
    (value): value is A => E.isRight(check(value)),
    (value, context) =>
      pipe(
        check(value),
        E.fold(
          (message): t.Validation<A> => t.failure(value, context, message),
          (right) => t.success(right),
        ),
      ),
    identity,
  );
  return schema ? described(codec, schema) : codec;
};

/** A codec made of a rule that says why a value is refused, as `checked` does; it leaves the others as they are. */
export const ruled = <A>(
  name: string,
  objectionTo: (value: unknown) => string | undefined,
  schema: JsonSchema,
): Described<A> =>
  checked<A>(
    name,
    (value) => {
      const objection = objectionTo(value);
      return objection === undefined ? E.right(value as A) : E.left(objection);
    },
    schema,
  );

/** The same codec for a field that may be absent. */
export const optional = <A>(codec: Described<A>): Described<A | undefined> => {
  const check = (value: unknown) =>
    value === undefined ? E.right(undefined) : pipe(codec.decode(value), E.mapLeft(firstMessage));
  return Object.assign(checked<A | undefined>(`${codec.name}?`, check, codec.schema), { isOptional: true });
};

/** Fields of which those that may be `undefined` are absent then. */
export type Given<A> = { [K in keyof A as undefined extends A[K] ? never : K]: A[K] } & {
  [K in keyof A as undefined extends A[K] ? K : never]?: Exclude<A[K], undefined>;
};

/** The fields that are not `undefined`. */
export const present = <A extends object>(fields: A): Given<A> =>
  Object.fromEntries(Object.entries(fields).filter(([, field]) => field !== undefined)) as Given<A>;

/** Decodes fields, and names each bad one. Those that were not given are absent: io-ts makes them `undefined`. */
export const decoded = <A extends object>(
  codec: t.Type<A, unknown>,
  value: unknown,
): E.Either<readonly FieldError[], Given<A>> =>
  pipe(
    codec.decode(value),
    E.bimap(
      (errors) => errors.map(({ context, message }) => ({ field: pathOf(context), message: message ?? WRONG })),
      (fields) => present(fields),
    ),
  );

const WRONG = 'must be an object';

const firstMessage = (errors: t.Errors): string => errors[0]?.message ?? WRONG;

const pathOf = (context: t.Context): string =>
  context
    .slice(1)
    .map(({ key }) => key)
    .join('.');
