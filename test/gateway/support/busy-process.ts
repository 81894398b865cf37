import { pino } from 'pino';
import { crashLoudly, leave, onSignal } from '../../../gateway/cli/leaving';
import { embeddedStore } from '../../../sinks/embedded/embedded-store';
import { aState } from '../../sinks/a-state';

/** A process that writes its LMDB file without a pause, and leaves in one of the ways there are: `tsx busy-process.ts <way> <folder>`. */
const [, , way, directory = ''] = process.argv;
const logger = pino({}, pino.destination({ dest: 2, sync: true }));
const store = embeddedStore({ directory, report: () => undefined });
let writes = 0;

function write(): void {
  for (let n = 0; n < 250; n += 1) {
    writes += 1;
    store.put(aState({ promptId: `job-${writes}`, seq: writes })).subscribe({ error: () => undefined });
  }
  if (writes < 500) setImmediate(write);
  else end();
}

function end(): void {
  // While the writer waits for callbacks, and more are asked for.
  for (let n = 0; n < 500; n += 1) store.put(aState({ promptId: `last-${n}`, seq: n + 1 })).subscribe();
  process.stdout.write('leaving\n');
  switch (way) {
    case 'bug':
      throw new Error('a bug of ours');
    case 'rejection':
      void Promise.reject(new Error('a bug that nobody held'));
      break;
    case 'second signal':
      process.kill(process.pid, 'SIGTERM');
      process.kill(process.pid, 'SIGINT');
      break;
    case 'patience that ran out':
      process.kill(process.pid, 'SIGTERM');
      break;
    case 'plain exit':
      process.exit(1);

    default:
      leave(1);
  }
}

crashLoudly(logger);
onSignal(logger, () => new Promise(() => undefined));
setImmediate(write);
