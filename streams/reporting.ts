import { tap, type MonoTypeOperatorFunction } from 'rxjs';

/** Where all trouble that ends nothing is told: `where` names the part, in one or two words. */
export type Report = (where: string, error: unknown) => void;

/** Reports an error on its way down. */
export const reporting = <T>(where: string, report: Report): MonoTypeOperatorFunction<T> =>
  tap({ error: (error: unknown) => report(where, error) });
