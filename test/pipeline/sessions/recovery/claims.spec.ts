import { of, throwError } from 'rxjs';
import { StoreUnavailable } from '../../../../sinks/job-store';
import { aState } from '../../../sinks/a-state';
import { jobs, scene } from './a-scene';

test('[R17] nor does any later look, but each thirtieth, for others may have dropped what they had', () => {
  const { ofAll, look, read } = scene(jobs, new Set(['held', 'own']));
  const readBy = Array.from({ length: 60 }, () => (look(ofAll()), read.splice(0)));
  expect(readBy.flatMap((ids, n) => (ids.includes('theirs') ? [n + 1] : []))).toEqual([1, 30, 60]);
});

test('what waits here to be written, or is on its way to the board, is not claimed', () => {
  const { ofAll, look, claims, transit } = scene(jobs, new Set(['held', 'own']));
  claims.waiting.add('mine');
  transit.enter('nobodys');
  expect(look(ofAll())).toEqual([]);
  transit.leave('nobodys');
  expect(look(ofAll())).toEqual(['nobodys']);
});

test('jobs are listed before they are claimed, and on their way until they are', () => {
  const { ofAll, look, claims, transit } = scene(jobs, new Set(['held', 'own']));
  const seen: unknown[] = [];
  claims.of = (promptId) => (seen.push([[...claims.refiled], transit.has(promptId)]), of('stored'));
  look(ofAll());
  expect(seen).toEqual([1, 2].map(() => [['mine', 'nobodys'], true]));
  expect(transit.isEmpty()).toBe(true);
});

test('[R1] [R11] a job whose claim is refused, as it ended or another took it, is not taken up', () => {
  const { ofAll, look, claims } = scene(jobs, new Set(['held', 'own']));
  claims.of = (promptId) => of(promptId === 'mine' ? 'stale' : 'stored');
  expect(look(ofAll())).toEqual(['nobodys']);
});

test('[R15] a job that cannot be claimed is reported, and holds up no other', () => {
  const { ofAll, look, claims, reports } = scene(jobs, new Set(['held', 'own']));
  claims.of = (promptId) => (promptId === 'mine' ? throwError(() => new Error('too large')) : of('stored'));
  expect(look(ofAll())).toEqual(['nobodys']);
  expect(reports).toEqual(['recovery']);
});

test('[R12] a session that cannot be made known is reported, asked for again, and holds up no job', () => {
  const { ofAll, look, claims, noted, reports } = scene(jobs, new Set(['held', 'own']));
  const { note } = claims;
  claims.note = () => throwError(() => new StoreUnavailable('away'));
  expect(look(ofAll())).toEqual(['mine', 'nobodys']);
  expect(reports).toEqual(['lease']);
  claims.note = note;
  look(ofAll());
  expect(noted).toEqual(['theirs']);
});

test('a job of a server that is not ours is another’s, and read once, until its session is held here', () => {
  const foreign = [
    aState({ promptId: 'foreign', clientId: 'theirs', serverUrl: 'http://elsewhere' }),
    (({ clientId: _, ...state }) => state)(aState({ promptId: 'of none', serverUrl: 'http://elsewhere' })),
  ];
  const held = new Set(['own']);
  const { ofAll, look, noted, read } = scene(foreign, held, 0, (url) => url !== 'http://elsewhere');
  for (let n = 0; n < 2; n++) expect(look(ofAll())).toEqual([]);
  expect([noted, read]).toEqual([[], ['foreign', 'of none']]);
  held.add('theirs');
  expect(look(ofAll())).toEqual(['foreign']);
});
