import { Observable } from 'rxjs';

/**
 * What `work` gives. Its signal aborts with a `TimeoutError` after `ms`, and with an `AbortError` when nobody waits for it any
 * more; once it has given something the signal is left alone, for that may be a body which is still to be read.
 *
 * With a timer of its own: `AbortSignal.any` of an `AbortSignal.timeout` is collected as garbage in Node 20 and never fires
 * (0 of 50 did), and a server that does not answer would hold up whoever waits for good.
 */
export const withDeadline = <T>(ms: number, work: (signal: AbortSignal) => Promise<T>): Observable<T> =>
  new Observable((subscriber) => {
    const abort = new AbortController();
    // In earnest, whatever scheduler the rest goes by: what is waited for comes over a socket.
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
