import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { decodeFrame } from '../sources/codecs/frame.codec';
import { frameEvents } from '../sources/codecs/frame-events';
import { graphOf } from '../streams/job/workflow';
import { planOf } from '../streams/progress/plan';
import * as R from '../streams/progress/run-clock';
import { shownAt } from '../streams/progress/bar';
import { byName } from '../streams/progress/expected';
import * as E from 'fp-ts/Either';
export function load(file: string) {
  const lines = readFileSync(file, 'utf8').trim().split('\n').map((l) => JSON.parse(l));
  const posts = lines.filter((l: any) => l.http?.method === 'POST' && l.http.path === '/prompt' && l.http.status === 200);
  return { file, lines, posts };
}
export function runs(file: string) {
  const { lines, posts } = load(file);
  const out: any[] = [];
  for (const p of posts) {
    const id = p.http.response.prompt_id;
    const graph = graphOf(p.http.body.prompt);
    const events: any[] = [];
    for (const l of lines) { if (!l.text) continue; const d = decodeFrame(l.text); if (!E.isRight(d) || !d.right) continue;
      for (const e of frameEvents(d.right as any, { clientId: 'c', serverUrl: 's', at: l.t })) if ((e as any).promptId === id) events.push(e); }
    const start = events.find((e) => e.tag === 'started')?.at, end = events.find((e) => e.tag === 'succeeded')?.at;
    if (start === undefined || end === undefined) continue;
    out.push({ file, graph, events, start, end });
  }
  return out;
}
export function apply(run: R.RunClock, e: any): R.RunClock {
  switch (e.tag) {
    case 'cached': return R.withCached(run, e.nodeIds);
    case 'executing': return R.executing(run, e.nodeId, e.at);
    case 'stepped': return R.stepped(run, e.nodeId, e.value, e.max, e.at);
    case 'snapshot': return R.snapshot(run, e.nodes, e.at);
    case 'executed': return R.executed(run, e.nodeId, e.at);
    default: return run;
  }
}
export function measure(r: any, durations = byName, trace = false) {
  const total = r.end - r.start; let run = R.runClock(planOf(r.graph), r.start, durations);
  const tick = Math.max(50, Math.min(1000, total / 50 > 1000 ? 1000 : 1000));
  const times: { at: number; e?: any }[] = r.events.filter((e: any) => e.at >= r.start && e.at < r.end).map((e: any) => ({ at: e.at, e }));
  for (let t = r.start + tick; t < r.end; t += tick) times.push({ at: t });
  times.sort((a, b) => a.at - b.at);
  let p = 0, last = r.start, area = 0, worst = 0, worstAt = 0; const eta: number[] = [];
  const seg = (a: number, b: number) => { if (b <= a) return; const f = (t: number) => 100 * (t - r.start) / total; const d = (t: number) => Math.abs(f(t) - p);
    const da = f(a) - p, db = f(b) - p; area += (da * db >= 0 ? (Math.abs(da) + Math.abs(db)) / 2 : (da * da + db * db) / (2 * Math.abs(db - da))) * (b - a);
    for (const [x, t] of [[Math.abs(da), a], [Math.abs(db), b]] as const) if (x > worst) { worst = x; worstAt = t; } };
  for (const { at, e } of times) { seg(last, at); last = at; if (e) run = apply(run, e); const s = shownAt(run, at); run = s.run; p = Math.floor(s.share * 1000) / 10;
    if (at - r.start > 0.2 * total && at < r.end - 1) eta.push(Math.abs(s.leftMs - (r.end - at)) / (r.end - at));
    if (trace && true) console.log(((at - r.start) / 1000).toFixed(1), (100 * (at - r.start) / total).toFixed(1), p, (s.leftMs / 1000).toFixed(1), e?.tag ?? '', e?.nodeId ?? ''); }
  seg(last, r.end);
  eta.sort((a, b) => a - b);
  return { mean: area / total, worst, worstAt: (worstAt - r.start) / total, run, etaMed: eta[eta.length >> 1] ?? 0, eta90: eta[Math.floor(eta.length * .9)] ?? 0, total };
}
export const files = (p: string): string[] => statSync(p).isDirectory() ? readdirSync(p).sort().flatMap((n) => files(join(p, n))) : p.endsWith('.jsonl') ? [p] : [];
export function table(set: string[], dur: (r: any) => any, quiet = false) {
  let n = 0, sum = 0, wmean = 0, wmax = 0; const meds: number[] = [], p90: number[] = [];
  for (const f of set) for (const r of runs(f)) { if (r.end - r.start < 300) continue; const m = measure(r, dur(r)); n++; sum += m.mean; wmean = Math.max(wmean, m.mean); wmax = Math.max(wmax, m.worst); meds.push(m.etaMed); p90.push(m.eta90);
    if (!quiet) console.log(f.split('/').slice(-2).join('/').slice(-60).padEnd(60), (m.total / 1000).toFixed(1).padStart(7), m.mean.toFixed(1).padStart(6), m.worst.toFixed(1).padStart(6), '@' + (100 * m.worstAt).toFixed(0).padStart(3), 'eta', (100*m.etaMed).toFixed(0), (100*m.eta90).toFixed(0)); }
  const q = (a: number[], f: number) => a.sort((x, y) => x - y)[Math.floor(a.length * f)]!;
  console.log(`jobs ${n} mean ${(sum / n).toFixed(2)} worst mean ${wmean.toFixed(1)} worst ${wmax.toFixed(1)} eta med ${(100*q(meds,.5)).toFixed(0)} p90 ${(100*q(p90,.9)).toFixed(0)}`);
}
if (require.main === module) if (process.argv[2] === 'trace') for (const r of runs(process.argv[3]!)) measure(r, byName, true);
else if (process.argv[2]) table(process.argv.slice(2).flatMap(files), () => byName);
