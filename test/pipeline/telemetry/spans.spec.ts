import { context, SpanStatusCode, trace } from '@opentelemetry/api';
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  SimpleSpanProcessor,
  type ReadableSpan,
} from '@opentelemetry/sdk-trace-node';
import { start, stopAll, until } from '../../support/comfyui/client/comfyui-client';
import { steps } from '../../support/comfyui/workflows';
import { anInstance, closeAll } from '../../support/pipeline/pipelines';
import { aStore } from '../../support/pipeline/stores';

const exporter = new InMemorySpanExporter();
const sdk = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });

beforeAll(() => sdk.register());
beforeEach(() => exporter.reset());
afterEach(async () => {
  await closeAll();
  await stopAll();
});
afterAll(async () => {
  // What is registered is the process's, which other specs share.
  trace.disable();
  context.disable();
  await sdk.shutdown();
});

/** The first span of this name, and with this attribute, once it has ended. */
async function ended(name: string, attribute?: readonly [name: string, value: string]): Promise<ReadableSpan> {
  const fits = (span: ReadableSpan): boolean =>
    span.name === name && (attribute === undefined || span.attributes[attribute[0]] === attribute[1]);
  const found = () => exporter.getFinishedSpans().find(fits);
  await until(() => found() !== undefined);
  return found() as ReadableSpan;
}

test('a job is a span of the application’s own trace, and what was done for it, within', async () => {
  const comfyui = await start();
  const { pipeline, watch } = anInstance({ servers: [comfyui.url], store: aStore });
  const request = { type: 'image_generation', userId: 'ada', workflow: steps({ steps: 2, secondsPerStep: 0.02 }) };
  const handler = trace.getTracer('application').startSpan('POST /generate');
  const { promptId } = await context.with(trace.setSpan(context.active(), handler), () => pipeline.submit(request));
  handler.end();
  await watch(promptId).end;

  const submit = await ended('jobstream.submit');
  const post = await ended('jobstream.post');
  const write = await ended('jobstream.write', ['jobstream.status', 'queued']);
  await ended('jobstream.write', ['jobstream.status', 'completed']);
  expect(submit.parentSpanContext?.spanId).toBe(handler.spanContext().spanId);
  expect(submit.attributes).toEqual({ 'jobstream.type': 'image_generation' });
  expect(post.attributes).toEqual({ 'jobstream.server': 'server-1' });
  const traceId = handler.spanContext().traceId;
  for (const span of [submit, post, write]) expect(span.spanContext().traceId).toBe(traceId);
  for (const { status } of exporter.getFinishedSpans()) expect(status.code).not.toBe(SpanStatusCode.ERROR);
});

test('what fails is told by the error’s name, without what a user gave', async () => {
  const comfyui = await start();
  const { pipeline } = anInstance({ servers: [comfyui.url], store: aStore });
  const secret = 'a-prompt-of-somebody';
  await expect(
    pipeline.submit({ type: 'image_generation', userId: 'ada', workflow: { 1: secret as never } }),
  ).rejects.toThrow();
  const submit = await ended('jobstream.submit');
  expect(submit.status.code).toBe(SpanStatusCode.ERROR);
  expect(submit.attributes['error.type']).toBe(submit.status.message);
  expect(JSON.stringify([submit.attributes, submit.status, submit.events])).not.toContain(secret);
});

test('another instance’s jobs are taken over, and looked up, in spans of their own', async () => {
  const comfyui = await start();
  const store = (report: Parameters<typeof aStore>[0]) => aStore(report, 'spans');
  const first = anInstance({ servers: [comfyui.url], store });
  const job = await first.run(steps({ steps: 200, secondsPerStep: 0.05 }));
  await job.where(({ status }) => status === 'processing');
  await first.pipeline.close();
  exporter.reset();
  anInstance({ servers: [comfyui.url], store });
  const takeOver = await ended('jobstream.take_over');
  const look = await ended('jobstream.look');
  expect(takeOver.attributes).toEqual({ 'jobstream.sessions': 1 });
  expect(look.attributes).toEqual({ 'jobstream.server': 'server-1', 'jobstream.jobs': 1 });
});
