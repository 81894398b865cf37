import type { Redis } from 'ioredis';
import { concat, concatMap, defer, EMPTY, expand, from, mergeMap, of, type Observable } from 'rxjs';
import type { RedisNodes } from './topology';

/** Keys per step: bounds how many are in memory, and for how long Redis is busy. */
const PAGE = 500;

/** A step of SCAN, and where the next one starts: `0` is the end. */
type Page = readonly [next: string, keys: readonly string[]];

/**
 * All keys that match, a page at a time; some may come twice. If a cluster moved keys meanwhile, one may have gone from
 * a node not scanned yet to one that was: then all nodes are scanned once more, as a key does not move twice that soon.
 */
export function redisKeys(
  { ask, masters, layout }: Pick<RedisNodes, 'ask' | 'masters' | 'layout'>,
  pattern: string,
): Observable<readonly string[]> {
  const page = (node: Redis, cursor: string): Observable<Page> =>
    ask(() => node.scan(cursor, 'MATCH', pattern, 'COUNT', PAGE));

  const pages = (node: Redis): Observable<Page> =>
    page(node, '0').pipe(expand(([next]) => (next === '0' ? EMPTY : page(node, next))));

  const keys$ = defer(() => ask(() => Promise.resolve(masters()))).pipe(
    concatMap((nodes) => from(nodes)),
    concatMap(pages),
    concatMap(([, keys]) => (keys.length === 0 ? EMPTY : of(keys))),
  );
  const layout$ = ask(layout);

  return layout$.pipe(
    mergeMap((before) =>
      concat(
        keys$,
        layout$.pipe(mergeMap((after) => (after.isMoving || after.slots !== before.slots ? keys$ : EMPTY))),
      ),
    ),
  );
}
