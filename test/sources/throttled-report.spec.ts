import { VirtualTimeScheduler } from 'rxjs';
import { MalformedFrame } from '../../sources/codecs/frame.codec';
import { decoded } from '../../sources/session';
import { throttledReport } from '../../sources/telemetry/throttled-report';
import { bounds } from '../../streams/bounds';

function reporting() {
  const clock = new VirtualTimeScheduler();
  const said: string[] = [];
  const report = throttledReport((where, error) => said.push(`${where}: ${(error as Error).message}`), clock);
  return { clock, said, report };
}

test('[R16] one report a second and kind, with how many were left out', () => {
  const { clock, said, report } = reporting();
  for (let n = 0; n < 2_500; n++)
    clock.schedule(() => {
      report('frame', new MalformedFrame('no JSON'));
      if (n === 7) report('frame', new MalformedFrame('binary: too short'));
    }, n);
  clock.flush();
  expect(said).toEqual([
    'frame: no JSON',
    'frame: binary: too short',
    'frame: no JSON (and 999 more like it before)',
    'frame: no JSON (and 999 more like it before)',
  ]);
});

test('[R16] kinds without end are one kind', () => {
  const { said, report } = reporting();
  for (let n = 0; n < 10_000; n++) report('frame', new Error(`kind ${n}`));
  expect(said).toHaveLength(65);
});

test('[R16] kinds are told apart again once a second has passed: an hour later a new one is no other', () => {
  const { clock, said, report } = reporting();
  for (let n = 0; n < 100; n++) report('frame', new Error(`kind ${n}`));
  clock.schedule(() => ['a', 'b'].forEach((kind) => report('frame', new Error(kind))), 3_600_000);
  clock.flush();
  expect(said.slice(-2)).toEqual(['frame: a', 'frame: b']);
});

test('a clock that is set back by an hour silences no kind', () => {
  const said: unknown[] = [];
  let at = 7_200_000;
  const clock = Object.assign(new VirtualTimeScheduler(), { now: () => at });
  const report = throttledReport((_, error) => said.push(error), clock);
  const told = () => report('frame', new Error('no JSON'));
  told();
  at -= 3_600_000;
  told();
  expect(said).toHaveLength(2);
});

test('[R16] a frame that is too long is not read: told of as one that was missed', () => {
  const said: unknown[] = [];
  const origin = { clientId: 'c', serverUrl: 'http://comfy', at: 1 };
  const frame = Buffer.alloc(bounds.frameBytes + 1, '[');
  expect(decoded(frame, false, origin, (_, error) => said.push(error))).toEqual([
    { tag: 'garbled', clientId: 'c', at: 1 },
  ]);
  expect(said).toMatchObject([{ message: `longer than ${bounds.frameBytes} bytes` }]);
});

test('[R16] an id of a million dots is no node', () => {
  const origin = { clientId: 'c', serverUrl: 'http://comfy', at: 1 };
  const id = '.'.repeat(1_000_000);
  for (const data of [
    { node: id, prompt_id: 'p' },
    { node: '1', display_node: id, prompt_id: 'p' },
    { node: '1', prompt_id: id },
  ])
    expect(
      decoded(Buffer.from(JSON.stringify({ type: 'executing', data })), false, origin, () => undefined),
    ).toMatchObject([{ tag: 'garbled' }]);
});
