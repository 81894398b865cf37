import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { folderIn } from './memory';

let root: string;
beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'memory-'))));
afterEach(() => rmSync(root, { recursive: true }));

test('the files of a run that was killed are removed by the next; those of a run beside it stay', () => {
  const gone = spawnSync('true').pid;
  for (const pid of [gone, process.ppid]) mkdirSync(join(root, `jobstream-tests-${pid}`));
  expect(folderIn(root, 0)).toBe(join(root, `jobstream-tests-${process.pid}`));
  expect(readdirSync(root).sort()).toEqual([process.pid, process.ppid].map((pid) => `jobstream-tests-${pid}`).sort());
});

test('where there is no such file system, or too little room in it, there is no folder', () => {
  expect(folderIn(join(root, 'none'), 0)).toBeUndefined();
  expect(folderIn(root, Infinity)).toBeUndefined();
  expect(readdirSync(root)).toEqual([]);
});
