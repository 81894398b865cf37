import { startComfyUI } from '../../support/comfyui/stand-in';

/** What one of the hostile user's outputs has. */
const LARGE = { filename: 'large_00001_.png', subfolder: '', type: 'output' };

/** Two honest ComfyUIs in a process of their own. Tells their URLs, and how often each run was begun when it is asked. */
async function main(): Promise<void> {
  const versions = ['0.33.0', '0.3.30'] as const;
  const servers = await Promise.all(versions.map((version) => startComfyUI({ version, timeScale: 0.3 })));
  servers.forEach((server) => server.replaceFile(LARGE, Buffer.alloc(48 << 20, 5), 'image/png'));
  process.on('message', () => process.send?.(servers.flatMap(({ executions }) => [...executions])));
  process.send?.(servers.map(({ url }) => url));
}

process.once('disconnect', () => process.exit());
void main();
