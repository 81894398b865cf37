import { ComfyUIPodClient } from '../../compat/index';

/** Posts a workflow (its second argument) to a ComfyUI (its first), and is killed once that is taken. */
const [baseUrl = '', workflow = ''] = process.argv.slice(2);
void new ComfyUIPodClient({ baseUrl })
  .queueWorkflow(JSON.parse(workflow) as Parameters<ComfyUIPodClient['queueWorkflow']>[0])
  .then(() => process.kill(process.pid, 'SIGKILL'));
