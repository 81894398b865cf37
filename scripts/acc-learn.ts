import { readdirSync } from 'node:fs';
import { learnedFrom } from '../streams/progress/learned';
import { measure, runs, table, files } from './acc-tmp';
const root = '/work/shared/';
const cold = (r: any) => !r.events.some((e: any) => e.tag === 'cached' && e.nodeIds.length > 0);
const learnOf = (fs: string[]) => { const L = learnedFrom(); for (const f of fs) for (const r of runs(f)) { const m = measure(r); let run = m.run; const { executed } = require('../streams/progress/run-clock'); for (const id of run.running) run = executed(run, id, r.end); L.learn('s', run, 0); } return L; };
const graphName = (f: string) => f.split('/').pop()!.replace(/\.\d+\.jsonl$/, '');
for (const dir of ['recordings-long/0.33.0', 'recordings-long/0.3.64', 'recordings-long/0.3.30', 'field-cases/simulated']) {
  const all = files(root + dir);
  console.log(dir, 'none'); table(all, () => undefined, true);
  console.log(' same graph, two earlier runs');
  const cache = new Map<string, any>();
  table(all, (r: any) => { const others = all.filter((f) => f !== r.file && graphName(f) === graphName(r.file)); const L = learnOf(others); return (n: any) => L.durationOf('s', n, cold(r)); }, true);
  console.log(' other graphs');
  table(all, (r: any) => { const k = graphName(r.file); if (!cache.has(k)) cache.set(k, learnOf(all.filter((f) => graphName(f) !== k))); return (n: any) => cache.get(k).durationOf('s', n, cold(r)); }, dir.includes('simul'));
}
