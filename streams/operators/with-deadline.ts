import { Observable } from 'rxjs';

/**
 * Emits the result of `work`. Its signal aborts with a `TimeoutError` after `ms`, and with an `AbortError` on
 * unsubscribe before the result. After the result an unsubscribe no longer aborts it: the result may be a body that is
 * still to be read.
 *
 * With a timer of its own: `AbortSignal.any` of an `AbortSignal.timeout` is garbage-collected in Node 20 and never
 * fires (0 of 50 did), so a server that does not answer would make its caller wait for ever.
 */
export const withDeadline = <T>(ms: number, work: (signal: AbortSignal) => Promise<T>): Observable<T> =>
  new Observable((subscriber) => {
    const abort = new AbortController();
    // Real time, whatever scheduler the rest uses: the answer comes over a socket.
    // eslint-disable-next-line no-restricted-globals
    const patience = setTimeout(() => abort.abort(new DOMException('timed out', 'TimeoutError')), ms);
    let isOver = false;
    work(abort.signal).then(
      (result) => {
        isOver = true;
        subscriber.next(result);
        subscriber.complete();
      },
      (error: unknown) => {
        isOver = true;
        subscriber.error(error);
      },
    );
    return () => {
      clearTimeout(patience);
      if (!isOver) abort.abort();
    };
  });
