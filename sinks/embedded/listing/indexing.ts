import * as E from 'fp-ts/Either';
import { concat, concatMap, defer, EMPTY, filter, ignoreElements, map, type Observable } from 'rxjs';
import type { Report } from '../../../streams/operators/reporting';
import { decodeJobState } from '../../codecs/job-state.codec';
import { JOB_KEY_PREFIX } from '../../job-store';
import { dueLater, DUE_PREFIX } from '../file/expiry';
import { CLAIM_PREFIX } from '../file/file-claim';
import type { LmdbFile } from '../file/lmdb-file';
import { INDEX_PREFIX, type EmbeddedIndex } from './embedded-index';

/** There once the whole file is indexed. */
const INDEXED_KEY = `${INDEX_PREFIX}done`;

/** Prefixes of the keys that are not indexed. */
const OWN = [INDEX_PREFIX, DUE_PREFIX, CLAIM_PREFIX];

export interface IndexingParts {
  readonly file: LmdbFile;
  readonly index: EmbeddedIndex;
  readonly report: Report;
}

/** Indexes entries that an older version wrote without an index, once per file. */
export function indexing({ file, index, report }: IndexingParts): Observable<never> {
  const file$ = file.batches().pipe(
    map((entries) => entries.filter(({ key }) => !OWN.some((prefix) => key.startsWith(prefix)))),
    filter((entries) => entries.length > 0),
    concatMap((entries) =>
      file.transact((txn) => {
        for (const { key, text, until } of entries) {
          dueLater(txn, key, until);
          const state = key.startsWith(JOB_KEY_PREFIX) ? decodeJobState(key, text) : undefined;
          if (state === undefined) continue;
          if (E.isRight(state)) index.put(txn, state.right);
          else report('embedded list', state.left);
        }
      }),
    ),
  );
  const done$ = file.transact((txn) => txn.write({ key: INDEXED_KEY, text: '', until: Number.MAX_SAFE_INTEGER }));
  return defer(() => (file.read(INDEXED_KEY) === undefined ? concat(file$, done$) : EMPTY)).pipe(ignoreElements());
}
