import { learnedFrom } from '../streams/progress/learned';
import { executed } from '../streams/progress/run-clock';
import { measure, runs, table, files } from './acc-tmp';
const cold = (r: any) => !r.events.some((e: any) => e.tag === 'cached' && e.nodeIds.length > 0);
const learnOf = (fs: string[]) => { const L = learnedFrom(); for (const f of fs) for (const r of runs(f)) { let run = measure(r).run; for (const id of run.running) run = executed(run, id, r.end); L.learn('s', run, 0); } return L; };
const graphName = (f: string) => f.split('/').pop()!.replace(/\.\d+\.jsonl$/, '');
const all = files(process.argv[2]!);
const pick = process.argv[3];
for (const f of all.filter((f) => !pick || f.includes(pick))) { const L = learnOf(all.filter((o) => o !== f && graphName(o) === graphName(f))); 
 if (pick) for (const r of runs(f)) measure(r, (n: any) => L.durationOf('s', n, cold(r)), true); else table([f], (r: any) => (n: any) => L.durationOf('s', n, cold(r))); }
