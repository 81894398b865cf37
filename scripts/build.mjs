// Compiles to CommonJS with types into dist/, bundles the browser client, builds the dashboard.
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, rmSync } from 'node:fs';

rmSync('dist', { recursive: true, force: true });
execFileSync(process.execPath, ['node_modules/typescript7/bin/tsc', '-p', 'tsconfig.build.json'], { stdio: 'inherit' });
execFileSync(process.execPath, ['scripts/build-client.mjs', 'dist/client'], { stdio: 'inherit' });
execFileSync(process.execPath, ['scripts/build-dashboard.mjs'], { stdio: 'inherit' });
cpSync('gateway/dashboard/dist', 'dist/gateway/dashboard/dist', { recursive: true });
// The compiler leaves out what is no TypeScript.
cpSync('sinks/redis/scripts', 'dist/sinks/redis/scripts', { recursive: true, filter: (path) => !path.endsWith('.ts') });
chmodSync('dist/gateway/main.js', 0o755);
