import specs from '@asyncapi/specs';
import Ajv, { type ValidateFunction } from 'ajv';
import { asyncApi } from '../../../../gateway/http/openapi/asyncapi';
import type { ClientEvents, PreviewHead, ServerEvents } from '../../../../gateway/wire/protocol';
import { steps } from '../../../support/comfyui/workflows';
import { join } from '../../support/sockets/client';
import { gateway, holdAt, letGo, oneSocket, socket } from '../../support/sockets/one-socket';

type Json = Readonly<Record<string, unknown>>;
interface Document {
  readonly components: Json;
  readonly channels: { readonly socket: { readonly messages: Record<string, { payload: Json; 'x-ack'?: Json }> } };
  readonly operations: Record<string, { action: string; channel: Json; messages: { $ref: string }[] }>;
}
const document = JSON.parse(JSON.stringify(asyncApi())) as Document;
const { messages } = document.channels.socket;

test('the document is valid AsyncAPI 3.0', () => {
  const ajv = new Ajv({ strict: false, validateFormats: false, validateSchema: false, meta: false });
  const validate = ajv.compile(specs.schemas['3.0.0'] as object);
  expect([validate(document), validate.errors]).toEqual([true, null]);
  expect(validate({ ...document, channels: { socket: { messages: { x: { payload: 7 } } } } })).toBe(false);
});

test('each event is sent or received, and refers to what is there', () => {
  const actions = (action: string) =>
    Object.entries(document.operations).flatMap(([id, operation]) => (operation.action === action ? [id] : []));
  const heard: Record<keyof ClientEvents, true> = {
    'job:join': true,
    'job:leave': true,
    'jobs:watch': true,
    'jobs:unwatch': true,
  };
  const told: Record<keyof ServerEvents, true> = {
    'job:state': true,
    'jobs:partial': true,
    'job:preview': true,
  };
  expect(actions('receive')).toEqual(Object.keys(heard).map((event) => event.replace(':', '-')));
  expect(actions('send')).toEqual(Object.keys(told).map((event) => event.replace(':', '-')));
  for (const [id, operation] of Object.entries(document.operations)) {
    expect(operation.messages).toEqual([{ $ref: `#/channels/socket/messages/${id}` }]);
    expect(messages[id]).toMatchObject({ name: id.replace('-', ':') });
  }
});

describe('what really goes over a socket is as documented:', () => {
  oneSocket();

  const ajv = new Ajv({ strict: false });
  const fitting = (schema: Json): ValidateFunction =>
    ajv.compile({ ...(JSON.parse(JSON.stringify(schema)) as Json), components: document.components });

  test('answers and states', async () => {
    // An end that came before the join would be in its answer alone.
    holdAt(5);
    const { promptId } = await gateway.pipeline.submit({ workflow: steps({ steps: 10 }), type: 'x', userId: 'ada' });
    const states: unknown[] = [];
    const heads: PreviewHead[] = [];
    socket.on('job:state', (job) => states.push(job)).on('job:preview', (head) => heads.push(head));
    const isReply = fitting(messages['job-join']!['x-ack']!);
    const over = new Promise((resolve) =>
      socket.on('job:state', ({ status }) => status === 'completed' && resolve(undefined)),
    );
    for (const id of [promptId, 'nobody', 7]) {
      const reply = await join(socket, id);
      expect([isReply(reply), isReply.errors]).toEqual([true, null]);
    }
    letGo();
    await over;
    const isState = fitting(messages['job-state']!.payload);
    for (const state of states) expect([isState(state), isState.errors]).toEqual([true, null]);
    const isPreview = fitting(messages['job-preview']!.payload);
    for (const head of heads) expect(isPreview([head, 'bytes'])).toBe(true);
    expect(isState({})).toBe(false);
  });
});
