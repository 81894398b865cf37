import { writeFileSync } from 'node:fs';
import { runsOf } from './accuracy';
import { VALUES, commandLine, wrong } from '../command-line';
import { elsewhere, type Curve } from './formulas-elsewhere';
import { recordingAt } from '../recording/recording-files';
import { learntFrom, replay } from '../replay';

const [WIDTH, HEIGHT, LEFT, TOP] = [640, 320, 48, 16];
const COLOURS = ['#1f6feb', '#9a6700', '#8250df', '#cf222e', '#57606a'];

const USAGE = 'usage: draw-bars [--learn FILE|DIR]… FILE OUT.svg';

/** Draws a run's bar over time, ours and those in use elsewhere. */
function main(): void {
  const given = commandLine(USAGE, { learn: VALUES }, 'others');
  const [file, out] = given.others;
  if (file === undefined || out === undefined) wrong(USAGE);
  const learn = given.values('learn');
  const recorded = recordingAt(file);
  const [run] = runsOf(recorded);
  if (run === undefined) throw new Error(`${file}: no run that ended well`);
  const { promptId, start, end } = run;
  const bar = (earlier: readonly string[]): Curve =>
    replay(recorded, () => undefined, learntFrom(earlier))
      .filter(({ state }) => (state.runId ?? state.promptId) === promptId)
      .map(({ t, state }) => [t, state.progress]);
  const curves: [string, Curve][] = [
    ['this bar', bar([])],
    ...(learn.length === 0 ? [] : ([['this bar, after earlier runs', bar(learn)]] as [string, Curve][])),
    ...Object.entries(elsewhere)
      .slice(1)
      .map(([name, formula]): [string, Curve] => [name, formula(recorded, promptId)]),
  ];
  const x = (t: number): string => (LEFT + (WIDTH * (t - start)) / (end - start)).toFixed(1);
  const y = (percent: number): string => (TOP + HEIGHT * (1 - percent / 100)).toFixed(1);
  const path = (curve: Curve): string =>
    curve
      .filter(([t]) => t >= start && t <= end)
      .reduce((d, [t, percent]) => `${d} H${x(t)} V${y(percent)}`, `M${x(start)} ${y(0)}`) + ` H${x(end)}`;
  const lines = curves.map(
    ([name, curve], n) => `
  <path d="${path(curve)}" fill="none" stroke="${COLOURS[n] ?? '#000'}" stroke-width="${n === 0 ? 3 : 1.5}"/>
  <text x="${LEFT + 12}" y="${TOP + 18 + 18 * n}" fill="${COLOURS[n] ?? '#000'}">${name.replace(/&/g, '&amp;')}</text>`,
  );
  writeFileSync(
    out,
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${LEFT + WIDTH + 16} ${TOP + HEIGHT + 32}" font-family="sans-serif" font-size="13">
  <rect width="100%" height="100%" fill="#fff"/>
  <path d="M${LEFT} ${TOP} V${TOP + HEIGHT} H${LEFT + WIDTH}" fill="none" stroke="#57606a"/>
  <path d="M${x(start)} ${y(0)} L${x(end)} ${y(100)}" stroke="#57606a" stroke-dasharray="4 4"/>
  <text x="8" y="${TOP + 12}">100 %</text><text x="20" y="${TOP + HEIGHT}">0 %</text>
  <text x="${LEFT + WIDTH - 40}" y="${TOP + HEIGHT + 20}">${((end - start) / 1000).toFixed(0)} s</text>${lines.join('')}
</svg>
`,
  );
}

main();
