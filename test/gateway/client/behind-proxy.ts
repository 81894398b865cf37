import { jobstream, type Jobstream, type Token } from '../../../gateway/client';
import { steps } from '../../support/comfyui/workflows';
import { tcpProxy, type TcpProxy } from '../../support/network/tcp-proxy';
import { runningGateway, type RunningGateway } from '../support/running-gateway';
import { testAuth } from '../support/admission/tokens';

export let gateway: RunningGateway;

/** What is between clients and the gateway. */
export let network: TcpProxy;
const clients: Jobstream[] = [];

export const openGateway = async () => {
  gateway = await runningGateway({ auth: testAuth });
  network = await tcpProxy(gateway.url);
};

/** Closes all clients, and lets all jobs go on. */
export const closeClients = () => {
  clients.splice(0).forEach((client) => client.close());
  letGo();
};

export const closeGateway = async () => {
  await network.close();
  await gateway.close();
};

export const clientWith = (token?: Token): Jobstream => {
  const client = jobstream({ url: network.url, ...(token !== undefined && { token }) });
  clients.push(client);
  return client;
};
export const submit = (workflow = steps(), userId = 'ada') =>
  gateway.pipeline.submit({ workflow, type: 'image_generation', userId });
/** Jobs go no further than this step until they are let go, however long it takes to look at them. */
export const holdAt = (step: number): void => void (gateway.comfy.faults.mostSteps = step);
export const letGo = (): void => holdAt(Infinity);
