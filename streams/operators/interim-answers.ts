import { bounds } from '../bounds';

/** A server gave informational answers (1xx), over and over, in place of the one that was asked for. */
export class TooManyInterimAnswers extends Error {
  override readonly name = 'TooManyInterimAnswers';
  readonly code = 'TOO_MANY_INTERIM_ANSWERS';
}

/**
 * To be called with each informational answer (1xx) to one request: throws past `bounds.interimAnswers` (16). Where a
 * request had 15 s, four of an endless stream of them took three quarters of a core and held up the loop for 0.1 s a turn.
 */
export function interimAnswers(): () => void {
  let seen = 0;
  return () => {
    seen += 1;
    if (seen > bounds.interimAnswers) throw new TooManyInterimAnswers('too many informational answers');
  };
}
