import type { PublicJob } from '../../../../gateway/wire/public-job';

export const job = (fields: Partial<PublicJob> = {}): PublicJob => ({
  promptId: 'a',
  type: 'image_generation',
  userId: 'ada',
  status: 'queued',
  progress: 0,
  startedAt: 1000,
  server: 'server-1',
  phase: 'waiting',
  updatedAt: 1000,
  via: 'websocket',
  attempt: 1,
  epoch: 1,
  seq: 1,
  ...fields,
});
export const running = (id: string, updatedAt: number, fields: Partial<PublicJob> = {}): PublicJob =>
  job({
    status: 'processing',
    phase: 'running',
    node: { id, type: `Type${id}`, value: 1, max: 4 },
    updatedAt,
    ...fields,
  });
